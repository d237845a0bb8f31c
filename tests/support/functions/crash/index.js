exports.handler = async () => { process.kill(process.pid, 'SIGSEGV'); await new Promise(() => setInterval(() => {}, 1000)); };
exports.exit3 = async () => { process.exit(3); };
exports.exit0 = async () => { process.exit(0); };
exports.throws = async () => { throw new TypeError('it broke'); };
exports.hang = async () => { await new Promise(() => setInterval(() => {}, 1000)); };
exports.big = async () => 'x'.repeat(10 * 1024 * 1024);
exports.memory = async () => { const all = []; for (;;) { all.push(Buffer.alloc(8 * 1024 * 1024, 1)); await null; } };
exports.spin = async (event) => { const end = Date.now() + (event.ms ?? 100); while (Date.now() < end); return 'done'; };
exports.environment = async () => process.env;
exports.stream = awslambda.streamifyResponse(async (event, out) => {
  out.write('one '); out.write('two ');
  if (event.fail) throw new Error('half way');
  out.end('three');
});
