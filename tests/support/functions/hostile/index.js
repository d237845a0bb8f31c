// What code nobody trusts would try. Each handler tells what it could do; the test says what it must not.
const fs = require('node:fs');
const http = require('node:http');
const { spawn } = require('node:child_process');

const attempt = (act) => { try { return act() ?? true; } catch (error) { return error.code ?? error.message; } };

exports.look = async (event) => ({
  shadow: attempt(() => fs.readFileSync('/etc/shadow', 'utf8').length),
  root: attempt(() => fs.readdirSync('/root')),
  host: attempt(() => fs.readdirSync(event.dir)),
  code: attempt(() => fs.writeFileSync('/var/task/x', 'x')),
  usr: attempt(() => fs.writeFileSync('/usr/x', 'x')),
  slash: attempt(() => fs.writeFileSync('/x', 'x')),
  shm: attempt(() => fs.writeFileSync('/dev/shm/x', 'x')),
  processes: fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).length,
  launcher: attempt(() => fs.readFileSync('/proc/1/environ').length),
  networks: Object.keys(require('node:os').networkInterfaces()),
});

exports.fill = async () => {
  const block = Buffer.alloc(1 << 20);
  const file = fs.openSync('/tmp/fill', 'w');
  let mib = 0;
  const error = attempt(() => { for (;;) { fs.writeSync(file, block); mib++; if (mib > 2000) return true; } });
  fs.closeSync(file);
  fs.unlinkSync('/tmp/fill');
  return { mib, error };
};

exports.files = async () => {
  const open = [];
  const error = attempt(() => { for (;;) open.push(fs.openSync('/dev/null')); });
  open.forEach((file) => fs.closeSync(file));
  return { count: open.length, error };
};

exports.fork = async (event) => {
  let started = 0;
  let failed = 0;
  for (let i = 0; i < 1500; i++) {
    try {
      const child = spawn('/bin/sleep', [event.seconds ?? '1000'], { stdio: 'ignore' });
      child.on('error', () => {});
      if (child.pid) started++; else failed++;
    } catch { failed++; }
  }
  return { started, failed };
};

const post = (path, body) => new Promise((resolve) => {
  const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
  const request = http.request({ host, port, method: 'POST', path: '/2018-06-01/runtime/' + path }, (response) => {
    response.resume();
    response.on('end', () => resolve(response.statusCode));
  });
  request.on('error', (error) => resolve(error.code));
  request.end(body);
});

exports.lie = async (event, context) => ({
  other: await post('invocation/00000000-0000-4000-8000-000000000000/response', '"mine"'),
  init: await post('init/error', '{}'),
  nonsense: await post('invocation/x', '{}'),
});

exports.flood = async () => {
  const line = 'x'.repeat(1023) + '\n';
  for (let i = 0; i < 3072; i++) fs.writeSync(1, line);
  return 'flooded';
};

exports.read = async (event) => Object.fromEntries(event.paths.map((path) => [path, attempt(() => {
  return fs.statSync(path).isDirectory() ? fs.readdirSync(path) : fs.readFileSync(path, 'utf8');
})]));

let second = null;
exports.twice = async (event, context) => {
  if (event.seen) return { second };
  await post(`invocation/${context.awsRequestId}/response`, '"first"');
  second = await post(`invocation/${context.awsRequestId}/response`, '"second"');
  return 'third';
};
