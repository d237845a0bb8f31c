// Code nobody trusts, against a real node: what it must not be able to do, and that its neighbours and its bill do not
// notice. On a machine that lacks an isolation, `farthing doctor` says so; the node then does not start without --sandbox none.
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { chapter, client, farthing, json, play, sdk, text, until, url, zip } from './lambda_client.mjs';

const lambda = client();
const seconds = String(100000 + process.pid); // tells our sleepers from those of others
const send = (name, input) => lambda.send(new sdk[`${name}Command`](input));
const source = (path) => readFileSync(`${process.env.FARTHING_SOURCE}/tests/support/functions/${path}`, 'utf8');
const js = zip({ 'index.js': source('hostile/index.js') });
const python = zip({ 'main.py': source('hostile_python/main.py') });
const data = process.env.FARTHING_DATA_DIR;
const create = (FunctionName, Runtime, Handler, ZipFile, more = {}) =>
    send('CreateFunction', {
        FunctionName,
        Runtime,
        Handler,
        Code: { ZipFile },
        Role: 'arn:aws:iam::123456789012:role/any',
        MemorySize: 256, // small: what is idle for long makes room for others
        Timeout: 30,
        ...more,
    });
const attack = async (Handler, event = {}, more = {}) => {
    const name = Handler.replace('.', '_');
    const in_python = Handler.startsWith('main.');
    await create(name, in_python ? 'python3.11' : 'nodejs20.x', Handler, in_python ? python : js, more);
    const told = await send('Invoke', { FunctionName: name, Payload: JSON.stringify(event), LogType: 'Tail' });
    const answer = json(told.Payload);
    if (told.FunctionError && Handler !== 'main.memory') assert.fail(`${Handler}: ${text(told.Payload)}`);
    return { told, answer, name };
};
const one_of = (value, ...allowed) => assert.ok(allowed.includes(value), `${value}, not one of ${allowed}`);
const host_pids = () => readdirSync('/proc').filter((name) => /^\d+$/.test(name)).map(Number);

chapter('a neighbour to watch', async () => {
    await create('neighbour', 'nodejs20.x', 'index.handler', zip({
        'index.mjs': `
import { appendFileSync, existsSync } from 'node:fs';
let calls = 0;
export const handler = async (event) => {
    const before = existsSync('/tmp/mine');
    appendFileSync('/tmp/mine', 'secret');
    return { calls: ++calls, before };
};`,
    }), { MemorySize: 128 });
    assert.deepEqual(json((await send('Invoke', { FunctionName: 'neighbour' })).Payload), { calls: 1, before: false });
});

chapter('reading: the node, its keys, its host, other code, other /tmp', async () => {
    const { answer } = await attack('index.look', { dir: data });
    for (const what of ['shadow', 'root', 'host']) one_of(answer[what], 'ENOENT', 'EACCES');
    for (const what of ['code', 'usr', 'slash']) one_of(answer[what], 'EROFS', 'EACCES');
    assert.deepEqual(answer.networks, ['lo']);
    assert.ok(answer.processes < 8, `${answer.processes} processes to be seen`);
    const read = await attack('index.read', {
        paths: [`${data}/admin.key`, `${data}/node.key`, `${data}/code`, `${data}/spool`, '/tmp/mine', '/proc/1/root/etc/shadow',
            '/proc/1/environ', '/sys/fs/cgroup', process.env.FARTHING_SOURCE],
    });
    for (const [path, told] of Object.entries(read.answer)) {
        if (path === '/proc/1/environ') continue; // its own launcher's: what it says is checked below
        if (path === '/sys/fs/cgroup') continue;
        one_of(told, 'ENOENT', 'EACCES', 'ENOTDIR');
    }
    assert.doesNotMatch(String(read.answer['/proc/1/environ']), /FARTHING_|PGPASSWORD|DATABASE/);
});

chapter('reaching: the API, the database, the Runtime API of others, the world', async () => {
    const sockets = execFileSync('find', [data, '-type', 's']).toString().split('\n').filter(Boolean);
    assert.ok(sockets.length > 0, 'the database has a socket');
    const { answer } = await attack('main.reach', { port: Number(new URL(url).port), sockets, abstract: 'farthing' });
    assert.equal(answer.node, 'ECONNREFUSED');
    assert.deepEqual(answer.open, [9001], 'its own Runtime API, nothing else');
    one_of(answer.outside, 'ENETUNREACH', 'EHOSTUNREACH');
    for (const told of answer.database) one_of(told, 'ENOENT', 'EACCES');
    assert.equal(answer.abstract, 'ECONNREFUSED');
});

chapter('tracing and killing processes of the host, and rights', async () => {
    const traced = await attack('main.trace', { pids: host_pids() });
    assert.deepEqual(traced.answer.host, ['ESRCH']);
    assert.deepEqual(traced.answer.kill, ['ESRCH']);
    assert.ok(traced.answer.visible < 8);
    const { answer } = await attack('main.privileges');
    assert.equal(answer.capabilities, 0);
    assert.equal(answer.new, '1');
    for (const what of ['mount', 'chroot', 'setuid', 'node', 'host_name', 'priority']) one_of(answer[what], 'EPERM', 'EACCES', 'EINVAL');
});

chapter('exhausting: processes, memory, disk, descriptors, logs', async () => {
    const fork = await attack('index.fork', { seconds }, { Timeout: 120 }); // a thousand processes on a busy machine
    assert.ok(fork.answer.failed > 0, 'a limit of processes');
    const memory = await attack('main.memory', {}, { MemorySize: 128 });
    assert.equal(memory.told.FunctionError, 'Unhandled');
    assert.match(Buffer.from(memory.told.LogResult, 'base64').toString(), /Status: error\tError Type: Runtime\.(OutOfMemory|ExitError)|MemoryError/);
    assert.equal((await attack('index.fill', {}, { MemorySize: 1024 })).answer.error, 'ENOSPC');
    assert.equal((await attack('index.files')).answer.error, 'EMFILE');
    assert.equal((await attack('index.flood')).answer, 'flooded');
    await send('DeleteFunction', { FunctionName: fork.name });
    await until('what it started is gone with it', async () => spawnSync('pgrep', ['-fx', `/bin/sleep ${seconds}`]).status, (status) => status === 1);
});

chapter('lying: for another request, twice, before its time', async () => {
    const lie = await attack('index.lie');
    assert.deepEqual(lie.answer, { other: 400, init: 403, nonsense: 404 });
    const { told, answer, name } = await attack('index.twice');
    assert.equal(told.FunctionError, undefined);
    assert.equal(answer, 'first', 'the first answer counts');
    const again = json((await send('Invoke', { FunctionName: name, Payload: '{"seen":true}' })).Payload);
    one_of(again.second, 400, 403);
    const list = await until('records', async () => (await farthing(`/v1/accounts/acme/functions/${name}/invocations`)).items, (all) => all.length >= 2);
    assert.equal(list.length, 2, 'one record a call');
});

chapter('on the host\'s network: the Runtime API of another instance', async () => {
    const on_host = async (name, code) => {
        await create(name, 'python3.11', 'main.handler', zip({ 'main.py': code }), { MemorySize: 128 });
        await farthing(`/v1/accounts/acme/functions/${name}`, { method: 'PATCH', body: '{"network":"host"}' });
    };
    await on_host('open_victim', 'import os\nimport random\nmark = random.random()\ndef handler(event, context):\n    return [mark, os.environ["AWS_LAMBDA_RUNTIME_API"]]\n');
    await on_host('open_thief', `
import socket
def handler(event, context):
    host, port = event["at"].split(":")
    link = socket.create_connection((host, int(port)), 5)
    link.settimeout(2)
    try:
        link.sendall(b"GET /2018-06-01/runtime/invocation/next HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
        return link.recv(1000).decode("latin-1")
    except TimeoutError:
        return "waits"
    except ConnectionError:
        return ""
`);
    const before = json((await send('Invoke', { FunctionName: 'open_victim' })).Payload);
    const told = json((await send('Invoke', { FunctionName: 'open_thief', Payload: JSON.stringify({ at: before[1] }) })).Payload);
    if (process.getuid() !== 0 || process.env.HOSTILE_AS === 'ordinary') {
        one_of(told, '', 'waits'); // instances of one user cannot be told apart: farthing doctor says so
        return;
    }
    assert.equal(told, '', 'it is shown the door');
    const after = json((await send('Invoke', { FunctionName: 'open_victim' })).Payload);
    assert.deepEqual(after, before, 'the same instance: it did not notice');
});

chapter('never asking for its event', async () => {
    await create('deaf', 'provided', 'x', zip({ bootstrap: '#!/bin/sh\nexec sleep 1000\n' }), { MemorySize: 128 });
    const told = await send('Invoke', { FunctionName: 'deaf' });
    assert.equal(told.FunctionError, 'Unhandled');
    assert.equal(json(told.Payload).errorType, 'Sandbox.Timedout');
});

chapter('the neighbour did not notice', async () => {
    assert.deepEqual(json((await send('Invoke', { FunctionName: 'neighbour' })).Payload), { calls: 2, before: true });
    assert.equal(text((await fetch(`${url}/readyz`)).status.toString()), '200');
});

await play();
