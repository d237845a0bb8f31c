// A handler as Lambda has them. Deploy with runtime `nodejs`, handler `index.handler`.
exports.handler = async (event, context) => {
  console.log('hello from', context.functionName);
  return { message: `hello, ${event.name ?? 'world'}`, remaining_ms: context.getRemainingTimeInMillis() > 0 };
};

// Answers with the event: for measuring.
exports.echo = async (event) => event;
