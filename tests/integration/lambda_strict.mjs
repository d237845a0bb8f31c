// What AWS refuses is refused here in its words, and what is not here is never taken in silence: AWS's JavaScript SDK, one
// function, the edges of each request.
import assert from 'node:assert/strict';
import { chapter, client, json, play, refused, sdk, until, zip } from './lambda_client.mjs';

const lambda = client({ maxAttempts: 1 });
const send = (name, input) => lambda.send(new sdk[`${name}Command`](input));
const FunctionName = 'strict';
const code = (word) =>
    zip({
        'main.py': `
import os, time
def handler(event, context):
    if not isinstance(event, dict): return event
    if event.get("sleep"): time.sleep(event["sleep"])
    if event.get("exit") is not None: os._exit(event["exit"])
    if event.get("big"): return "x" * event["big"]
    if event.get("eat"): return len(bytearray(400 << 20))
    return {"word": "${word}", "cwd": os.getcwd(), "trace": os.environ.get("_X_AMZN_TRACE_ID"), **event}
`,
    });
const create = (more = {}) =>
    send('CreateFunction', { FunctionName, Runtime: 'python3.11', Handler: 'main.handler', Role: 'r', Timeout: 1, Code: { ZipFile: code('one') }, ...more });
const invoke = (Payload, more = {}) => send('Invoke', { FunctionName, Payload, ...more });
const invalid = (promise, says) => refused(promise, 'InvalidParameterValueException', (e) => says.test(e.message));
const tail = (told) => Buffer.from(told.LogResult, 'base64').toString();
let arn;

chapter('a member that is not here is refused by its name, its word for "off" is not', async () => {
    for (const [member, value] of Object.entries({
        VpcConfig: { SubnetIds: ['a'], SecurityGroupIds: ['b'] },
        DeadLetterConfig: { TargetArn: 'arn:aws:sqs:us-east-1:1:q' },
        TracingConfig: { Mode: 'Active' },
        SnapStart: { ApplyOn: 'PublishedVersions' },
        LoggingConfig: { LogFormat: 'JSON' },
        KMSKeyArn: 'arn:aws:kms:us-east-1:1:key/x',
        FileSystemConfigs: [{ Arn: 'arn:aws:elasticfilesystem:x', LocalMountPath: '/mnt/x' }],
        ImageConfig: { Command: ['x'] },
        PackageType: 'Image',
        TenancyConfig: { TenantIsolationMode: 'PER_TENANT' },
        DurableConfig: { ExecutionTimeout: 60 },
        CodeSigningConfigArn: 'arn:aws:lambda:us-east-1:1:code-signing-config:csc-1',
        CapacityProviderConfig: { LambdaManagedInstancesCapacityProviderConfig: { CapacityProviderArn: 'x' } },
    })) {
        await invalid(create({ [member]: value }), new RegExp(`^${member} is not supported here`));
    }
    await refused(send('GetFunction', { FunctionName }), 'ResourceNotFoundException');
    const made = await create({
        Layers: [], VpcConfig: { SubnetIds: [], SecurityGroupIds: [], Ipv6AllowedForDualStack: false }, KMSKeyArn: '',
        DeadLetterConfig: {}, TracingConfig: { Mode: 'PassThrough' }, SnapStart: { ApplyOn: 'None' }, PackageType: 'Zip',
        LoggingConfig: { LogFormat: 'Text', LogGroup: `/aws/lambda/${FunctionName}` },
    });
    arn = made.FunctionArn;
    await invalid(send('UpdateFunctionConfiguration', { FunctionName, KMSKeyArn: 'x' }), /^KMSKeyArn is not supported here/);
    await invalid(send('UpdateFunctionCode', { FunctionName, S3Bucket: 'bucket', S3Key: 'k' }), /Only code in ZipFile/);
    await invalid(invoke('{}', { TenantId: 'tenant' }), /TenantId is not supported here/);
    await invalid(invoke('{}', { DurableExecutionName: 'x' }), /DurableExecutionName is not supported here/);
});

chapter('headers of an invocation that are no good', async () => {
    await refused(invoke('{}', { LogType: 'All' }), 'ValidationException', (e) => /at 'logType' failed/.test(e.message));
    for (const ClientContext of ['!!!!', Buffer.from('not json').toString('base64'), Buffer.from('[1]').toString('base64')]) {
        await refused(invoke('{}', { ClientContext }), 'InvalidRequestContentException', (e) =>
            e.message === 'Client context must be a valid Base64-encoded JSON object.');
    }
    await refused(invoke('{}', { Qualifier: 'no good!' }), 'ValidationException', (e) => /at 'qualifier' failed/.test(e.message));
    await refused(invoke('{}', { Qualifier: 'none' }), 'ResourceNotFoundException', (e) => e.message === `Cannot find alias arn: ${arn}:none`);
    await refused(invoke('{}', { Qualifier: '7' }), 'ResourceNotFoundException', (e) => e.message === `Function not found: ${arn}:7`);
    await refused(invoke('{}', { FunctionName: 'a'.repeat(65) }), 'ValidationException');
});

chapter('payloads at their limits: taken, or refused so that no client sends them again', async () => {
    const string = (bytes) => `"${'x'.repeat(bytes - 2)}"`;
    assert.equal((await invoke(string(6291456))).Payload.length, 6291456);
    const large = await refused(invoke(string(6291457)), 'RequestEntityTooLargeException', (e) =>
        e.message === 'Request must be smaller than 6291456 bytes for the InvokeFunction operation');
    assert.equal(large.$metadata.httpStatusCode, 413);
    const event = { InvocationType: 'Event' };
    assert.equal((await invoke(string(1048576), event)).StatusCode, 202);
    const later = await refused(invoke(string(1048577), event), 'RequestEntityTooLargeException', (e) =>
        e.message === 'Request must be smaller than 1048576 bytes for the InvokeFunction operation');
    assert.equal(later.$metadata.httpStatusCode, 413);
    const most = await invoke(JSON.stringify({ big: 6291556 - 2 }));
    assert.equal(most.FunctionError, undefined);
    assert.equal(most.Payload.length, 6291556);
    const over = await invoke(JSON.stringify({ big: 6291556 - 1 }));
    assert.equal(over.FunctionError, 'Unhandled');
    assert.equal(json(over.Payload).errorType, 'Function.ResponseSizeTooLarge');
});

chapter('what the caller sees of a runtime that ends, hangs or eats', async () => {
    const id = (told) => `RequestId: ${told.$metadata.requestId} Error: `;
    const said = async (event, errorType, says) => {
        const told = await invoke(JSON.stringify(event), { LogType: 'Tail' });
        assert.equal(told.StatusCode, 200);
        assert.equal(told.FunctionError, 'Unhandled');
        assert.deepEqual(json(told.Payload), { errorType, errorMessage: `${id(told)}${says}` });
        return tail(told);
    };
    await said({ exit: 0 }, 'Runtime.ExitError', 'Runtime exited without providing a reason');
    assert.match(await said({ exit: 127 }, 'Runtime.ExitError', 'Runtime exited with error: exit status 127'),
        /\tStatus: error\tError Type: Runtime\.ExitError\n$/);
    assert.match(await said({ sleep: 60 }, 'Sandbox.Timedout', 'Task timed out after 1.00 seconds'), /\tDuration: 1000\.00 ms\t.*\tStatus: timeout\n$/);
    const eaten = await invoke('{"eat":true}', { LogType: 'Tail' }); // killed where memory is limited, MemoryError where it is not
    assert.equal(eaten.FunctionError, 'Unhandled');
    if (json(eaten.Payload).errorType === 'Runtime.ExitError') assert.match(tail(eaten), /Error Type: Runtime\.OutOfMemory\n$/);
    const cold = tail(await invoke('{}', { LogType: 'Tail' }));
    assert.match(cold, /\tMax Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t\n$/, 'one tab before the end, as on every line');
    const warm = tail(await invoke('{}', { LogType: 'Tail' }));
    assert.match(warm, /\tMax Memory Used: \d+ MB\t\n$/);
    const inside = json((await invoke('{"n":1.50}')).Payload);
    assert.equal(inside.cwd, '/var/task');
    assert.match(inside.trace, /^Root=1-[0-9a-f]{8}-[0-9a-f]{24};/);
});

chapter('a dry run of new code checks it and changes nothing', async () => {
    const before = await send('GetFunctionConfiguration', { FunctionName });
    const dry = await send('UpdateFunctionCode', { FunctionName, ZipFile: code('two'), DryRun: true });
    assert.notEqual(dry.CodeSha256, before.CodeSha256, 'what it would be');
    await invalid(send('UpdateFunctionCode', { FunctionName, ZipFile: Buffer.from('no zip'), DryRun: true }), /not a zip file/);
    const after = await send('GetFunctionConfiguration', { FunctionName });
    assert.equal(after.CodeSha256, before.CodeSha256);
    assert.equal(after.RevisionId, before.RevisionId);
    assert.equal(json((await invoke('{}')).Payload).word, 'one');
});

chapter('publishing only what was looked at', async () => {
    const { CodeSha256, RevisionId } = await send('GetFunctionConfiguration', { FunctionName });
    await refused(send('PublishVersion', { FunctionName, RevisionId: '00000000-0000-0000-0000-000000000000' }), 'PreconditionFailedException');
    await invalid(send('PublishVersion', { FunctionName, CodeSha256: 'another' }), /^CodeSHA256 \(another\) is different from current CodeSHA256/);
    assert.deepEqual((await send('ListVersionsByFunction', { FunctionName })).Versions.length, 1);
    assert.equal((await send('PublishVersion', { FunctionName, CodeSha256, RevisionId })).Version, '1');
});

chapter('versions that aliases need stay, and aliases are not deleted as versions', async () => {
    await refused(send('CreateAlias', { FunctionName, Name: 'live', FunctionVersion: '9' }), 'ResourceNotFoundException', (e) =>
        e.message === `Function not found: ${arn}:9`);
    await send('CreateAlias', { FunctionName, Name: 'live', FunctionVersion: '1' });
    await send('CreateAlias', { FunctionName, Name: 'also', FunctionVersion: '1' });
    await refused(send('DeleteFunction', { FunctionName, Qualifier: '1' }), 'ResourceConflictException', (e) =>
        e.message === 'Unable to delete version because the following aliases reference it: [also, live]');
    await invalid(send('DeleteFunction', { FunctionName, Qualifier: 'live' }), /^Deletion of aliases/);
    assert.equal((await send('GetAlias', { FunctionName, Name: 'live' })).FunctionVersion, '1');
});

chapter('provisioned concurrency is taken from the account as a reservation is', async () => {
    const put = (ProvisionedConcurrentExecutions, Qualifier = '1') =>
        send('PutProvisionedConcurrencyConfig', { FunctionName, Qualifier, ProvisionedConcurrentExecutions });
    await invalid(put(100000), /^Specified ConcurrentExecutions for function is greater than account's unreserved concurrency \[1000\]\.$/);
    await invalid(put(901), /decreases account's UnreservedConcurrentExecution below its minimum value of \[100\]\.$/);
    await send('UpdateFunctionCode', { FunctionName, ZipFile: code('three'), Publish: true });
    await put(2, '1');
    await send('PutFunctionConcurrency', { FunctionName, ReservedConcurrentExecutions: 3 });
    await invalid(put(2, '2'), /should not be greater than the reservedConcurrentExecution/); // two of one and two of the other
    await put(1, '2');
    await invalid(send('PutFunctionConcurrency', { FunctionName, ReservedConcurrentExecutions: 2 }),
        /^ ReservedConcurrentExecutions  2 should not be lower than function's total provisioned concurrency \[3\]\.$/);
    await send('DeleteFunctionConcurrency', { FunctionName });
    await until('both are ready', () => send('ListProvisionedConcurrencyConfigs', { FunctionName }), (all) =>
        all.ProvisionedConcurrencyConfigs.length === 2 && all.ProvisionedConcurrencyConfigs.every((one) => one.Status === 'READY'));
    await send('DeleteFunction', { FunctionName });
    await refused(invoke('{}'), 'ResourceNotFoundException');
});

await play();
