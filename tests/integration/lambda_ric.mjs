// AWS's own Node.js runtime inside a function: what a handler sees, and what its caller and its bill see.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chapter, client, farthing, json, play, sdk, text, until } from './lambda_client.mjs';

const lambda = client();
const send = (name, input) => lambda.send(new sdk[`${name}Command`](input));
const archive = `${process.env.PACKAGE}.zip`;
execFileSync('python3', ['-c', `
import os, sys, zipfile
root, target = sys.argv[1:]
with zipfile.ZipFile(target, 'w', zipfile.ZIP_DEFLATED) as z:
    for folder, _, files in sorted(os.walk(root)):
        for name in sorted(files):
            path = os.path.join(folder, name)
            z.write(path, os.path.relpath(path, root))
`, process.env.PACKAGE, archive]);
const ZipFile = readFileSync(archive);
const create = async (FunctionName, Handler) => {
    await send('CreateFunction', {
        FunctionName,
        Handler,
        Role: 'arn:aws:iam::123456789012:role/any',
        Runtime: 'provided.al2023',
        Code: { ZipFile },
        MemorySize: 256,
        Timeout: 5,
    });
};
const invoke = (FunctionName, event, more = {}) =>
    send('Invoke', { FunctionName, Payload: JSON.stringify(event), LogType: 'Tail', ...more });
const tail = (told) => Buffer.from(told.LogResult, 'base64').toString();

chapter('a handler answers, warm and cold, and sees its context', async () => {
    await create('plain', 'handler.handler');
    const first = await invoke('plain', { word: 'ä' }, { ClientContext: Buffer.from('{"custom":{"a":1}}').toString('base64') });
    assert.equal(first.FunctionError, undefined, text(first.Payload));
    const seen = json(first.Payload);
    assert.deepEqual(seen.event, { word: 'ä' });
    assert.equal(seen.calls, 1);
    assert.equal(seen.id, first.$metadata.requestId);
    assert.match(seen.arn, /^arn:aws:lambda:.*:function:plain$/);
    assert.equal(seen.memory, '256');
    assert.equal(seen.version, '$LATEST');
    assert.equal(seen.log_group, '/aws/lambda/plain');
    assert.match(seen.log_stream, /^\d{4}\/\d\d\/\d\d\/\[\$LATEST\][0-9a-f]{32}$/);
    assert.ok(seen.left_ms > 0 && seen.left_ms <= 5000);
    assert.deepEqual(seen.client, { custom: { a: 1 } });
    assert.match(seen.trace, /^Root=1-[0-9a-f]{8}-[0-9a-f]{24}/);
    assert.equal(seen.keys, true);
    assert.match(tail(first), /Init Duration: \d+\.\d\d ms/);
    const second = await invoke('plain', {});
    assert.equal(json(second.Payload).calls, 2, 'the same instance');
    assert.match(tail(second), new RegExp(`\t${second.$metadata.requestId}\tINFO\tcall 2 of plain`));
    assert.doesNotMatch(tail(second), /Init Duration/);
});

chapter('what it throws is what its caller is told', async () => {
    const error = await invoke('plain', { throw: 'too far' });
    assert.equal(error.FunctionError, 'Unhandled');
    const told = json(error.Payload);
    assert.equal(told.errorType, 'RangeError');
    assert.equal(told.errorMessage, 'too far');
    assert.match(told.trace.join('\n'), /handler\.js/);
    assert.equal(json((await invoke('plain', { text: 'only words' })).Payload).errorMessage, 'only words');
    assert.equal(json((await invoke('plain', {})).Payload).calls, 5, 'an error is no end of the instance');
});

chapter('a process that ends, a handler that never does', async () => {
    const gone = await invoke('plain', { exit: 3 });
    assert.equal(gone.FunctionError, 'Unhandled');
    assert.deepEqual(json(gone.Payload), {
        errorType: 'Runtime.ExitError',
        errorMessage: `RequestId: ${gone.$metadata.requestId} Error: Runtime exited with error: exit status 3`,
    });
    const slow = await invoke('plain', { hang: true });
    assert.equal(json(slow.Payload).errorType, 'Sandbox.Timedout');
    assert.match(json(slow.Payload).errorMessage, /Task timed out after 5\.00 seconds$/);
    assert.match(tail(slow), /Duration: 5000\.00 ms\tBilled Duration: \d+ ms.*Status: timeout\n$/);
    assert.equal(json((await invoke('plain', {})).Payload).calls, 1, 'a new instance');
});

chapter('code that does not load is an init error', async () => {
    await create('broken', 'broken.handler');
    const told = await invoke('broken', {});
    assert.equal(told.FunctionError, 'Unhandled');
    assert.equal(json(told.Payload).errorType, 'TypeError');
    assert.equal(json(told.Payload).errorMessage, 'not today');
    await create('missing', 'handler.nobody');
    assert.equal(json((await invoke('missing', {})).Payload).errorType, 'Runtime.HandlerNotFound');
});

chapter('callbacks, and a handler that returns nothing', async () => {
    await create('callback', 'handler.callback');
    assert.equal(json((await invoke('callback', { word: 'yes' })).Payload), 'called back with yes');
    await create('nothing', 'handler.nothing');
    assert.equal(text((await invoke('nothing', {})).Payload), 'null');
});

chapter('a streamed response comes whole, and one that breaks off is an error', async () => {
    await create('stream', 'handler.stream');
    const words = ['one ', 'two ', 'three'];
    assert.equal(text((await invoke('stream', { words })).Payload), words.join(''));
    const broken = await invoke('stream', { words: ['one '], fail: true });
    assert.equal(broken.FunctionError, 'Unhandled');
});

chapter('every one of them is a record', async () => {
    const list = await until('records', async () => (await farthing('/v1/accounts/acme/functions/plain/invocations?limit=100')).items, (all) => all.length === 8);
    const count = (status) => list.filter((one) => one.status === status).length;
    assert.equal(count('ok'), 4);
    assert.equal(count('timeout'), 1);
    assert.equal(count('error'), 3);
});

await play();
