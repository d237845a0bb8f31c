// A handler as people write them for Lambda; nothing in it knows where it runs.
let calls = 0;
console.log('starting');

exports.handler = async (event, context) => {
    calls++;
    console.log('call', calls, 'of', context.functionName);
    if (event.throw) throw new RangeError(event.throw);
    if (event.text) throw event.text;
    if (event.exit) process.exit(event.exit);
    if (event.hang) await new Promise(() => setTimeout(() => {}, 60000));
    return {
        calls,
        event,
        id: context.awsRequestId,
        arn: context.invokedFunctionArn,
        memory: context.memoryLimitInMB,
        version: context.functionVersion,
        log_group: context.logGroupName,
        log_stream: context.logStreamName,
        left_ms: context.getRemainingTimeInMillis(),
        client: context.clientContext ?? null,
        trace: process.env._X_AMZN_TRACE_ID ?? null,
        region: process.env.AWS_REGION,
        keys: Boolean(process.env.AWS_ACCESS_KEY_ID && process.env.AWS_SECRET_ACCESS_KEY && process.env.AWS_SESSION_TOKEN),
    };
};

exports.callback = (event, context, callback) => callback(null, `called back with ${event.word}`);

exports.nothing = async () => {};

exports.stream = awslambda.streamifyResponse(async (event, stream) => {
    stream.setContentType('text/plain');
    for (const word of event.words) {
        stream.write(word);
        await new Promise((go) => setTimeout(go, event.pause_ms ?? 0));
    }
    if (event.fail) throw new Error('half way');
    stream.end();
});
