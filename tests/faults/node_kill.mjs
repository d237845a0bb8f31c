// A node under load is stopped (SIGTERM) or killed (SIGKILL), and started again on the same data directory: every event it
// accepted runs, and every call it answered is one record.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';

const [, , farthing, data, signal, seed] = process.argv;
// When the node goes, and what it is doing then, is the seed's choice.
let state = (Number(seed) * 2654435761 + (signal === 'SIGTERM' ? 1 : 2)) >>> 0;
const below = (most) => {
    state = (Math.imul(state ^ (state >>> 15), 2246822519) + 374761393) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) % most;
};
const events_before = 1 + below(300);
const calls_before = 1 + below(100);
const event_clients = 1 + below(8);
const call_clients = 1 + below(8);
const sdk = createRequire(`${process.env.MODULES}/`)('@aws-sdk/client-lambda');
let node;
let url;
let key;
process.on('exit', () => node.kill('SIGTERM')); // also when an assertion fails: nothing stays behind

const pause = () => new Promise((go) => setTimeout(go, 50)); // spares the processor between two looks
async function up() {
    rmSync(`${data}/url`, { force: true });
    node = spawn(farthing, ['serve', '--listen', '127.0.0.1:0', '--data-dir', data], { stdio: ['ignore', 'ignore', 'inherit'] });
    node.gone = new Promise((go) => node.on('exit', (code, by) => go(by ?? code)));
    for (;;) {
        assert.equal(node.exitCode, null, 'the node started');
        if (existsSync(`${data}/url`) && readFileSync(`${data}/url`, 'utf8') !== '') {
            url = readFileSync(`${data}/url`, 'utf8').trim();
            if ((await fetch(`${url}/readyz`).catch(() => ({ ok: false }))).ok) break;
        }
        await pause();
    }
    key = readFileSync(`${data}/admin.key`, 'utf8').trim();
}
async function api(path, body) {
    const reply = await fetch(`${url}${path}`, {
        method: body ? 'POST' : 'GET',
        headers: { Authorization: `Bearer ${key}`, 'Content-Type': 'application/json' },
        body: body && JSON.stringify(body),
    });
    assert.ok(reply.ok, `${path}: ${reply.status}`);
    return reply.json();
}

await up();
await api('/v1/accounts', { name: 'acme' });
const pair = await api('/v1/accounts/acme/keys', { name: 'aws', sigv4: true });
const client = () =>
    new sdk.LambdaClient({
        endpoint: url,
        region: 'local',
        maxAttempts: 1,
        credentials: { accessKeyId: pair.aws_access_key_id, secretAccessKey: pair.aws_secret_access_key },
    });
const zip = readFileSync(process.env.PACKAGE);
await client().send(new sdk.CreateFunctionCommand({
    FunctionName: 'work', Role: 'any', Runtime: 'python3.11', Handler: 'main.handler', Code: { ZipFile: zip }, Timeout: 20,
}));

const accepted = new Set();
const answered = new Set();
let stop = false;
async function load(InvocationType, ids) {
    const lambda = client();
    while (!stop) {
        try {
            const told = await lambda.send(new sdk.InvokeCommand({ FunctionName: 'work', InvocationType, Payload: '{}' }));
            ids.add(told.$metadata.requestId);
        } catch {
            await pause(); // refused, stopping, or gone: it promised nothing
        }
    }
}
const clients = [];
for (let i = 0; i < event_clients; i++) clients.push(load('Event', accepted));
for (let i = 0; i < call_clients; i++) clients.push(load('RequestResponse', answered));
while (accepted.size < events_before || answered.size < calls_before) await pause();
node.kill(signal);
const end = await node.gone;
assert.equal(end, signal === 'SIGTERM' ? 0 : 'SIGKILL', 'how it ended');
stop = true;
await Promise.all(clients);
console.log(`seed ${seed}, ${signal}: ${event_clients} and ${call_clients} clients, ${accepted.size} events accepted, ${answered.size} calls answered`);

await up();
const seen = new Map();
async function read() {
    seen.clear();
    let next = `/v1/accounts/acme/functions/work/invocations?limit=1000`;
    while (next) {
        const page = await api(next);
        for (const one of page.items) {
            const list = seen.get(one.request_id) ?? [];
            list.push(one);
            seen.set(one.request_id, list);
        }
        next = page.next;
    }
}
const missing = () => [...accepted].filter((id) => !seen.has(id));
for (let i = 0; i < 1200; i++) {
    await read();
    if (missing().length === 0 && [...answered].every((id) => seen.has(id))) break;
    await pause();
}
assert.deepEqual(missing(), [], 'every accepted event ran');
for (const id of answered) {
    assert.equal(seen.get(id)?.length, 1, `call ${id} is one record`);
}
node.kill('SIGTERM');
assert.equal(await node.gone, 0);
console.log(`ok ${signal}: all of them ran and are recorded`);
