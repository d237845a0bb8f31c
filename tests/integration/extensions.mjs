// Extensions, as Lambda has them: inside the runtime's process and beside it; what is refused; when an instance is free, what is
// metered, and what the caller hears when one of them fails or does not come back.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { chapter, client, farthing, json, play, sdk, text, until, zip } from './lambda_client.mjs';

const lambda = client();
const send = (name, input) => lambda.send(new sdk[`${name}Command`](input));
const source = (path) => readFileSync(`${process.env.FARTHING_SOURCE}/tests/support/functions/extensions/${path}`, 'utf8');
const code = zip({ 'main.py': source('main.py'), 'tools.py': source('tools.py') });
const create = (FunctionName, mode, more = {}) =>
    send('CreateFunction', {
        FunctionName,
        Runtime: 'python3.11',
        Handler: 'main.handler',
        Role: 'arn:aws:iam::123456789012:role/any',
        Code: { ZipFile: code },
        Timeout: 20,
        Environment: { Variables: { MODE: mode } },
        ...more,
    });
const call = async (FunctionName, event = {}) => {
    const told = await send('Invoke', { FunctionName, Payload: JSON.stringify(event), LogType: 'Tail' });
    return { told, answer: json(told.Payload), log: Buffer.from(told.LogResult, 'base64').toString() };
};
const records = async (name) => (await farthing(`/v1/accounts/acme/functions/${name}/invocations?limit=100`)).items;
const recorded = (name, count) => until(`${count} records of ${name}`, () => records(name), (items) => items.length >= count);
const lines = async (name) => (await farthing(`/v1/accounts/acme/functions/${name}/logs?limit=1000`)).items.map((item) => item.line);

chapter('an extension inside hears of every call', async () => {
    await create('inside', 'plain');
    const first = await call('inside');
    assert.equal(first.told.FunctionError, undefined, text(first.told.Payload));
    const { told } = first.answer;
    const account = first.answer.arn.split(':')[4];
    assert.deepEqual(told.registered, [200, { functionName: 'inside', functionVersion: '$LATEST', handler: 'main.handler', accountId: account }]);
    assert.match(told.identifier, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    const second = await call('inside');
    const { seen, request, arn } = second.answer;
    assert.equal(seen.length, 2, JSON.stringify(seen));
    assert.equal(seen[0].event.requestId, first.answer.request);
    const { status, event, id } = seen[1];
    assert.equal(status, 200);
    assert.match(id, /^[0-9a-f-]{36}$/);
    assert.equal(event.eventType, 'INVOKE');
    assert.equal(event.requestId, request);
    assert.equal(event.invokedFunctionArn, arn);
    assert.equal(event.tracing.type, 'X-Amzn-Trace-Id');
    assert.match(event.tracing.value, /^Root=1-[0-9a-f]{8}-[0-9a-f]{24};/);
    assert.ok(event.deadlineMs > Date.now() && event.deadlineMs < Date.now() + 20000, String(event.deadlineMs));
    assert.ok((await lines('inside')).includes('EXTENSION\tName: inside\tState: Ready\tEvents: [INVOKE]'));
    assert.deepEqual((await call('inside', { late: true })).answer, [403, 'Extension.RegistrationClosed']);
});

chapter('what is wrong is refused in words of Lambda', async () => {
    await create('wrong', 'wrong');
    const { answer } = await call('wrong');
    assert.deepEqual(answer.told.wrong, {
        nameless: [403, 'Extension.InvalidExtensionName'],
        endless: [403, 'Extension.InvalidExtensionName'],
        'no json': [403, 'InvalidRequestFormat'],
        'no list': [403, 'InvalidRequestFormat'],
        large: [403, 'InvalidRequestFormat'],
        'no event': { errorType: 'Extension.InvalidEventType', errorMessage: '"WAKE"\n: InvalidEventType' },
        shutdown: [403, 'Extension.InvalidEventType'],
        twice: [403, 'Extension.InvalidExtensionState'],
        'next of nobody': [403, 'Extension.MissingExtensionIdentifier'],
        'next of nonsense': [403, 'Extension.InvalidExtensionIdentifier'],
        'next of a stranger': [403, 'Extension.UnknownExtensionIdentifier'],
        'error of nobody': [403, 'Extension.MissingExtensionIdentifier'],
        'error of no type': [403, 'Extension.MissingHeader'],
        telemetry: [202, 'Telemetry.NotSupported'],
        logs: [202, 'Logs.NotSupported'],
        'telemetry for nobody': [403, 'Extension.MissingExtensionIdentifier'],
        'another method': 404,
        'another path': 404,
    });
    // One of another instance is nobody here.
    const other = (await call('inside')).answer.told.identifier;
    assert.deepEqual((await call('wrong', { as: other })).answer, [403, 'Extension.UnknownExtensionIdentifier']);
});

chapter('there may be ten', async () => {
    await create('many', 'many');
    const { answer } = await call('many');
    assert.deepEqual(answer.told.many, [...Array(10).fill(200), 403]);
    assert.deepEqual(answer.told.last, [403, 'Extension.TooManyExtensions']);
});

chapter('what an extension does after the answer is metered', async () => {
    await create('lingers', 'lingers');
    await call('lingers');
    const { log } = await call('lingers');
    const duration = Number(/\tDuration: ([0-9.]+) ms\tBilled/.exec(log)[1]);
    assert.ok(duration >= 300, log);
    for (const record of await recorded('lingers', 2)) {
        assert.equal(record.status, 'ok');
        assert.ok(record.duration_us >= 300000 && record.billed_ms >= 300, JSON.stringify(record));
        assert.ok(Number(record.cpu_us) >= 30000, `its processor time, too: ${JSON.stringify(record)}`);
    }
});

chapter('one that never comes back costs until the time limit, and the runtime\'s answer is the answer', async () => {
    await create('silent', 'silent', { Timeout: 1 });
    for (let i = 0; i < 2; i++) {
        const { told, answer, log } = await call('silent');
        assert.equal(told.FunctionError, undefined);
        assert.ok(answer.told.identifier);
        assert.match(log, /\tInit Duration: .*Status: timeout\n$/);
    }
    for (const record of await recorded('silent', 2)) {
        assert.equal(record.status, 'timeout');
        assert.ok(record.duration_us >= 1000000, JSON.stringify(record));
    }
});

chapter('one that fails ends the call, and says so', async () => {
    const { told, answer } = await call('lingers', { exit: true });
    assert.equal(told.FunctionError, 'Unhandled');
    assert.equal(answer.errorType, 'Extension.ExitError');
    assert.match(answer.errorMessage, /^RequestId: [0-9a-f-]{36} Error: Extension\.Tired$/);
    assert.equal((await call('lingers')).told.FunctionError, undefined, 'the next call has a new instance');
});

chapter('one that cannot start fails the start', async () => {
    await create('init', 'init');
    const { told, answer, log } = await call('init');
    assert.equal(told.FunctionError, 'Unhandled');
    assert.equal(answer.errorType, 'Extension.InitError');
    assert.match(answer.errorMessage, /Error: Extension\.NoConfig$/);
    assert.match(log, /Status: error\tError Type: Extension\.InitError\n$/);
    assert.equal((await recorded('init', 1))[0].status, 'init_error');
});

chapter('one that registers and never asks holds up the start, ten seconds at most', async () => {
    await create('never', 'never');
    const { told, answer } = await call('never');
    assert.equal(told.FunctionError, 'Unhandled');
    assert.equal(answer.errorType, 'Sandbox.Timedout');
    assert.equal((await recorded('never', 1))[0].status, 'init_error');
});

chapter('with an extension the runtime is asked before it is ended', async () => {
    await send('UpdateFunctionConfiguration', { FunctionName: 'inside', MemorySize: 192 });
    await call('inside'); // new code has new instances
    await until('the runtime hears of its end', () => lines('inside'), (all) => all.includes('the runtime was asked to end'));
});

// ---- beside the runtime, from layers

const program = (options) => source('beside.py').replace('OPTIONS = {}', `OPTIONS = ${options}`);
const layer = async (LayerName, programs) => {
    const files = { 'tools.py': source('tools.py') };
    for (const [name, options] of Object.entries(programs)) files[`extensions/${name}`] = program(options);
    return (await send('PublishLayerVersion', { LayerName, Content: { ZipFile: zip(files) } })).LayerVersionArn;
};
const beside = async (name, programs, more = {}) => create(name, more.mode ?? '', { Layers: [await layer(name, programs)], ...more.create });

chapter('one beside the runtime: started first, told of calls and of the end', async () => {
    await beside('watched', { watcher: "{'events': ['INVOKE', 'SHUTDOWN']}", idler: "{'events': []}" });
    const first = await call('watched');
    assert.equal(first.told.FunctionError, undefined, text(first.told.Payload));
    await call('watched');
    const heard = (await call('watched', { read: true })).answer;
    assert.match(heard[0], /^watcher registered 200 .*"functionName": "watched"/);
    assert.equal(heard[1], `watcher INVOKE ${first.answer.request}`);
    const printed = await lines('watched');
    const at = (words) => printed.findIndex((line) => line.includes(words));
    assert.ok(at('watcher registered 200') >= 0 && at('watcher registered 200') < at('START RequestId'), printed.join('\n'));
    assert.ok(printed.includes('EXTENSION\tName: idler\tState: Ready\tEvents: []'));
    assert.ok(printed.includes('EXTENSION\tName: watcher\tState: Ready\tEvents: [INVOKE,SHUTDOWN]'));
    assert.match(printed.find((line) => line.includes('watcher again')), /403 Extension.InvalidExtensionState/);
    await send('UpdateFunctionConfiguration', { FunctionName: 'watched', MemorySize: 192 });
    await call('watched');
    const end = await until('it hears of the end', () => lines('watched'), (all) => all.some((line) => line.includes('watcher SHUTDOWN')));
    const [, reason, left] = /watcher SHUTDOWN (\w+) (-?\d+)/.exec(end.find((line) => line.includes('watcher SHUTDOWN')));
    assert.equal(reason, 'SPINDOWN');
    assert.ok(Number(left) > 0 && Number(left) <= 2000, left);
});

chapter('its end by time limit and by a crash of the runtime has its name, and is paid by the call', async () => {
    await beside('limits', { watcher: "{'events': ['SHUTDOWN'], 'last_words_s': 0.5}" }, { create: { Timeout: 1 } });
    await call('limits');
    const { told, answer } = await call('limits', { sleep_s: 30 });
    assert.equal(told.FunctionError, 'Unhandled');
    assert.equal(answer.errorType, 'Sandbox.Timedout');
    await until('TIMEOUT', () => lines('limits'), (all) => all.some((line) => line.includes('watcher SHUTDOWN TIMEOUT')));
    const late = (await recorded('limits', 2)).find((record) => record.status === 'timeout');
    assert.ok(late.duration_us >= 1500000 && late.billed_ms >= 1500, JSON.stringify(late));
    await call('limits');
    assert.equal((await call('limits', { die: 3 })).answer.errorType, 'Runtime.ExitError');
    await until('FAILURE', () => lines('limits'), (all) => all.some((line) => line.includes('watcher SHUTDOWN FAILURE')));
    const died = (await recorded('limits', 4)).find((record) => record.status === 'error');
    assert.ok(died.duration_us >= 500000, JSON.stringify(died));
});

chapter('one that does not end in its time is ended', async () => {
    await beside('stubborn', { watcher: "{'events': ['SHUTDOWN'], 'last_words_s': 600}" }, { create: { Timeout: 1 } });
    await call('stubborn');
    const { answer } = await call('stubborn', { sleep_s: 30 });
    assert.equal(answer.errorType, 'Sandbox.Timedout');
    const late = (await recorded('stubborn', 2)).find((record) => record.status === 'timeout');
    assert.ok(late.duration_us >= 2500000 && late.duration_us <= 3000000, JSON.stringify(late));
});

chapter('one that ends, or cannot be started, fails the call or the start', async () => {
    await beside('crashes', { crasher: "{'events': ['INVOKE'], 'exits': 7}" });
    const { told, answer } = await call('crashes', { sleep_s: 15 });
    assert.equal(told.FunctionError, 'Unhandled');
    assert.equal(answer.errorType, 'Extension.Crash');
    assert.match(answer.errorMessage, /Error: exit status 7$/);
    // After the answer: the caller has it, the record says that the end was none.
    await beside('crashes_late', { crasher: "{'events': ['INVOKE'], 'exits': 7, 'first_s': 1}" });
    const late = await call('crashes_late');
    assert.equal(late.told.FunctionError, undefined);
    assert.match(late.log, /Status: error\tError Type: Extension\.Crash\n$/);
    assert.equal((await recorded('crashes_late', 1))[0].status, 'error');
    await beside('quits', { crasher: "{'quits': 5}" });
    assert.equal((await call('quits')).answer.errorType, 'Extension.Crash');
    await create('broken', '', {
        Layers: [(await send('PublishLayerVersion', { LayerName: 'broken', Content: { ZipFile: zip({ 'extensions/x': '#!/nowhere\n' }) } })).LayerVersionArn],
    });
    const broken = await call('broken');
    assert.equal(broken.answer.errorType, 'Extension.LaunchError');
    assert.match(broken.answer.errorMessage, /No such file/);
    const eleven = Object.fromEntries(Array.from({ length: 11 }, (_, i) => [`e${i}`, "{'events': []}"]));
    await beside('eleven', eleven);
    assert.equal((await call('eleven')).answer.errorType, 'Extension.TooManyExtensions');
});

chapter('the node is well', async () => {
    const { answer } = await call('wrong');
    assert.equal(answer.seen.at(-1).event.requestId, answer.request);
});

await play();
