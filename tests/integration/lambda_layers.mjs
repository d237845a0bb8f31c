// Layers by AWS's own JavaScript SDK. Each chapter says what a user of Lambda relies on.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { chapter, client, farthing, json, play, refused, sdk, zip } from './lambda_client.mjs';

const lambda = client();
const rival = client({ credentials: { accessKeyId: process.env.RIVAL_ID, secretAccessKey: process.env.RIVAL_SECRET } });
const send = (name, input, with_client = lambda) => with_client.send(new sdk[`${name}Command`](input));
const publish = (LayerName, files, more = {}, with_client = lambda) =>
    send('PublishLayerVersion', { LayerName, Content: { ZipFile: files instanceof Uint8Array ? files : zip(files) }, ...more }, with_client);
const create = (FunctionName, files, more = {}) =>
    send('CreateFunction', {
        FunctionName, Role: 'r', Runtime: 'nodejs20.x', Handler: 'index.handler', Timeout: 10, Code: { ZipFile: zip(files) }, ...more,
    });
const configure = (FunctionName, more) => send('UpdateFunctionConfiguration', { FunctionName, ...more });
const invoke = async (FunctionName) => {
    const told = await send('Invoke', { FunctionName });
    assert.equal(told.FunctionError, undefined, Buffer.from(told.Payload).toString());
    return json(told.Payload);
};
const invalid = (promise, says) => refused(promise, 'InvalidParameterValueException', (e) => says.test(e.message));
const arns = {};
// What the node unpacked of layers: gone, so that it must be made again from what is stored.
const forget = () => {
    const code = path.join(process.env.FARTHING_DATA_DIR, 'code');
    const folders = fs.readdirSync(code).filter((name) => name.includes('-opt-'));
    assert.notEqual(folders.length, 0, 'layers are unpacked there');
    for (const name of folders) fs.rmSync(path.join(code, name), { recursive: true });
};

chapter('publish, and read what was published', async () => {
    const files = {
        'nodejs/node_modules/dep/index.js': 'module.exports = "dep one";',
        'nodejs/node_modules/pure/package.json': '{"name":"pure","type":"module","exports":"./pure.js"}',
        'nodejs/node_modules/pure/pure.js': 'export default "pure one";',
        'nodejs/node20/node_modules/twenty/index.js': 'module.exports = "for 20";',
        'python/dep.py': 'NAME = "py one"\n',
        'python/lib/python3.11/site-packages/site_dep.py': 'NAME = "site one"\n',
        'bin/tool': '#!/bin/sh\necho "tool one"\n',
        'data/only-here': 'one',
    };
    const made = await publish('deps', files, {
        Description: 'shared', LicenseInfo: 'MIT', CompatibleRuntimes: ['nodejs20.x', 'python3.11'], CompatibleArchitectures: ['x86_64'],
    });
    assert.equal(made.$metadata.httpStatusCode, 201);
    assert.equal(made.Version, 1);
    assert.match(made.LayerVersionArn, /^arn:aws:lambda:local:\d{12}:layer:deps:1$/);
    assert.equal(made.LayerArn, made.LayerVersionArn.slice(0, -2));
    assert.equal(made.Content.CodeSize, zip(files).length);
    assert.match(made.CreatedDate, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000$/);
    assert.equal(made.LicenseInfo, 'MIT');
    assert.deepEqual(made.CompatibleRuntimes, ['nodejs20.x', 'python3.11']);
    assert.deepEqual(made.CompatibleArchitectures, ['x86_64']);
    arns.deps = made.LayerVersionArn;
    const got = await send('GetLayerVersion', { LayerName: 'deps', VersionNumber: 1 });
    const by_arn = await send('GetLayerVersionByArn', { Arn: arns.deps });
    for (const one of [got, by_arn]) {
        assert.equal(one.LayerVersionArn, arns.deps);
        assert.equal(one.Description, 'shared');
        assert.equal(one.Content.CodeSha256, made.Content.CodeSha256);
        const package_ = Buffer.from(await (await fetch(one.Content.Location)).arrayBuffer());
        assert.ok(package_.equals(zip(files)), 'its address gives the package');
    }
    assert.equal((await send('GetLayerVersion', { LayerName: made.LayerArn, VersionNumber: 1 })).Version, 1, 'by the ARN of the layer');
    await refused(send('GetLayerVersion', { LayerName: 'deps', VersionNumber: 2 }), 'ResourceNotFoundException');
    await refused(send('GetLayerVersion', { LayerName: 'nothing', VersionNumber: 1 }), 'ResourceNotFoundException');
    await invalid(publish('bad', Buffer.from('no zip')), /zip/);
    await invalid(publish('bad', {}, { Content: { S3Bucket: 'b', S3Key: 'k' } }), /ZipFile/);
    await refused(publish('no name!', { a: '1' }), 'ValidationException');
});

chapter('versions count up and lists go page by page', async () => {
    for (const text of ['a', 'b', 'c']) await publish('many', { file: text }, { CompatibleRuntimes: text === 'b' ? ['python3.11'] : [] });
    assert.equal((await publish('other', { file: 'x' })).Version, 1);
    const first = await send('ListLayerVersions', { LayerName: 'many', MaxItems: 2 });
    assert.deepEqual(first.LayerVersions.map((one) => one.Version), [3, 2], 'newest first');
    const rest = await send('ListLayerVersions', { LayerName: 'many', MaxItems: 2, Marker: first.NextMarker });
    assert.deepEqual(rest.LayerVersions.map((one) => one.Version), [1]);
    assert.equal(rest.NextMarker, undefined);
    const names = [];
    for await (const page of sdk.paginateListLayers({ client: lambda, pageSize: 1 }, {})) names.push(...page.Layers.map((one) => one.LayerName));
    assert.deepEqual(names, ['deps', 'many', 'other']);
    const python = await send('ListLayers', { CompatibleRuntime: 'python3.11' });
    assert.deepEqual(python.Layers.map((one) => [one.LayerName, one.LatestMatchingVersion.Version]), [['deps', 1], ['many', 2]]);
    assert.deepEqual((await send('ListLayers', { CompatibleArchitecture: 'x86_64' })).Layers.map((one) => one.LayerName), ['deps']);
    assert.deepEqual((await send('ListLayerVersions', { LayerName: 'nothing' })).LayerVersions, []);
    await send('DeleteLayerVersion', { LayerName: 'many', VersionNumber: 3 });
    await send('DeleteLayerVersion', { LayerName: 'many', VersionNumber: 3 }); // again: no error
    assert.equal((await publish('many', { file: 'd' })).Version, 4, 'a number is not used twice');
});

const LOOK = {
    'index.mjs': `
import pure from 'pure';
import { createRequire } from 'node:module';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
const require = createRequire(import.meta.url);
const attempt = (act) => { try { return act(); } catch (error) { return error.code; } };
export const handler = async () => ({
    dep: require('dep'), pure, twenty: require('twenty'), tool: execFileSync('tool').toString().trim(),
    data: fs.readFileSync('/opt/data/only-here', 'utf8'), missing: await import('nothing').catch((error) => error.code),
    write: attempt(() => fs.writeFileSync('/opt/new', '1')), change: attempt(() => fs.writeFileSync('/opt/data/only-here', '2')),
    remove: attempt(() => fs.rmSync('/opt/bin/tool')), library: process.env.LD_LIBRARY_PATH.split(':').includes('/opt/lib'),
});`,
};

chapter('a function sees its layers below /opt, in order, and cannot change them', async () => {
    arns.over = (await publish('over', {
        'nodejs/node_modules/dep/index.js': 'module.exports = "dep two";', 'bin/tool/inner': 'a folder where the other has a file',
    })).LayerVersionArn;
    const made = await create('look', LOOK, { Layers: [arns.deps] });
    assert.deepEqual(made.Layers.map((one) => one.Arn), [arns.deps]);
    assert.equal(made.Layers[0].CodeSize, (await send('GetLayerVersion', { LayerName: 'deps', VersionNumber: 1 })).Content.CodeSize);
    const one = {
        dep: 'dep one', pure: 'pure one', twenty: 'for 20', tool: 'tool one', data: 'one', missing: 'ERR_MODULE_NOT_FOUND',
        write: 'EROFS', change: 'EROFS', remove: 'EROFS', library: true,
    };
    assert.deepEqual(await invoke('look'), one);
    await send('PublishVersion', { FunctionName: 'look' });
    arns.again = (await publish('again', { 'bin/tool': '#!/bin/sh\necho "tool three"\n' })).LayerVersionArn;
    const changed = await configure('look', { Layers: [arns.deps, arns.over, arns.again] });
    assert.deepEqual(changed.Layers.map((layer) => layer.Arn), [arns.deps, arns.over, arns.again]);
    assert.deepEqual(await invoke('look'), { ...one, dep: 'dep two', tool: 'tool three' }, 'the later ones win');
    assert.equal((await send('PublishVersion', { FunctionName: 'look' })).Version, '2', 'other layers are another version');
    await configure('look', { Layers: [arns.again, arns.over, arns.deps] });
    assert.deepEqual(await invoke('look'), one, 'the order is what counts');
    await configure('look', { Timeout: 9 });
    const { Configuration } = await send('GetFunction', { FunctionName: 'look' });
    assert.equal(Configuration.Layers.length, 3, 'they stay when something else changes');
    const old = await send('GetFunctionConfiguration', { FunctionName: 'look', Qualifier: '1' });
    assert.deepEqual(old.Layers.map((layer) => layer.Arn), [arns.deps], 'a version keeps its own');
    const none = await configure('look', { Layers: [] });
    assert.equal(none.Layers, undefined);
    assert.equal((await send('Invoke', { FunctionName: 'look' })).FunctionError, 'Unhandled', 'without them its modules are not there');
    await configure('look', { Layers: [arns.deps] });
});

chapter('CommonJS, Python, a program of its own, a wrapper', async () => {
    await create('common', { 'index.js': 'const dep = require("dep");\nexports.handler = async () => [dep, (await import("pure")).default];' }, { Layers: [arns.deps] });
    assert.deepEqual(await invoke('common'), ['dep one', 'pure one']);
    const python = {
        'main.py': 'import dep, site_dep, subprocess, sys\ndef handler(event, context):\n    return [dep.NAME, site_dep.NAME, subprocess.check_output(["tool"]).decode().strip()]\n',
    };
    if (execFileSync('python3', ['-c', 'import sys; print(sys.version_info[:2] == (3, 11))']).toString().trim() !== 'True') {
        python['main.py'] = python['main.py'].replace('dep, site_dep,', 'dep,').replace('site_dep.NAME', '"site one"');
    }
    await create('snake', python, { Runtime: 'python3.11', Handler: 'main.handler', Layers: [arns.deps] });
    assert.deepEqual(await invoke('snake'), ['py one', 'site one', 'tool one']);
    const bootstrap = (await publish('runtime', {
        bootstrap: `#!/bin/sh
while :; do
    id=$(curl -sS -D - -o /tmp/event "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/next" | tr -d '\\r' | sed -n 's/^Lambda-Runtime-Aws-Request-Id: //Ip')
    curl -sS -o /dev/null -d "\\"by $0\\"" "http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime/invocation/$id/response"
done`,
    })).LayerVersionArn;
    await create('own', { readme: 'no bootstrap here' }, { Runtime: 'provided.al2023', Handler: 'x', Layers: [bootstrap] });
    assert.equal(await invoke('own'), 'by /opt/bootstrap');
    const wrapper = (await publish('wrapper', { wrap: '#!/bin/sh\nexport WRAPPED=yes\nexec "$@"\n' })).LayerVersionArn;
    await create('wrapped', { 'index.js': 'exports.handler = async () => process.env.WRAPPED;' }, {
        Layers: [wrapper], Environment: { Variables: { AWS_LAMBDA_EXEC_WRAPPER: '/opt/wrap' } },
    });
    assert.equal(await invoke('wrapped'), 'yes');
});

chapter('a deleted layer version works on for the functions that have it, and for no other', async () => {
    await create('keeper', LOOK, { Layers: [arns.deps] });
    await send('DeleteLayerVersion', { LayerName: 'deps', VersionNumber: 1 });
    await refused(send('GetLayerVersion', { LayerName: 'deps', VersionNumber: 1 }), 'ResourceNotFoundException');
    assert.ok(!(await send('ListLayers', {})).Layers.some((one) => one.LayerName === 'deps'));
    forget();
    await configure('keeper', { Timeout: 8 });
    assert.equal((await invoke('keeper')).dep, 'dep one', 'it starts anew from what is stored');
    assert.deepEqual((await send('GetFunction', { FunctionName: 'keeper' })).Configuration.Layers.map((one) => one.Arn), [arns.deps]);
    await invalid(configure('keeper', { Layers: [arns.deps] }), /^Layer version arn:aws:lambda:local:\d+:layer:deps:1 does not exist\.$/);
    await invalid(create('late', LOOK, { Layers: [arns.deps] }), /does not exist/);
});

chapter('what is too much or wrong is refused in AWS\'s words', async () => {
    const six = [];
    for (let i = 0; i < 6; i++) six.push((await publish(`six-${i}`, { [`f${i}`]: 'x' })).LayerVersionArn);
    await invalid(configure('look', { Layers: six }), /^Cannot reference more than 5 layers\.$/);
    assert.equal((await configure('look', { Layers: six.slice(0, 5) })).Layers.length, 5);
    await invalid(configure('look', { Layers: [six[0], six[0]] }), /^Two different versions of the same layer/);
    await refused(configure('look', { Layers: [six[0].slice(0, -2)] }), 'ValidationException');
    await refused(configure('look', { Layers: ['six-0:1'] }), 'ValidationException');
    await invalid(configure('look', { Layers: [`${six[0]}7`] }), /does not exist/);
    // 150 MiB of nothing each, small as zips.
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'farthing-layers-'));
    execFileSync('python3', ['-c', `
import zipfile
for name in ("a", "b"):
    with zipfile.ZipFile("%s/%s.zip" % ("${dir}", name), "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, bytes(150 * 1024 * 1024))`]);
    const a = (await publish('large-a', fs.readFileSync(`${dir}/a.zip`))).LayerVersionArn;
    const b = (await publish('large-b', fs.readFileSync(`${dir}/b.zip`))).LayerVersionArn;
    const too_large = /^Function code combined with layers exceeds the maximum allowed size of 262144000 bytes\. The actual size is 3145\d{5} bytes\.$/;
    await invalid(configure('look', { Layers: [a, b] }), too_large);
    await configure('look', { Layers: [a] });
    await invalid(send('UpdateFunctionCode', { FunctionName: 'look', ZipFile: fs.readFileSync(`${dir}/b.zip`) }), too_large);
    await invalid(create('large', {}, { Code: { ZipFile: fs.readFileSync(`${dir}/b.zip`) }, Layers: [a] }), too_large);
    fs.rmSync(dir, { recursive: true });
});

chapter('packages of layers count against the quota code_bytes, each once', async () => {
    const stored = async () => Number((await farthing('/v1/accounts/acme/quotas/code_bytes')).used);
    await farthing('/v1/accounts/acme/quotas/code_bytes', { method: 'PUT', body: JSON.stringify({ limit: '1000000000' }) });
    const before = await stored();
    const files = { file: 'x'.repeat(100000) };
    await publish('weight', files);
    assert.equal(await stored(), before + zip(files).length);
    await publish('weight', files);
    await publish('same', files);
    assert.equal(await stored(), before + zip(files).length, 'the same package is stored once');
    await send('DeleteLayerVersion', { LayerName: 'weight', VersionNumber: 1 });
    await send('DeleteLayerVersion', { LayerName: 'weight', VersionNumber: 2 });
    assert.equal(await stored(), before + zip(files).length, 'another layer has it');
    await send('DeleteLayerVersion', { LayerName: 'same', VersionNumber: 1 });
    assert.equal(await stored(), before, 'nobody has it any more');
    await farthing('/v1/accounts/acme/quotas/code_bytes', { method: 'PUT', body: JSON.stringify({ limit: String(before + 1000) }) });
    await refused(publish('weight', files), 'CodeStorageExceededException');
    await refused(send('GetLayerVersion', { LayerName: 'weight', VersionNumber: 3 }), 'ResourceNotFoundException');
    await farthing('/v1/accounts/acme/quotas/code_bytes', { method: 'DELETE' });
});

chapter('nobody sees the layers of another', async () => {
    const mine = (await publish('secret', { file: 'mine' })).LayerVersionArn;
    assert.deepEqual((await send('ListLayers', {}, rival)).Layers, []);
    assert.deepEqual((await send('ListLayerVersions', { LayerName: 'secret' }, rival)).LayerVersions, []);
    await refused(send('GetLayerVersion', { LayerName: 'secret', VersionNumber: 1 }, rival), 'ResourceNotFoundException');
    const nobodys = mine.replace(/:\d{12}:/, ':999999999999:');
    const told = [];
    for (const arn of [mine, nobodys]) {
        const error = await refused(send('GetLayerVersionByArn', { Arn: arn }, rival), 'AccessDeniedException');
        told.push(error.message.replace(arn, ''));
        await refused(send('CreateFunction', {
            FunctionName: 'thief', Role: 'r', Runtime: 'nodejs20.x', Handler: 'index.handler', Code: { ZipFile: zip({ 'index.js': '' }) }, Layers: [arn],
        }, rival), 'AccessDeniedException');
    }
    assert.equal(told[0], told[1], 'whether it is there cannot be told');
    await send('DeleteLayerVersion', { LayerName: 'secret', VersionNumber: 1 }, rival);
    assert.equal((await send('GetLayerVersion', { LayerName: 'secret', VersionNumber: 1 })).Version, 1, 'it is still there');
    const own = (await publish('secret', { file: 'the same name' }, {}, rival));
    assert.equal(own.Version, 1, 'names and numbers are of each account');
    await refused(send('GetLayerVersionPolicy', { LayerName: 'secret', VersionNumber: 1 }), 'NotImplementedException');
});

await play();
