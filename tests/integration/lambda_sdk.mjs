// The whole life of a function, by AWS's own JavaScript SDK. Each chapter says what a user of Lambda relies on.
import assert from 'node:assert/strict';
import http from 'node:http';
import { chapter, client, farthing, json, play, refused, sdk, text, until, url, zip } from './lambda_client.mjs';

const lambda = client();
const send = (name, input, with_client = lambda) => with_client.send(new sdk[`${name}Command`](input));
const waiting = { client: lambda, maxWaitTime: 60, minDelay: 1, maxDelay: 2 };
const role = 'arn:aws:iam::123456789012:role/any';
const code = (greeting) =>
    zip({
        'index.mjs': `
import { setTimeout as pause } from 'node:timers/promises';
export const handler = async (event, context) => {
    console.log('saw', JSON.stringify(event));
    if (event?.fail) throw new TypeError('on purpose');
    if (event?.wait_ms) await pause(event.wait_ms);
    return { greeting: '${greeting}', event, id: context.awsRequestId, version: context.functionVersion,
             arn: context.invokedFunctionArn, custom: context.clientContext?.custom ?? null, env: process.env.GREETING ?? null };
};`,
    });
const create = (FunctionName, more = {}) =>
    send('CreateFunction', {
        FunctionName,
        Role: role,
        Runtime: 'nodejs20.x',
        Handler: 'index.handler',
        Code: { ZipFile: code('hello') },
        ...more,
    });
const usage = async (name) => {
    const month = new Date().toISOString().slice(0, 7);
    const { items } = await farthing(`/v1/accounts/acme/usage?month=${month}&group_by=function`);
    return items.find((item) => item.function === name) ?? { invocations: 0 };
};
const records = async (name) => (await farthing(`/v1/accounts/acme/functions/${name}/invocations?limit=100`)).items;

let arn;

chapter('create a function and wait until it is active', async () => {
    const made = await create('story', {
        Environment: { Variables: { GREETING: 'hi' } },
        Tags: { team: 'a' },
        MemorySize: 128,
        Timeout: 10,
    });
    assert.equal(made.$metadata.httpStatusCode, 201);
    assert.equal(made.State, 'Pending');
    assert.equal(made.StateReasonCode, 'Creating');
    assert.match(made.FunctionArn, /^arn:aws:lambda:[a-z0-9-]+:\d+:function:story$/);
    assert.equal(made.Version, '$LATEST');
    assert.equal(made.CodeSize, code('hello').length);
    arn = made.FunctionArn;
    const { state } = await sdk.waitUntilFunctionActiveV2(waiting, { FunctionName: 'story' });
    assert.equal(state, 'SUCCESS');
    assert.equal((await sdk.waitUntilFunctionActive(waiting, { FunctionName: 'story' })).state, 'SUCCESS');
    assert.equal((await sdk.waitUntilFunctionExists(waiting, { FunctionName: 'story' })).state, 'SUCCESS');
    await refused(create('story'), 'ResourceConflictException', (e) => /Function already exist: story/.test(e.message));
});

chapter('get it: settings, code, tags, account numbers', async () => {
    for (const FunctionName of ['story', arn, `${arn.split(':')[4]}:function:story`]) {
        const got = await send('GetFunction', { FunctionName });
        assert.equal(got.Configuration.State, 'Active');
        assert.equal(got.Configuration.LastUpdateStatus, 'Successful');
        assert.deepEqual(got.Configuration.Environment, { Variables: { GREETING: 'hi' } });
        assert.deepEqual(got.Tags, { team: 'a' });
        assert.equal(got.Code.RepositoryType, 'S3');
        const zipped = Buffer.from(await (await fetch(got.Code.Location)).arrayBuffer());
        assert.deepEqual(zipped, code('hello'), 'Code.Location is an address of the package');
    }
    const settings = await send('GetAccountSettings', {});
    assert.equal(settings.AccountUsage.FunctionCount, 1);
    assert.equal(settings.AccountLimit.ConcurrentExecutions, settings.AccountLimit.UnreservedConcurrentExecutions);
    await refused(send('GetFunction', { FunctionName: 'nobody' }), 'ResourceNotFoundException', (e) =>
        /^Function not found: arn:aws:lambda:.*:function:nobody$/.test(e.message),
    );
});

chapter('invoke: answer, version, request id, client context', async () => {
    const context = Buffer.from(JSON.stringify({ custom: { a: 'b' } })).toString('base64');
    const told = await send('Invoke', { FunctionName: 'story', Payload: '{"n":1}', ClientContext: context });
    assert.equal(told.StatusCode, 200);
    assert.equal(told.ExecutedVersion, '$LATEST');
    assert.equal(told.FunctionError, undefined);
    const answer = json(told.Payload);
    assert.deepEqual(answer.event, { n: 1 });
    assert.equal(answer.id, told.$metadata.requestId);
    assert.equal(answer.arn, arn);
    assert.equal(answer.env, 'hi');
    assert.deepEqual(answer.custom, { a: 'b' });
    assert.deepEqual(json((await send('Invoke', { FunctionName: arn })).Payload).event, {});
});

chapter('a function that fails answers 200 with FunctionError', async () => {
    const told = await send('Invoke', { FunctionName: 'story', Payload: '{"fail":true}', LogType: 'Tail' });
    assert.equal(told.StatusCode, 200);
    assert.equal(told.FunctionError, 'Unhandled');
    const error = json(told.Payload);
    assert.equal(error.errorType, 'TypeError');
    assert.equal(error.errorMessage, 'on purpose');
    await refused(send('Invoke', { FunctionName: 'story', Payload: 'not json' }), 'InvalidRequestContentException', (e) =>
        /^Could not parse request body into json/.test(e.message),
    );
});

chapter('the log tail ends in the REPORT line that tools read', async () => {
    const told = await send('Invoke', { FunctionName: 'story', Payload: '{"n":2}', LogType: 'Tail' });
    const tail = Buffer.from(told.LogResult, 'base64').toString();
    const id = told.$metadata.requestId;
    assert.ok(tail.length <= 4096);
    assert.match(tail, new RegExp(`START RequestId: ${id} Version: \\$LATEST\n`));
    assert.match(tail, /saw \{"n":2\}/);
    assert.match(tail, new RegExp(`END RequestId: ${id}\n`));
    const report =
        /REPORT RequestId: [0-9a-f-]+\tDuration: (\d+\.\d\d) ms\tBilled Duration: (\d+) ms\tMemory Size: 128 MB\tMax Memory Used: \d+ MB\t/;
    const [, duration, billed] = report.exec(tail);
    assert.equal(Number(billed), Math.ceil(Number(duration)), 'a warm call is billed by its duration, rounded up');
    assert.equal((await send('Invoke', { FunctionName: 'story' })).LogResult, undefined);
});

chapter('event and dry run', async () => {
    const before = (await records('story')).length;
    const event = await send('Invoke', { FunctionName: 'story', InvocationType: 'Event', Payload: '{"later":1}' });
    assert.equal(event.StatusCode, 202);
    assert.equal(event.ExecutedVersion, undefined);
    assert.equal(text(event.Payload), '');
    const dry = await send('Invoke', { FunctionName: 'story', InvocationType: 'DryRun' });
    assert.equal(dry.StatusCode, 204);
    const seen = await until('the event is in the records', () => records('story'), (list) =>
        list.some((one) => one.request_id === event.$metadata.requestId),
    );
    assert.ok(seen.length > before);
    await refused(send('Invoke', { FunctionName: 'nobody', InvocationType: 'Event' }), 'ResourceNotFoundException');
    await refused(send('Invoke', { FunctionName: 'story', InvocationType: 'Never' }), 'ValidationException');
});

chapter('update code and settings; revisions guard against lost updates', async () => {
    const before = await send('GetFunctionConfiguration', { FunctionName: 'story' });
    const updated = await send('UpdateFunctionCode', { FunctionName: 'story', ZipFile: code('second') });
    assert.equal(updated.LastUpdateStatus, 'InProgress');
    assert.notEqual(updated.RevisionId, before.RevisionId);
    assert.notEqual(updated.CodeSha256, before.CodeSha256);
    assert.equal((await sdk.waitUntilFunctionUpdatedV2(waiting, { FunctionName: 'story' })).state, 'SUCCESS');
    assert.equal((await sdk.waitUntilFunctionUpdated(waiting, { FunctionName: 'story' })).state, 'SUCCESS');
    assert.equal(json((await send('Invoke', { FunctionName: 'story' })).Payload).greeting, 'second');
    const set = await send('UpdateFunctionConfiguration', {
        FunctionName: 'story',
        MemorySize: 192,
        Timeout: 7,
        Description: 'settings',
        Environment: { Variables: { GREETING: 'changed' } },
    });
    assert.equal(set.MemorySize, 192);
    assert.equal(set.Timeout, 7);
    await sdk.waitUntilFunctionUpdatedV2(waiting, { FunctionName: 'story' });
    assert.equal(json((await send('Invoke', { FunctionName: 'story' })).Payload).env, 'changed');
    await refused(
        send('UpdateFunctionCode', { FunctionName: 'story', ZipFile: code('x'), RevisionId: before.RevisionId }),
        'PreconditionFailedException',
        (e) => /^The Revision Id provided does not match the latest Revision Id/.test(e.message),
    );
    await refused(
        send('UpdateFunctionConfiguration', { FunctionName: 'story', MemorySize: 1 }),
        'InvalidParameterValueException',
    );
    await refused(
        send('UpdateFunctionConfiguration', {
            FunctionName: 'story',
            Environment: { Variables: { AWS_LAMBDA_FUNCTION_NAME: 'mine' } },
        }),
        'InvalidParameterValueException',
        (e) => /reserved/i.test(e.message),
    );
});

chapter('publish versions: immutable, and the same again when nothing changed', async () => {
    const one = await send('PublishVersion', { FunctionName: 'story', Description: 'one' });
    assert.equal(one.Version, '1');
    assert.equal(one.FunctionArn, `${arn}:1`);
    assert.equal((await sdk.waitUntilPublishedVersionActive(waiting, { FunctionName: 'story', Qualifier: '1' })).state, 'SUCCESS');
    assert.equal((await send('PublishVersion', { FunctionName: 'story' })).Version, '1');
    const two = await send('UpdateFunctionCode', { FunctionName: 'story', ZipFile: code('third'), Publish: true });
    assert.equal(two.Version, '2');
    const { Versions } = await send('ListVersionsByFunction', { FunctionName: 'story' });
    assert.deepEqual(Versions.map((v) => v.Version), ['$LATEST', '1', '2']);
    const told = await send('Invoke', { FunctionName: 'story', Qualifier: '1' });
    assert.equal(told.ExecutedVersion, '1');
    assert.equal(json(told.Payload).greeting, 'second');
    assert.equal(json(told.Payload).version, '1');
    await refused(send('Invoke', { FunctionName: `${arn}:1`, Qualifier: '2' }), 'InvalidParameterValueException', (e) =>
        /^The derived qualifier from the function name does not match the specified qualifier/.test(e.message),
    );
});

chapter('aliases, weighted over two versions', async () => {
    const made = await send('CreateAlias', { FunctionName: 'story', Name: 'live', FunctionVersion: '1' });
    assert.equal(made.AliasArn, `${arn}:live`);
    const split = await send('UpdateAlias', {
        FunctionName: 'story',
        Name: 'live',
        RoutingConfig: { AdditionalVersionWeights: { 2: 0.5 } },
    });
    assert.deepEqual(split.RoutingConfig, { AdditionalVersionWeights: { 2: 0.5 } });
    const seen = { 1: 0, 2: 0 };
    for (let i = 0; i < 40; i++) {
        const told = await send('Invoke', { FunctionName: 'story', Qualifier: 'live' });
        seen[told.ExecutedVersion]++;
        assert.equal(json(told.Payload).arn, `${arn}:live`);
    }
    assert.ok(seen[1] > 0 && seen[2] > 0, `both versions run: ${JSON.stringify(seen)}`); // fails once in 2^39
    assert.equal((await send('GetAlias', { FunctionName: 'story', Name: 'live' })).FunctionVersion, '1');
    await send('CreateAlias', { FunctionName: 'story', Name: 'beta', FunctionVersion: '$LATEST' });
    const { Aliases } = await send('ListAliases', { FunctionName: 'story' });
    assert.deepEqual(Aliases.map((a) => a.Name), ['beta', 'live']);
    const first = await send('ListAliases', { FunctionName: 'story', MaxItems: 1 });
    assert.deepEqual(first.Aliases.map((a) => a.Name), ['beta']);
    assert.ok(first.NextMarker);
    const of_two = await send('ListAliases', { FunctionName: 'story', FunctionVersion: '2' });
    assert.deepEqual(of_two.Aliases.map((a) => a.Name), ['live']);
    await refused(
        send('UpdateAlias', { FunctionName: 'story', Name: 'live', RoutingConfig: { AdditionalVersionWeights: { 1: 0.1, 2: 0.1 } } }),
        'InvalidParameterValueException',
        (e) => e.message === 'Number of items in AdditionalVersionWeights cannot be greater than 1',
    );
    await refused(send('GetAlias', { FunctionName: 'story', Name: 'none' }), 'ResourceNotFoundException', (e) =>
        /^Cannot find alias arn: /.test(e.message),
    );
    await refused(send('CreateAlias', { FunctionName: 'story', Name: 'live', FunctionVersion: '1' }), 'ResourceConflictException');
    await refused(send('DeleteFunction', { FunctionName: 'story', Qualifier: '1' }), 'ResourceConflictException');
});

chapter('reserved concurrency moves the account numbers', async () => {
    const before = (await send('GetAccountSettings', {})).AccountLimit.UnreservedConcurrentExecutions;
    assert.equal((await send('GetFunctionConcurrency', { FunctionName: 'story' })).ReservedConcurrentExecutions, undefined);
    const put = await send('PutFunctionConcurrency', { FunctionName: 'story', ReservedConcurrentExecutions: 3 });
    assert.equal(put.ReservedConcurrentExecutions, 3);
    assert.equal((await send('GetFunctionConcurrency', { FunctionName: 'story' })).ReservedConcurrentExecutions, 3);
    assert.equal((await send('GetFunction', { FunctionName: 'story' })).Concurrency.ReservedConcurrentExecutions, 3);
    assert.equal((await send('GetAccountSettings', {})).AccountLimit.UnreservedConcurrentExecutions, before - 3);
    await refused(
        send('PutFunctionConcurrency', { FunctionName: 'story', ReservedConcurrentExecutions: before }),
        'InvalidParameterValueException',
        (e) => /below its minimum value of \[\d+\]/.test(e.message),
    );
    await send('DeleteFunctionConcurrency', { FunctionName: 'story' });
    assert.equal((await send('GetAccountSettings', {})).AccountLimit.UnreservedConcurrentExecutions, before);
});

chapter('a throttled call says why, and the SDK itself tries again until there is room', async () => {
    await send('PutFunctionConcurrency', { FunctionName: 'story', ReservedConcurrentExecutions: 0 });
    const once = client({ maxAttempts: 1 });
    const error = await refused(send('Invoke', { FunctionName: 'story' }, once), 'TooManyRequestsException');
    assert.equal(error.$metadata.httpStatusCode, 429);
    assert.equal(error.Reason, 'ReservedFunctionConcurrentInvocationLimitExceeded');
    assert.ok(Number(error.retryAfterSeconds) >= 1);
    await send('PutFunctionConcurrency', { FunctionName: 'story', ReservedConcurrentExecutions: 1 });
    const patient = client({ maxAttempts: 20 });
    const told = await Promise.all(
        [1, 2, 3].map(() => send('Invoke', { FunctionName: 'story', Payload: '{"wait_ms":700}' }, patient)),
    );
    assert.ok(told.every((one) => one.StatusCode === 200));
    assert.ok(told.some((one) => one.$metadata.attempts > 1), 'one of three was refused first');
    await send('DeleteFunctionConcurrency', { FunctionName: 'story' });
});

// Between the SDK and the node: the first answer of an invocation is thrown away, as a network does that breaks too late.
function forgetful_relay(lose) {
    const relay = http.createServer((from, to) => {
        const target = new URL(url);
        const on = http.request(
            { host: target.hostname, port: target.port, path: from.url, method: from.method, headers: from.headers },
            (answer) => {
                if (lose.left > 0) {
                    lose.left--;
                    answer.resume();
                    answer.on('end', () => to.destroy());
                    return;
                }
                to.writeHead(answer.statusCode, answer.headers);
                answer.pipe(to);
            },
        );
        lose.ids.push(from.headers['amz-sdk-invocation-id']);
        from.pipe(on);
    });
    return new Promise((go) => relay.listen(0, '127.0.0.1', () => go(relay)));
}

chapter('provisioned concurrency: ready before the first call, billed apart, and beyond it on demand', async () => {
    const FunctionName = 'ready';
    const handler = `let calls = 0;
        export const handler = async (event) => {
            if (event.hold) await new Promise((go) => setTimeout(go, event.hold));
            return { calls: ++calls, kind: process.env.AWS_LAMBDA_INITIALIZATION_TYPE };
        };`;
    await create(FunctionName, { MemorySize: 128, Code: { ZipFile: zip({ 'index.mjs': handler }) } });
    await sdk.waitUntilFunctionActiveV2(waiting, { FunctionName });
    const { Version: Qualifier } = await send('PublishVersion', { FunctionName });
    const config = { FunctionName, Qualifier };
    await refused(send('GetProvisionedConcurrencyConfig', config), 'ProvisionedConcurrencyConfigNotFoundException');
    await refused(send('PutProvisionedConcurrencyConfig', { FunctionName, Qualifier: '$LATEST', ProvisionedConcurrentExecutions: 1 }),
        'InvalidParameterValueException', (e) => /unpublished/.test(e.message));
    await refused(send('PutProvisionedConcurrencyConfig', { ...config, ProvisionedConcurrentExecutions: 0 }), 'InvalidParameterValueException');
    const put = await send('PutProvisionedConcurrencyConfig', { ...config, ProvisionedConcurrentExecutions: 2 });
    assert.equal(put.$metadata.httpStatusCode, 202);
    assert.equal(put.Status, 'IN_PROGRESS');
    const status = () => send('GetProvisionedConcurrencyConfig', config);
    const ready = await until('READY without a call', status, (got) => got.Status === 'READY');
    assert.equal(ready.RequestedProvisionedConcurrentExecutions, 2);
    assert.equal(ready.AvailableProvisionedConcurrentExecutions, 2);
    assert.match(ready.LastModified, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000$/);
    const { ProvisionedConcurrencyConfigs: all } = await send('ListProvisionedConcurrencyConfigs', { FunctionName });
    assert.deepEqual(all.map((c) => [c.FunctionArn.split(':').slice(-2).join(':'), c.RequestedProvisionedConcurrentExecutions]),
        [[`${FunctionName}:${Qualifier}`, 2]]);

    // Three at once: two on what is ready, one beyond it.
    const call = (event) => send('Invoke', { ...config, Payload: JSON.stringify(event) });
    assert.equal(json((await call({})).Payload).kind, 'provisioned-concurrency');
    await Promise.all([1, 2, 3].map(() => call({ hold: 700 })));
    const seen = await until('four records', () => records(FunctionName), (items) => items.length === 4);
    const on = seen.filter((r) => r.provisioned);
    assert.equal(on.length, 3, JSON.stringify(seen));
    assert.ok(on.every((r) => !r.cold && r.init_us === 0), 'what was ready has no start to bill');
    assert.ok(seen.filter((r) => !r.provisioned).every((r) => r.cold));

    // Reserved is the most there can be; a configuration that is gone keeps nothing ready.
    await send('PutFunctionConcurrency', { FunctionName, ReservedConcurrentExecutions: 3 });
    await refused(send('PutProvisionedConcurrencyConfig', { ...config, ProvisionedConcurrentExecutions: 4 }),
        'InvalidParameterValueException', (e) => /reservedConcurrentExecution/.test(e.message));
    await send('PutProvisionedConcurrencyConfig', { ...config, ProvisionedConcurrentExecutions: 1 });
    await until('one of two is let go', status, (got) => got.RequestedProvisionedConcurrentExecutions === 1 && got.AllocatedProvisionedConcurrentExecutions === 1);
    assert.equal((await send('DeleteProvisionedConcurrencyConfig', config)).$metadata.httpStatusCode, 204);
    await refused(status(), 'ProvisionedConcurrencyConfigNotFoundException');
    const month = new Date().toISOString().slice(0, 7);
    const bill = await farthing(`/v1/accounts/acme/cost?month=${month}`);
    const capacity = bill.lines.filter((line) => line.meter.startsWith('provisioned_concurrency_'));
    // A begun step of 2 x 128 MB, and one of 1 x 128 MB: 300,000 ms each.
    assert.equal(capacity.reduce((sum, line) => sum + Number(line.quantity), 0), (2 + 1) * 128 * 300000, JSON.stringify(bill.lines));
    await send('DeleteFunction', { FunctionName });
});

chapter('an answer that is lost and asked for again: ran once, billed once', async () => {
    await create('once', { Timeout: 10 });
    await sdk.waitUntilFunctionActiveV2(waiting, { FunctionName: 'once' });
    const lose = { left: 2, ids: [] };
    const relay = await forgetful_relay(lose);
    const { port } = relay.address();
    const through = client({ maxAttempts: 3, endpoint: url });
    // The relay forwards what was signed for the node: the host header is the node's.
    through.middlewareStack.add(
        (next) => (args) => {
            args.request.hostname = '127.0.0.1';
            args.request.port = port;
            return next(args);
        },
        { step: 'finalizeRequest', name: 'throughRelay', priority: 'low' },
    );
    const told = await send('Invoke', { FunctionName: 'once', Payload: '{"k":1}' }, through);
    assert.equal(told.$metadata.attempts, 3);
    assert.equal(lose.ids.length, 3);
    assert.equal(new Set(lose.ids).size, 1, 'all attempts carry one invocation id');
    assert.equal(json(told.Payload).id, told.$metadata.requestId, 'the answer is that of the first run');
    relay.close();
    relay.closeAllConnections();
});

chapter('a client that stops waiting and sends again: ran once, billed once', async () => {
    const { NodeHttpHandler } = await import('node:module').then((m) =>
        m.createRequire(`${process.env.MODULES}/`)('@smithy/node-http-handler'),
    );
    const hasty = client({ maxAttempts: 10, requestHandler: new NodeHttpHandler({ requestTimeout: 400, throwOnRequestTimeout: true }) });
    const told = await send('Invoke', { FunctionName: 'once', Payload: '{"wait_ms":1500}' }, hasty);
    assert.ok(told.$metadata.attempts > 1, 'it did time out');
    const event = await send('Invoke', { FunctionName: 'once' });
    const list = await until('the last call is in the records', () => records('once'), (all) =>
        all.some((one) => one.request_id === event.$metadata.requestId),
    );
    assert.equal(list.length, 3, 'three runs: the lost answer, the slow one, the last one');
    const counted = await until('usage', () => usage('once'), (u) => u.invocations >= 3);
    assert.equal(counted.invocations, 3);
});

chapter('events: retries, age and destinations', async () => {
    await create('work', { Timeout: 5 });
    await create('heard');
    const heard = arn.replace(/story$/, 'heard');
    const missing = await refused(send('GetFunctionEventInvokeConfig', { FunctionName: 'work' }), 'ResourceNotFoundException');
    assert.match(missing.message, /doesn't have an EventInvokeConfig$/);
    const put = await send('PutFunctionEventInvokeConfig', {
        FunctionName: 'work',
        MaximumRetryAttempts: 0,
        MaximumEventAgeInSeconds: 60,
        DestinationConfig: { OnFailure: { Destination: heard } },
    });
    assert.equal(put.FunctionArn, `${arn.replace(/story$/, 'work')}:$LATEST`);
    assert.ok(put.LastModified instanceof Date);
    const updated = await send('UpdateFunctionEventInvokeConfig', {
        FunctionName: 'work',
        DestinationConfig: { OnSuccess: { Destination: heard } },
    });
    assert.equal(updated.MaximumRetryAttempts, 0, 'what an update does not name stays');
    assert.deepEqual(updated.DestinationConfig, { OnSuccess: { Destination: heard }, OnFailure: { Destination: heard } });
    for (const bad of [
        { MaximumRetryAttempts: 3 },
        { MaximumEventAgeInSeconds: 59 },
        { MaximumEventAgeInSeconds: 21601 },
        { DestinationConfig: { OnFailure: { Destination: arn.replace(/story$/, 'nobody') } } },
        { DestinationConfig: { OnFailure: { Destination: arn.replace(/story$/, 'work') } } },
        { DestinationConfig: { OnSuccess: { Destination: 'arn:aws:sqs:local:123456789012:queue' } } },
        { DestinationConfig: { OnSuccess: { Destination: 'https://example.com/not-a-webhook-of-ours' } } },
    ]) {
        await refused(send('PutFunctionEventInvokeConfig', { FunctionName: 'work', ...bad }), 'InvalidParameterValueException');
    }
    const list = await send('ListFunctionEventInvokeConfigs', { FunctionName: 'work' });
    assert.equal(list.FunctionEventInvokeConfigs.length, 1);

    const told = async (event, condition, approximateInvokeCount = 1) => {
        const sent = await send('Invoke', { FunctionName: 'work', InvocationType: 'Event', Payload: JSON.stringify(event) });
        const id = sent.$metadata.requestId;
        const lines = await until(`${condition} is told`, () => farthing('/v1/accounts/acme/functions/heard/logs?limit=1000'), (logs) =>
            logs.items.some((line) => line.line.includes(id) && line.line.includes('saw {')),
        );
        const line = lines.items.find((one) => one.line.includes(id) && one.line.includes('saw {')).line;
        const record = JSON.parse(line.slice(line.indexOf('{')));
        assert.equal(record.version, '1.0');
        assert.match(record.timestamp, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
        assert.deepEqual(record.requestContext, {
            requestId: id,
            functionArn: `${arn.replace(/story$/, 'work')}:$LATEST`,
            condition,
            approximateInvokeCount,
        });
        assert.deepEqual(record.requestPayload, event);
        return record;
    };
    const good = await told({ n: 'good' }, 'Success');
    assert.deepEqual(good.responseContext, { statusCode: 200, executedVersion: '$LATEST' });
    assert.deepEqual(good.responsePayload.event, { n: 'good' });
    const bad = await told({ fail: true }, 'RetriesExhausted');
    assert.deepEqual(bad.responseContext, { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' });
    assert.equal(bad.responsePayload.errorMessage, 'on purpose');

    // Reserved nothing, it runs nothing: the event does not wait.
    await send('PutFunctionConcurrency', { FunctionName: 'work', ReservedConcurrentExecutions: 0 });
    const never = await told({ n: 'never' }, 'ZeroReservedConcurrency', 0);
    assert.equal(never.responseContext, undefined);
    assert.equal(never.responsePayload, undefined);
    await send('DeleteFunctionConcurrency', { FunctionName: 'work' });

    // A webhook of the account, by its URL.
    const got = [];
    const receiver = http.createServer((from, to) => {
        const parts = [];
        from.on('data', (part) => parts.push(part));
        from.on('end', () => {
            got.push({ signature: from.headers['farthing-signature'], body: JSON.parse(Buffer.concat(parts).toString()) });
            to.writeHead(got.length === 1 ? 500 : 200).end(); // the first is lost at the receiver: it is sent again
        });
    });
    await new Promise((go) => receiver.listen(0, '127.0.0.1', go));
    const hook = `http://127.0.0.1:${receiver.address().port}/hook`;
    await farthing('/v1/accounts/acme/webhooks', { method: 'POST', body: JSON.stringify({ url: hook, events: [] }) });
    await send('PutFunctionEventInvokeConfig', {
        FunctionName: 'work',
        MaximumRetryAttempts: 0,
        DestinationConfig: { OnFailure: { Destination: hook } },
    });
    const sent = await send('Invoke', { FunctionName: 'work', InvocationType: 'Event', Payload: '{"fail":true}' });
    await until('the webhook is called twice', async () => got.length, (n) => n >= 2);
    assert.match(got[1].signature, /^t=\d+,v1=[0-9a-f]{64}$/);
    assert.equal(got[1].body.type, 'dev.farthing.invocation.destination');
    assert.equal(got[0].body.id, got[1].body.id, 'the receiver can tell that it is the same event');
    assert.equal(got[1].body.data.requestContext.requestId, sent.$metadata.requestId);
    assert.equal(got[1].body.data.requestContext.condition, 'RetriesExhausted');
    receiver.close();
    await send('DeleteFunctionEventInvokeConfig', { FunctionName: 'work' });
    await refused(send('DeleteFunctionEventInvokeConfig', { FunctionName: 'work' }), 'ResourceNotFoundException');
    await send('DeleteFunction', { FunctionName: 'work' });
    await send('DeleteFunction', { FunctionName: 'heard' });
});

chapter('a response that comes piece by piece', async () => {
    const handler = `
export const handler = awslambda.streamifyResponse(async (event, stream) => {
    for (const piece of event.pieces ?? []) stream.write(piece);
    for (let left = event.bytes ?? 0; left > 0; left -= 65536) {
        if (!stream.write(Buffer.alloc(Math.min(left, 65536), 7))) await new Promise((go) => stream.once('drain', go));
    }
    if (event.fail) throw new RangeError('half way');
    if (event.hang) await new Promise(() => setTimeout(() => {}, 60000));
    stream.end();
});`;
    await create('flow', { Timeout: 2, Code: { ZipFile: zip({ 'index.mjs': handler }) } });
    const stream = async (event, more = {}, FunctionName = 'flow') => {
        const told = await send('InvokeWithResponseStream', { FunctionName, Payload: JSON.stringify(event), ...more });
        const parts = [];
        let complete;
        for await (const message of told.EventStream) {
            if (message.PayloadChunk) parts.push(Buffer.from(message.PayloadChunk.Payload));
            if (message.InvokeComplete) complete = message.InvokeComplete;
        }
        assert.ok(complete, 'the last message is InvokeComplete');
        return { told, complete, parts, body: Buffer.concat(parts) };
    };
    const plain = await stream({ pieces: ['one ', 'two ', 'three'] }, { LogType: 'Tail' });
    assert.equal(plain.body.toString(), 'one two three');
    assert.equal(plain.told.ExecutedVersion, '$LATEST');
    assert.equal(plain.told.ResponseStreamContentType, 'application/vnd.amazon.eventstream');
    assert.equal(plain.complete.ErrorCode, undefined);
    assert.match(Buffer.from(plain.complete.LogResult, 'base64').toString(), /REPORT RequestId: /);

    const failed = await stream({ pieces: ['begun'], fail: true });
    assert.equal(failed.body.toString(), 'begun');
    assert.equal(failed.complete.ErrorCode, 'Unhandled');
    assert.match(failed.complete.ErrorDetails, /half way/);

    // What it wrote came before its end: it never ended by itself.
    const late = await stream({ pieces: ['early'], hang: true });
    assert.equal(late.body.toString(), 'early');
    assert.equal(late.complete.ErrorCode, 'Unhandled');
    assert.match(late.complete.ErrorDetails, /Task timed out after 2\.00 seconds/);

    const large = await stream({ bytes: 8 * 1024 * 1024 });
    assert.equal(large.body.length, 8 * 1024 * 1024, 'more than a whole answer may have');
    assert.ok(large.body.every((byte) => byte === 7));
    const huge = await stream({ bytes: 21 * 1024 * 1024 });
    assert.match(huge.complete.ErrorDetails, /Function\.ResponseSizeTooLarge/);

    const whole = await stream({ n: 1 }, {}, 'story');
    assert.deepEqual(json(whole.body).event, { n: 1 });
    await refused(stream({}, {}, 'nobody'), 'ResourceNotFoundException');
    const list = await until('records', () => records('flow'), (all) => all.length === 5);
    const of = (told) => list.find((one) => one.request_id === told.$metadata.requestId);
    assert.equal(of(large.told).response_bytes, 8 * 1024 * 1024);
    assert.equal(of(late.told).status, 'timeout');
    const csv = await (await fetch(`${url}/v1/accounts/acme/usage?group_by=function&month=${new Date().toISOString().slice(0, 7)}`, {
        headers: { Authorization: `Bearer ${process.env.FARTHING_KEY}` },
    })).json();
    const flow = csv.items.find((item) => item.function === 'flow');
    assert.equal(flow.invocations, 5);
    await send('DeleteFunction', { FunctionName: 'flow' });
});

chapter('list functions page by page', async () => {
    for (let i = 0; i < 4; i++) {
        await create(`page-${i}`);
    }
    const names = [];
    let pages = 0;
    for await (const page of sdk.paginateListFunctions({ client: lambda, pageSize: 2 }, {})) {
        pages++;
        names.push(...page.Functions.map((f) => f.FunctionName));
    }
    assert.deepEqual(names, ['once', 'page-0', 'page-1', 'page-2', 'page-3', 'story']);
    assert.equal(pages, 3);
    const versions = [];
    for await (const page of sdk.paginateListVersionsByFunction({ client: lambda, pageSize: 1 }, { FunctionName: 'story' })) {
        versions.push(...page.Versions.map((v) => v.Version));
    }
    assert.deepEqual(versions, ['$LATEST', '1', '2']);
    const all = await send('ListFunctions', { FunctionVersion: 'ALL' });
    assert.deepEqual(all.Functions.filter((f) => f.FunctionName === 'story').map((f) => f.FunctionArn), [
        `${arn}:$LATEST`,
        `${arn}:1`,
        `${arn}:2`,
    ]);
});

chapter('tags', async () => {
    await send('TagResource', { Resource: arn, Tags: { team: 'b', cost: '7' } });
    assert.deepEqual((await send('ListTags', { Resource: arn })).Tags, { team: 'b', cost: '7' });
    await send('UntagResource', { Resource: arn, TagKeys: ['team'] });
    assert.deepEqual((await send('ListTags', { Resource: arn })).Tags, { cost: '7' });
});

chapter('what is not there says so', async () => {
    const none = await refused(
        send('GetLayerVersionPolicy', { LayerName: 'x', VersionNumber: 1 }), 'NotImplementedException',
        (e) => e.message === 'GetLayerVersionPolicy is not supported here.',
    );
    assert.equal(none.$metadata.attempts, 1, 'it is not asked for again');
    await refused(
        send('CreateFunction', { FunctionName: 'image', Role: role, PackageType: 'Image', Code: { ImageUri: 'x' } }),
        'InvalidParameterValueException',
    );
    await refused(create('wrong name!'), 'ValidationException');
    const stranger = client({ credentials: { accessKeyId: 'AKIANOBODY', secretAccessKey: 'x' } });
    await refused(send('ListFunctions', {}, stranger), 'UnrecognizedClientException');
    const forger = client({ credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: 'x' } });
    await refused(send('ListFunctions', {}, forger), 'InvalidSignatureException');
});

chapter('delete: aliases, versions, functions', async () => {
    await send('DeleteAlias', { FunctionName: 'story', Name: 'live' });
    await send('DeleteFunction', { FunctionName: 'story', Qualifier: '1' });
    await refused(send('Invoke', { FunctionName: 'story', Qualifier: '1' }), 'ResourceNotFoundException');
    const { Functions } = await send('ListFunctions', {});
    for (const { FunctionName } of Functions) {
        await send('DeleteFunction', { FunctionName });
    }
    assert.deepEqual((await send('ListFunctions', {})).Functions, []);
    await refused(send('GetFunction', { FunctionName: 'story' }), 'ResourceNotFoundException');
    await refused(send('Invoke', { FunctionName: 'story' }), 'ResourceNotFoundException');
});

await play();
