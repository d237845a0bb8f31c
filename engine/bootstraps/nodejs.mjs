// Runtime for Node.js handlers written for AWS Lambda: async, callback and streaming (awslambda.streamifyResponse).
// Speaks the Runtime API at AWS_LAMBDA_RUNTIME_API; no dependencies. One keep-alive connection; the request for the next event is sent right behind
// an answer, in the same packet.
import module, { createRequire } from 'node:module';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

const [host, port] = process.env.AWS_LAMBDA_RUNTIME_API.split(':');
const base = '/2018-06-01/runtime';
const NEXT = `GET ${base}/invocation/next HTTP/1.1\r\nHost: ${host}:${port}\r\n\r\n`;
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });

// ---- a small HTTP/1.1 client on one socket: what the warm path needs and nothing more ----

class Wire {
  constructor() { this.socket = null; this.pending = []; this.rest = null; this.need = 0; this.head = null; }

  open() {
    // One buffer for all reads: by default each read takes 64 KiB and gives most of it back.
    const onread = { buffer: Buffer.allocUnsafeSlow(65536), callback: (length, buffer) => { this.feed(buffer.subarray(0, length)); return true; } };
    this.socket = net.connect({ host, port: Number(port), noDelay: true, onread });
    const lost = (error) => {
      const waiting = this.pending;
      this.pending = [];
      this.socket = null;
      this.rest = null; this.head = null; this.need = 0;
      for (const { reject } of waiting) reject(error ?? new Error('Runtime API closed the connection'));
    };
    this.socket.on('error', lost);
    this.socket.on('close', () => lost());
  }

  answered() { return new Promise((resolve, reject) => { this.pending.push({ resolve, reject }); }); }

  next() {
    if (!this.socket) this.open();
    this.socket.write(NEXT);
    return this.answered();
  }

  // Both promises: what the API says to the answer, and the next event.
  answer(target, headers, body, andNext) {
    if (!this.socket) this.open();
    let text = `POST ${base}${target} HTTP/1.1\r\nHost: ${host}:${port}\r\n`;
    for (const name in headers) text += `${name}: ${headers[name]}\r\n`;
    this.socket.write(`${text}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}${andNext ? NEXT : ''}`);
    return [this.answered(), andNext ? this.answered() : null];
  }

  // What is kept from here on is a copy: the buffer is read into again.
  feed(data) {
    let all = data;
    if (this.rest) {
      this.rest.pieces.push(Buffer.from(data));
      this.rest.size += data.length;
      if (this.rest.size < this.need) return;
      all = Buffer.concat(this.rest.pieces, this.rest.size);
      this.rest = null;
    }
    let start = 0;
    for (let used = this.one(all); used > 0; used = this.one(all.subarray(start))) start += used;
    if (start < all.length) {
      const left = all.length - start;
      this.rest = { pieces: [Buffer.from(all.subarray(start))], size: left };
    }
  }

  // Take one answer from the start of what came: its length, or 0 when it is not whole yet.
  one(all) {
    if (!this.head) {
      const end = all.indexOf('\r\n\r\n');
      if (end < 0) return 0;
      const head = all.latin1Slice(0, end + 2);
      this.head = { head, start: end + 4 };
      this.need = end + 4 + Number(field(head, 'Content-Length') ?? 0);
    }
    if (all.length < this.need) return 0;
    const { head, start } = this.head;
    const used = this.need;
    const body = all.utf8Slice(start, used);
    this.head = null; this.need = 0;
    this.pending.shift()?.resolve({ status: Number(head.slice(9, 12)), head, body });
    return used;
  }
}

// A header by its name, in the case the engine sends it.
function field(head, name) {
  const at = head.indexOf(`\r\n${name}: `);
  return at < 0 ? undefined : head.slice(at + name.length + 4, head.indexOf('\r\n', at + 2));
}

const wire = new Wire();

function describe(error) {
  if (error instanceof Error || (error && typeof error === 'object' && 'message' in error && 'name' in error)) {
    return {
      errorType: String(error.name ?? 'Error'),
      errorMessage: String(error.message ?? ''),
      trace: String(error.stack ?? '').split('\n'),
    };
  }
  return { errorType: typeof error, errorMessage: String(error), trace: [] };
}

function fault(name, message) {
  const error = new Error(message);
  error.name = name;
  return error;
}

// ---- finding the handler ----

// require() looks into NODE_PATH (layers) by itself; import does so with this, as on Lambda. Nothing is done where there are no layers.
function importFromLayers() {
  const roots = (process.env.NODE_PATH ?? '').split(':').filter((root) => root.endsWith('/node_modules') && fs.existsSync(root));
  if (roots.length === 0 || !module.register) return;
  const parents = roots.map((root) => pathToFileURL(path.join(root, '..', 'layer.mjs')).href);
  module.register(`data:text/javascript,${encodeURIComponent(`
    const parents = ${JSON.stringify(parents)};
    export async function resolve(name, context, next) {
      try { return await next(name, context); } catch (error) {
        if (error.code !== 'ERR_MODULE_NOT_FOUND' || /^(\\.{0,2}\\/|[a-z]+:)/.test(name)) throw error;
        for (const parentURL of parents) {
          try { return await next(name, { ...context, parentURL }); } catch { /* the next one */ }
        }
        throw error;
      }
    }`)}`);
}

async function load() {
  const root = process.env.LAMBDA_TASK_ROOT;
  const text = process.env._HANDLER;
  const base = path.basename(text);
  const dot = base.indexOf('.');
  if (dot < 0 || text.includes('..')) throw fault('Runtime.MalformedHandlerName', `Bad handler '${text}'`);
  const file = path.resolve(root, text.slice(0, text.length - base.length), base.slice(0, dot));
  const names = base.slice(dot + 1).split('.');
  let found = null;
  for (const extension of ['', '.js', '.mjs', '.cjs']) {
    if (fs.existsSync(file + extension) && fs.statSync(file + extension).isFile()) { found = file + extension; break; }
  }
  importFromLayers();
  if (!found) throw fault('Runtime.ImportModuleError', `Error: Cannot find module '${base.slice(0, dot)}'`);
  let module;
  try {
    if (found.endsWith('.mjs') || (found.endsWith('.js') && isModule(found, root))) {
      module = await import(pathToFileURL(found));
    } else {
      module = createRequire(pathToFileURL(found))(found);
    }
  } catch (error) {
    if (error instanceof SyntaxError) error.name = 'Runtime.UserCodeSyntaxError';
    else if (error?.code === 'MODULE_NOT_FOUND' || error?.code === 'ERR_MODULE_NOT_FOUND') error.name = 'Runtime.ImportModuleError';
    throw error;
  }
  const pick = (start) => names.reduce((at, name) => (at === null || at === undefined ? undefined : at[name]), start);
  const handler = pick(module) ?? pick(module.default);
  if (handler === undefined) throw fault('Runtime.HandlerNotFound', `${text} is undefined or not exported`);
  if (typeof handler !== 'function') throw fault('Runtime.HandlerNotFound', `${text} is not a function`);
  return handler;
}

function isModule(file, root) {
  for (let at = path.dirname(file); ; at = path.dirname(at)) {
    const manifest = path.join(at, 'package.json');
    if (fs.existsSync(manifest)) return JSON.parse(fs.readFileSync(manifest, 'utf8')).type === 'module';
    if (at === root || at === path.dirname(at)) return false;
  }
}

// ---- console: time, request id, level, text; one line an event as Lambda writes it ----

let current = '';
for (const [name, level] of [['log', 'INFO'], ['info', 'INFO'], ['debug', 'DEBUG'], ['trace', 'TRACE'], ['warn', 'WARN'], ['error', 'ERROR']]) {
    console[name] = (...values) => {
    const text = format(...values).replaceAll('\n', '\r');
    fs.writeSync(1, `${new Date().toISOString()}\t${current}\t${level}\t${text}\n`);
  };
}

// ---- streaming ----

const STREAM = Symbol.for('aws.lambda.runtime.handler.streaming');

globalThis.awslambda = {
  streamifyResponse(handler, options) {
    handler[STREAM] = 'response';
    if (options?.highWaterMark) handler.highWaterMark = options.highWaterMark;
    return handler;
  },
  HttpResponseStream: {
    from(stream, prelude) {
      stream.setContentType('application/vnd.awslambda.http-integration-response');
      stream.write(JSON.stringify(prelude));
      stream.write(Buffer.alloc(8));
      return stream;
    },
  },
};

function streamed(id) {
  const request = http.request({
    host, port, agent, method: 'POST', path: `${base}/invocation/${id}/response`,
    headers: {
      'Lambda-Runtime-Function-Response-Mode': 'streaming',
      Trailer: 'Lambda-Runtime-Function-Error-Type, Lambda-Runtime-Function-Error-Body',
      'Content-Type': 'application/octet-stream',
      'Transfer-Encoding': 'chunked',
    },
  });
  request.answered = new Promise((resolve, reject) => {
    request.on('response', (response) => { response.resume(); response.on('end', resolve); });
    request.on('error', reject);
  });
  request.setContentType = (type) => request.setHeader('Content-Type', type);
  const write = request.write.bind(request);
  request.write = (piece, ...rest) => write(plain(piece), ...rest);
  const end = request.end.bind(request);
  request.end = (piece, ...rest) => (piece === undefined || piece === null ? end() : end(plain(piece), ...rest));
  return request;
}

const plain = (piece) => (typeof piece === 'string' || piece instanceof Uint8Array ? piece : JSON.stringify(piece));

async function runStreaming(handler, event, context, id) {
  const stream = streamed(id);
  try {
    await handler(event, stream, context);
    if (!stream.writableEnded) stream.end();
  } catch (error) {
    const told = describe(error);
    stream.addTrailers({
      'Lambda-Runtime-Function-Error-Type': told.errorType,
      'Lambda-Runtime-Function-Error-Body': Buffer.from(JSON.stringify(told)).toString('base64'),
    });
    stream.end();
  }
  await stream.answered;
}

// ---- one invocation ----

function contextOf(id, head) {
  const deadline = Number(field(head, 'Lambda-Runtime-Deadline-Ms'));
  const json = (name) => { const text = field(head, name); return text ? JSON.parse(text) : undefined; };
  return {
    callbackWaitsForEmptyEventLoop: true,
    functionVersion: process.env.AWS_LAMBDA_FUNCTION_VERSION,
    functionName: process.env.AWS_LAMBDA_FUNCTION_NAME,
    memoryLimitInMB: process.env.AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
    logGroupName: process.env.AWS_LAMBDA_LOG_GROUP_NAME,
    logStreamName: process.env.AWS_LAMBDA_LOG_STREAM_NAME,
    clientContext: json('Lambda-Runtime-Client-Context'),
    identity: json('Lambda-Runtime-Cognito-Identity'),
    invokedFunctionArn: field(head, 'Lambda-Runtime-Invoked-Function-Arn'),
    awsRequestId: id,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
}

// A promise is followed; else the callback or context.succeed/fail/done decides; a plain value that was returned is the answer; and
// when nothing is left to wait for, the answer is null.
function call(handler, event, context) {
  return new Promise((resolve, reject) => {
    let idle = () => {};
    const settle = (act) => (value) => { process.off('beforeExit', idle); wire.socket?.ref(); act(value); };
    const good = settle(resolve);
    const bad = settle(reject);
    const callback = (error, value) => (error !== null && error !== undefined ? bad(error) : good(value));
    context.done = callback;
    context.succeed = (value) => callback(null, value);
    context.fail = (error) => callback(error ?? 'handled');
    let value;
    try { value = handler(event, context, callback); } catch (error) { bad(error); return; }
    if (typeof value?.then === 'function') { value.then(good, bad); return; }
    if (value !== undefined && handler.length < 3) { good(value); return; }
    idle = settle(() => resolve(null));
    process.once('beforeExit', idle);
    wire.socket?.unref();
  });
}

// The next event, asked for together with the answer to this one.
async function answer(id, event, context, handler) {
  let target = `/invocation/${id}/response`;
  const headers = { 'Content-Type': 'application/json' };
  let body;
  try {
    const value = await call(handler, event, context);
    body = JSON.stringify(value === undefined ? null : value) ?? 'null';
  } catch (error) {
    const told = describe(error);
    console.error('Invoke Error', JSON.stringify({ ...told, stack: told.trace }));
    target = `/invocation/${id}/error`;
    headers['Lambda-Runtime-Function-Error-Type'] = told.errorType.replace(/[^\x20-\x7e]/g, '?');
    body = JSON.stringify(told);
  }
  const [accepted, next] = wire.answer(target, headers, body, true);
  accepted.catch(() => {}); // next fails as well
  return next;
}

process.on('uncaughtException', (error) => {
  console.error('Uncaught Exception', JSON.stringify(describe(error)));
  process.exit(129);
});
process.on('unhandledRejection', (error) => {
  console.error('Unhandled Promise Rejection', JSON.stringify(describe(error)));
  process.exit(128);
});

async function main() {
  let handler;
  try {
    handler = await load();
  } catch (error) {
    const told = describe(error);
    console.error('Init Error', JSON.stringify(told));
    await wire.answer('/init/error', {
      'Content-Type': 'application/json', 'Lambda-Runtime-Function-Error-Type': told.errorType,
    }, JSON.stringify(told), false)[0].catch(() => {});
    process.exit(1);
  }
  for (let next = wire.next(); ;) {
    const { status, head, body } = await next.catch(() => process.exit(1));
    if (status !== 200) process.exit(1);
    const id = field(head, 'Lambda-Runtime-Aws-Request-Id');
    current = id;
    process.env._X_AMZN_TRACE_ID = field(head, 'Lambda-Runtime-Trace-Id') ?? '';
    const context = contextOf(id, head);
    const event = JSON.parse(body);
    if (handler[STREAM]) {
      await runStreaming(handler, event, context, id);
      next = wire.next();
    } else {
      next = answer(id, event, context, handler);
    }
  }
}

main();
