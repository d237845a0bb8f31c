// Function URLs, as a user of Lambda knows them.
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import http from 'node:http';
import { createRequire } from 'node:module';
import { chapter, client, farthing, play, refused, sdk, until, url, zip } from './lambda_client.mjs';

const { SignatureV4 } = createRequire(`${process.env.MODULES}/`)('@smithy/signature-v4');
const lambda = client();
const send = (name, input) => lambda.send(new sdk[`${name}Command`](input));
const code = zip({
    'index.mjs': `
import { setTimeout as pause } from 'node:timers/promises';
export const handler = async (event) => {
    switch (event.queryStringParameters?.how) {
        case 'throw': throw new Error('on purpose');
        case 'slow': await pause(60000); return;
        case 'text': return 'hello';
        case 'object': return { a: 1 };
        case 'nothing': return;
        case 'binary': return { statusCode: 201, headers: { 'Content-Type': 'image/png', 'X-Number': 5, Connection: 'close', 'Content-Length': '999' },
            cookies: ['a=1', 'b=2; Path=/'], body: Buffer.from([0, 255, 10]).toString('base64'), isBase64Encoded: true };
        case 'empty': return { statusCode: 204, body: 'dropped' };
        case 'words': return { statusCode: '418', headers: { 'X-Split': 'a\\r\\nX-Evil: 1' }, body: 'short and stout' };
        case 'bad-status': return { statusCode: 42 };
        case 'bad-body': return { statusCode: 200, body: { not: 'text' } };
        case 'bad-base64': return { statusCode: 200, body: '***', isBase64Encoded: true };
        case 'bad-header': return { statusCode: 200, headers: { 'a b': 'c' } };
        case 'many-headers': return { statusCode: 200, headers: Object.fromEntries([...Array(60).keys()].map((n) => ['x-' + n, 'y'])) };
        case 'own-cors': return { statusCode: 200, headers: { 'X-A': 'b' }, body: 'read me' };
        default: return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(event) };
    }
};
export const stream = awslambda.streamifyResponse(async (event, out) => {
    const how = event.queryStringParameters?.how;
    if (how === 'plain') { out.setContentType('text/csv'); out.write('a,b\\r\\n'); out.end('c,d'); return; }
    if (how === 'bad') { out.setContentType('application/vnd.awslambda.http-integration-response'); out.end('no prelude'); return; }
    if (how === 'throw') throw new Error('on purpose');
    out = awslambda.HttpResponseStream.from(out, { statusCode: 203, headers: { 'Content-Type': 'text/plain', 'X-S': 'y' }, cookies: ['c=3'] });
    out.write('one ');
    await pause(how === 'cut' ? 50 : 300);
    if (how === 'cut') throw new Error('in the middle');
    out.end('two');
});`,
});
const make = async (FunctionName, Handler, more = {}) => {
    await send('CreateFunction', { FunctionName, Handler, Role: 'arn:aws:iam::123456789012:role/any', Runtime: 'nodejs20.x', Code: { ZipFile: code }, ...more });
    await sdk.waitUntilFunctionActiveV2({ client: lambda, maxWaitTime: 60, minDelay: 1, maxDelay: 1 }, { FunctionName });
};

// One request to a URL of a function: its name leads to the node by the Host header.
const call = (to, { method = 'GET', path = '/', headers = {}, body, onPiece } = {}) =>
    new Promise((resolve, reject) => {
        const at = new URL(url);
        const request = http.request({ host: at.hostname, port: at.port, method, path, headers: { Host: new URL(to).host, ...headers }, agent: false }, (answer) => {
            const parts = [];
            answer.on('data', (part) => {
                parts.push(part);
                onPiece?.(String(part));
            });
            const end = (whole) => resolve({ status: answer.statusCode, headers: answer.headers, raw: answer.rawHeaders, bytes: Buffer.concat(parts), text: String(Buffer.concat(parts)), whole });
            answer.on('end', () => end(true));
            answer.on('error', () => end(false));
        });
        request.on('error', reject);
        request.end(body);
    });
class Sha256 {
    constructor(secret) { this.hash = secret ? createHmac('sha256', secret) : createHash('sha256'); }
    update(data) { this.hash.update(data); }
    async digest() { return new Uint8Array(this.hash.digest()); }
}
const signed = async (to, { method = 'GET', path = '/', body, id = process.env.AWS_ACCESS_KEY_ID, secret = process.env.AWS_SECRET_ACCESS_KEY } = {}) => {
    const signer = new SignatureV4({ service: 'lambda', region: 'local', credentials: { accessKeyId: id, secretAccessKey: secret }, sha256: Sha256 });
    const [pathname, search = ''] = path.split('?');
    const query = Object.fromEntries(new URLSearchParams(search));
    const { headers } = await signer.sign({ method, protocol: 'http:', hostname: new URL(to).host, path: pathname, query, headers: { host: new URL(to).host }, body });
    return { method, path, body, headers };
};

const cli = (...words) => execFileSync(process.env.FARTHING_PROGRAM, words, { encoding: 'utf8' });
let open;

chapter('a configuration: create, get, update, list, delete', async () => {
    await make('web', 'index.handler', { Timeout: 5 });
    const made = await send('CreateFunctionUrlConfig', { FunctionName: 'web', AuthType: 'NONE' });
    assert.equal(made.$metadata.httpStatusCode, 201);
    assert.match(made.FunctionUrl, /^http:\/\/[a-z2-7]{32}\.fn\.example\.test\/$/);
    assert.match(made.FunctionArn, /:function:web$/);
    assert.equal(made.AuthType, 'NONE');
    assert.equal(made.InvokeMode, 'BUFFERED');
    assert.match(made.CreationTime, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/);
    assert.equal(made.Cors, undefined);
    open = made.FunctionUrl;
    await refused(send('CreateFunctionUrlConfig', { FunctionName: 'web', AuthType: 'NONE' }), 'ResourceConflictException', (e) => /exists for this Lambda function/.test(e.message));
    await refused(send('CreateFunctionUrlConfig', { FunctionName: 'nobody', AuthType: 'NONE' }), 'ResourceNotFoundException');
    await refused(send('CreateFunctionUrlConfig', { FunctionName: 'web', AuthType: 'OPEN' }), 'ValidationException');
    await refused(send('CreateFunctionUrlConfig', { FunctionName: 'web', Qualifier: '1', AuthType: 'NONE' }), 'ValidationException');
    await refused(send('CreateFunctionUrlConfig', { FunctionName: 'web', Qualifier: 'live', AuthType: 'NONE' }), 'ResourceNotFoundException');
    await refused(send('GetFunctionUrlConfig', { FunctionName: 'web', Qualifier: 'live' }), 'ResourceNotFoundException');
    const got = await send('GetFunctionUrlConfig', { FunctionName: 'web' });
    assert.equal(got.FunctionUrl, open);
    assert.ok(got.LastModifiedTime >= got.CreationTime);
    const Cors = { AllowCredentials: true, AllowHeaders: ['x-a', 'x-b'], AllowMethods: ['GET', 'POST'], AllowOrigins: ['https://a.example'], ExposeHeaders: ['x-c'], MaxAge: 60 };
    const changed = await send('UpdateFunctionUrlConfig', { FunctionName: 'web', Cors });
    assert.deepEqual(changed.Cors, Cors);
    assert.equal(changed.AuthType, 'NONE', 'what is not named stays');
    for (const bad of [{ MaxAge: 86401 }, { AllowOrigins: ['*'], AllowCredentials: true }, { AllowOrigins: Array(101).fill('https://a.example') }, { AllowMethods: ['OPTIONSS'] }]) {
        await refused(send('UpdateFunctionUrlConfig', { FunctionName: 'web', Cors: bad }), 'InvalidParameterValueException');
    }
    assert.deepEqual((await send('GetFunctionUrlConfig', { FunctionName: 'web' })).Cors, Cors, 'a refused change changes nothing');
    assert.equal((await send('UpdateFunctionUrlConfig', { FunctionName: 'web', Cors: {} })).Cors, undefined);
});

chapter('the event: payload format 2.0', async () => {
    const got = await call(open, { method: 'POST', path: '/a%20b/c?x=1&y=a+b&x=2&flag&z=%2F', headers: { 'X-Two': ['1', '2'], Cookie: 'k=v; l=w', 'User-Agent': 'me/1', 'Content-Type': 'application/json', 'X-Forwarded-For': '10.9.8.7', 'X-Forwarded-Host': 'bank.example' }, body: '{"n":1}' });
    assert.equal(got.status, 200);
    assert.equal(got.headers['content-type'], 'application/json');
    assert.match(got.headers['x-amzn-requestid'], /^[0-9a-f-]{36}$/);
    const event = JSON.parse(got.text);
    const id = new URL(open).host.split('.')[0];
    assert.equal(event.version, '2.0');
    assert.equal(event.routeKey, '$default');
    assert.equal(event.rawPath, '/a%20b/c');
    assert.equal(event.rawQueryString, 'x=1&y=a+b&x=2&flag&z=%2F');
    assert.deepEqual(event.queryStringParameters, { x: '1,2', y: 'a b', flag: '', z: '/' });
    assert.deepEqual(event.cookies, ['k=v', 'l=w']);
    assert.equal(event.headers['x-two'], '1,2');
    assert.equal(event.headers.cookie, undefined);
    assert.equal(event.headers['x-forwarded-for'], '127.0.0.1', 'who calls is not for the caller to say');
    assert.equal(event.headers['x-forwarded-host'], undefined);
    assert.equal(event.headers['x-forwarded-proto'], 'http');
    assert.equal(event.headers.host, new URL(open).host);
    const { requestContext: context } = event;
    assert.deepEqual(context.http, { method: 'POST', path: '/a%20b/c', protocol: 'HTTP/1.1', sourceIp: '127.0.0.1', userAgent: 'me/1' });
    assert.equal(context.accountId, 'anonymous');
    assert.equal(context.apiId, id);
    assert.equal(context.domainPrefix, id);
    assert.equal(context.domainName, new URL(open).host);
    assert.equal(context.stage, '$default');
    assert.match(context.time, /^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/);
    assert.ok(Math.abs(context.timeEpoch - Date.now()) < 600000);
    assert.equal(context.authorizer, undefined);
    assert.equal(event.body, '{"n":1}');
    assert.equal(event.isBase64Encoded, false);
});

chapter('bodies: text as it is, everything else in base64; none is none', async () => {
    const bytes = Buffer.from([0, 1, 254, 255]);
    const octets = JSON.parse((await call(open, { method: 'PUT', headers: { 'Content-Type': 'application/octet-stream' }, body: bytes })).text);
    assert.equal(octets.isBase64Encoded, true);
    assert.deepEqual(Buffer.from(octets.body, 'base64'), bytes);
    const not_utf8 = JSON.parse((await call(open, { method: 'POST', headers: { 'Content-Type': 'text/plain' }, body: bytes })).text);
    assert.deepEqual(Buffer.from(not_utf8.body, 'base64'), bytes);
    const none = JSON.parse((await call(open, { method: 'DELETE' })).text);
    assert.equal('body' in none, false);
    assert.equal(none.isBase64Encoded, false);
    const odd = JSON.parse((await call(open, { path: '/?a=%zz&b=%FF' })).text);
    assert.deepEqual(odd.queryStringParameters, { a: '%zz', b: '%FF' }, 'what cannot be decoded is passed on');
    const many = JSON.parse((await call(open, { path: `/?${[...Array(100).keys()].map((n) => `p${n}=${n}`).join('&')}` })).text);
    assert.equal(Object.keys(many.queryStringParameters).length, 100);
    assert.equal((await call(open, { method: 'POST', headers: { 'Content-Type': 'application/octet-stream' }, body: Buffer.alloc(5 * 1024 * 1024) })).status, 413);
    assert.equal((await call(open, { method: 'POST', body: Buffer.alloc(7 * 1024 * 1024) })).status, 413);
});

chapter('the answer: status, headers, cookies, body; or any JSON', async () => {
    const how = (name) => call(open, { path: `/?how=${name}` });
    const binary = await how('binary');
    assert.equal(binary.status, 201);
    assert.deepEqual(binary.bytes, Buffer.from([0, 255, 10]));
    assert.equal(binary.headers['content-type'], 'image/png');
    assert.equal(binary.headers['x-number'], '5');
    assert.deepEqual(binary.headers['set-cookie'], ['a=1', 'b=2; Path=/']);
    assert.equal(binary.headers['content-length'], '3');
    const text = await how('text');
    assert.deepEqual([text.status, text.headers['content-type'], text.text], [200, 'application/json', '"hello"']);
    assert.equal((await how('object')).text, '{"a":1}');
    assert.equal((await how('nothing')).text, 'null');
    const empty = await how('empty');
    assert.deepEqual([empty.status, empty.text], [204, '']);
    const words = await how('words');
    assert.deepEqual([words.status, words.text, words.headers['x-evil']], [418, 'short and stout', undefined]);
    for (const name of ['bad-status', 'bad-body', 'bad-base64', 'bad-header', 'many-headers', 'throw']) {
        const bad = await how(name);
        assert.equal(bad.status, 502, name);
        assert.equal(bad.text, '{"Message":"Internal Server Error"}', `${name}: nothing of the inside is told`);
    }
    assert.equal((await call(open, { method: 'HEAD' })).text, '');
    assert.equal((await call(open, { headers: { 'Accept-Encoding': 'gzip' } })).headers['content-encoding'], undefined);
    assert.equal((await call(open, { method: 'OPTIONS' })).status, 200, 'without rules an OPTIONS is the function\'s');
    assert.equal((await how('slow')).status, 504);
});

chapter('it is metered, and limits hold', async () => {
    const id = (await call(open)).headers['x-amzn-requestid'];
    const mine = async () => (await farthing('/v1/accounts/acme/functions/web/invocations?limit=100')).items.find((item) => item.request_id === id);
    assert.equal((await until('the record of the call', mine, (item) => item !== undefined)).status, 'ok');
    await send('PutFunctionConcurrency', { FunctionName: 'web', ReservedConcurrentExecutions: 0 });
    const refusal = await call(open);
    assert.equal(refusal.status, 429);
    assert.equal(JSON.parse(refusal.text).Reason, 'ReservedFunctionConcurrentInvocationLimitExceeded');
    assert.ok(Number(refusal.headers['retry-after']) >= 1);
    await send('DeleteFunctionConcurrency', { FunctionName: 'web' });
    await until('calls again', () => call(open), (answer) => answer.status === 200);
});

chapter('cross-origin rules are answered by the node', async () => {
    const from = (origin, more = {}) => ({ headers: { Origin: origin, ...more } });
    const before = (origin, method) => call(open, { method: 'OPTIONS', ...from(origin, { 'Access-Control-Request-Method': method }) });
    await send('UpdateFunctionUrlConfig', { FunctionName: 'web', Cors: { AllowOrigins: ['https://a.example', 'http://localhost*'], AllowMethods: ['GET'], AllowHeaders: ['x-a'], ExposeHeaders: ['x-c', 'x-d'], AllowCredentials: true, MaxAge: 60 } });
    const asked = await before('https://a.example', 'GET');
    assert.deepEqual([asked.status, asked.text], [200, '']);
    assert.equal(asked.headers['access-control-allow-origin'], 'https://a.example');
    assert.equal(asked.headers['access-control-allow-methods'], 'GET');
    assert.equal(asked.headers['access-control-allow-headers'], 'x-a');
    assert.equal(asked.headers['access-control-allow-credentials'], 'true');
    assert.equal(asked.headers['access-control-max-age'], '60');
    assert.equal(asked.headers.vary, 'Origin');
    assert.equal((await before('https://b.example', 'GET')).headers['access-control-allow-origin'], undefined);
    assert.equal((await before('https://a.example', 'PUT')).headers['access-control-allow-origin'], undefined);
    assert.equal((await before('http://localhost:3000', 'GET')).headers['access-control-allow-origin'], 'http://localhost:3000');
    const read = await call(open, { path: '/?how=own-cors', ...from('https://a.example') });
    assert.deepEqual([read.text, read.headers['access-control-allow-origin'], read.headers['access-control-expose-headers']], ['read me', 'https://a.example', 'x-c,x-d']);
    assert.equal((await call(open, { path: '/?how=throw', ...from('https://a.example') })).headers['access-control-allow-origin'], 'https://a.example');
    assert.equal((await call(open, { path: '/?how=own-cors', ...from('https://evil.example') })).headers['access-control-allow-origin'], undefined);
    await send('UpdateFunctionUrlConfig', { FunctionName: 'web', Cors: { AllowOrigins: ['*'], AllowMethods: ['*'] } });
    assert.equal((await before('https://anyone.example', 'PATCH')).headers['access-control-allow-origin'], '*');
});

chapter('AWS_IAM: only who signs with a key of the account', async () => {
    await send('UpdateFunctionUrlConfig', { FunctionName: 'web', AuthType: 'AWS_IAM' });
    const good = await call(open, await signed(open, { method: 'POST', path: '/sub/path?b=2&a=1', body: '{"x":1}' }));
    assert.equal(good.status, 200, good.text);
    const event = JSON.parse(good.text);
    assert.match(event.requestContext.accountId, /^\d{12}$/);
    assert.equal(event.requestContext.authorizer.iam.accountId, event.requestContext.accountId);
    assert.equal(event.headers.authorization, undefined, 'the function does not see the signature');
    const forbidden = async (request) => {
        const answer = await call(open, request);
        assert.deepEqual([answer.status, answer.text], [403, '{"Message":"Forbidden"}']);
    };
    await forbidden({});
    await forbidden({ ...(await signed(open)), path: '/other' });
    await forbidden({ ...(await signed(open, { method: 'POST', body: 'a' })), body: 'b' });
    await forbidden(await signed(open, { secret: 'wrong' }));
    await forbidden(await signed(open, { id: process.env.OTHER_ID, secret: process.env.OTHER_SECRET }));
    await forbidden({ headers: { Authorization: 'Bearer far_0000' } });
    assert.equal((await call(open, { headers: { Authorization: `Bearer ${process.env.ACCOUNT_KEY}` } })).status, 200, 'a key of the account will do, too');
    const asked = await call(open, { method: 'OPTIONS', headers: { Origin: 'https://a.example', 'Access-Control-Request-Method': 'GET' } });
    assert.equal(asked.headers['access-control-allow-origin'], '*', 'a browser cannot sign its question');
    await send('UpdateFunctionUrlConfig', { FunctionName: 'web', AuthType: 'NONE', Cors: {} });
});

chapter('an alias has a URL of its own', async () => {
    await send('PublishVersion', { FunctionName: 'web' });
    await send('CreateAlias', { FunctionName: 'web', Name: 'live', FunctionVersion: '1' });
    const { FunctionUrl, FunctionArn } = await send('CreateFunctionUrlConfig', { FunctionName: 'web', Qualifier: 'live', AuthType: 'NONE' });
    assert.notEqual(FunctionUrl, open);
    assert.match(FunctionArn, /:function:web:live$/);
    assert.equal((await call(FunctionUrl)).status, 200);
    const { FunctionUrlConfigs } = await send('ListFunctionUrlConfigs', { FunctionName: 'web' });
    assert.deepEqual(FunctionUrlConfigs.map((item) => item.FunctionUrl), [open, FunctionUrl]);
    const first = await send('ListFunctionUrlConfigs', { FunctionName: 'web', MaxItems: 1 });
    assert.equal(first.FunctionUrlConfigs.length, 1);
    const second = await send('ListFunctionUrlConfigs', { FunctionName: 'web', MaxItems: 1, Marker: first.NextMarker });
    assert.deepEqual([second.FunctionUrlConfigs[0].FunctionUrl, second.NextMarker ?? null], [FunctionUrl, null]);
    await send('DeleteAlias', { FunctionName: 'web', Name: 'live' });
    assert.equal((await call(FunctionUrl)).status, 404);
});

chapter('RESPONSE_STREAM: as it comes, with a prelude or without', async () => {
    await make('flow', 'index.stream');
    const { FunctionUrl, InvokeMode } = await send('CreateFunctionUrlConfig', { FunctionName: 'flow', AuthType: 'NONE', InvokeMode: 'RESPONSE_STREAM' });
    assert.equal(InvokeMode, 'RESPONSE_STREAM');
    const pieces = [];
    const got = await call(FunctionUrl, { onPiece: (piece) => pieces.push(piece) });
    assert.deepEqual([got.status, got.text, got.whole], [203, 'one two', true]);
    assert.deepEqual(pieces, ['one ', 'two'], 'each piece when it is written');
    assert.deepEqual([got.headers['content-type'], got.headers['x-s'], got.headers['set-cookie']], ['text/plain', 'y', ['c=3']]);
    const plain = await call(FunctionUrl, { path: '/?how=plain' });
    assert.deepEqual([plain.status, plain.headers['content-type'], plain.text], [200, 'text/csv', 'a,b\r\nc,d']);
    assert.equal((await call(FunctionUrl, { path: '/?how=bad' })).status, 502);
    assert.equal((await call(FunctionUrl, { path: '/?how=throw' })).status, 502);
    assert.equal((await call(FunctionUrl, { path: '/?how=cut' })).whole, false, 'who reads it sees that something is missing');
    await send('UpdateFunctionUrlConfig', { FunctionName: 'flow', InvokeMode: 'BUFFERED' });
    const whole = await until('the whole answer at once', () => call(FunctionUrl), (answer) => answer.headers['content-length'] === '7');
    assert.deepEqual([whole.status, whole.text, whole.headers['x-s']], [203, 'one two', 'y']);
});

chapter('over REST and on the command line: the same URL', async () => {
    const rest = async (method, path, body) => {
        const answer = await fetch(`${url}/v1/accounts/acme/functions/${path}`, { method, headers: { Authorization: `Bearer ${process.env.FARTHING_KEY}`, 'Content-Type': 'application/json' }, body: body && JSON.stringify(body) });
        const text = await answer.text();
        return [answer.status, text && JSON.parse(text)];
    };
    assert.equal((await rest('GET', 'flow/url'))[1].mode, 'buffered');
    const cors = { allow_credentials: true, allow_headers: ['x-a'], allow_methods: ['GET'], allow_origins: ['https://a.example'], expose_headers: ['x-b'], max_age_s: 9 };
    const [status, changed] = await rest('PUT', 'flow/url', { authorization: 'aws_iam', mode: 'response_stream', cors });
    assert.deepEqual([status, changed.authorization, changed.mode, changed.cors], [200, 'aws_iam', 'response_stream', cors]);
    const { Cors, AuthType, FunctionUrl } = await send('GetFunctionUrlConfig', { FunctionName: 'flow' });
    assert.deepEqual([AuthType, FunctionUrl, Cors], ['AWS_IAM', changed.url, { AllowCredentials: true, AllowHeaders: ['x-a'], AllowMethods: ['GET'], AllowOrigins: ['https://a.example'], ExposeHeaders: ['x-b'], MaxAge: 9 }]);
    assert.equal((await call(changed.url)).status, 403);
    for (const [bad, pointer] of [
        [{}, '/authorization'], [{ authorization: 'open' }, '/authorization'], [{ authorization: 'none', mode: 'x' }, '/mode'], [{ authorization: 'none', auth: 1 }, '/auth'],
        [{ authorization: 'none', cors: { allow_origins: ['*'], allow_credentials: true } }, '/cors/allow_credentials'], [{ authorization: 'none', cors: { AllowOrigins: [] } }, '/cors'],
        [{ authorization: 'none', cors: { max_age_s: -1 } }, '/cors/max_age_s'], [{ authorization: 'none', cors: { allow_methods: ['a,b'] } }, '/cors/allow_methods'],
    ]) {
        const [no, problem] = await rest('PUT', 'flow/url', bad);
        assert.deepEqual([no, problem.errors[0].pointer], [400, `#${pointer}`], JSON.stringify(bad));
    }
    assert.equal((await rest('PUT', 'flow/url?qualifier=1', { authorization: 'none' }))[0], 400);
    assert.equal((await rest('PUT', 'flow/url?qualifier=live', { authorization: 'none' }))[0], 404);
    assert.equal((await rest('PUT', 'nobody/url', { authorization: 'none' }))[0], 404);
    assert.deepEqual((await rest('GET', 'flow/url'))[1].cors, cors, 'a refused change changes nothing');
    const [, { items }] = await rest('GET', 'flow/urls');
    assert.deepEqual(items.map((item) => item.url), [changed.url]);
    assert.match(cli('function', 'url', 'acme/flow', '--public', '--stream'), new RegExp(`^${changed.url}\neverybody may call it; the answer is sent as it comes\n$`));
    await until('open again', () => call(changed.url), (answer) => answer.status === 203 && answer.text === 'one two');
    assert.match(cli('function', 'url', 'acme/flow'), /everybody/);
    assert.deepEqual((await rest('GET', 'flow/url'))[1].cors, {}, 'a configuration is replaced as a whole');
    assert.equal((await rest('DELETE', 'flow/url'))[0], 204);
    assert.equal((await call(changed.url)).status, 404);
    assert.equal((await rest('DELETE', 'flow/url'))[0], 404);
    const [made, again] = await rest('PUT', 'flow/url', { authorization: 'none' });
    assert.equal(made, 201);
    assert.notEqual(again.url, changed.url, 'an address that was given up does not come back');
    assert.match(cli('function', 'url', 'acme/flow', '--remove'), /no URL any more/);
});

chapter('below the base there are function URLs only', async () => {
    assert.equal((await call('http://fn.example.test/', { path: '/healthz' })).status, 200, 'the base itself is no URL of a function');
    for (const name of ['x', 'a'.repeat(32), `${new URL(open).host.split('.')[0].slice(0, 31)}a`]) {
        const answer = await call(`http://${name}.fn.example.test/`, { path: '/v1/accounts', headers: { Authorization: `Bearer ${process.env.FARTHING_KEY}` } });
        assert.deepEqual([answer.status, answer.text], [404, '{"Message":"Not Found"}'], name);
    }
    assert.equal((await call(open.toUpperCase().replace('HTTP', 'http'))).status, 200, 'host names know no case');
});

chapter('deleted: the URL is gone, also with its function', async () => {
    await send('DeleteFunctionUrlConfig', { FunctionName: 'web' });
    assert.equal((await call(open)).status, 404);
    await refused(send('DeleteFunctionUrlConfig', { FunctionName: 'web' }), 'ResourceNotFoundException');
    await refused(send('GetFunctionUrlConfig', { FunctionName: 'web' }), 'ResourceNotFoundException');
    const { FunctionUrl } = await send('CreateFunctionUrlConfig', { FunctionName: 'web', AuthType: 'NONE' });
    assert.notEqual(FunctionUrl, open);
    assert.equal((await call(FunctionUrl)).status, 200);
    await send('DeleteFunction', { FunctionName: 'web' });
    await until('gone with its function', () => call(FunctionUrl), (answer) => answer.status === 404);
});

await play();
