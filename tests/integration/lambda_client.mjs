// Shared by the tests that speak to a node through AWS's JavaScript SDK: the client, small zips, small words for tests.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const require = createRequire(`${process.env.MODULES}/`);
export const sdk = require('@aws-sdk/client-lambda');
export const url = process.env.FARTHING_URL;

export function client(options = {}) {
    return new sdk.LambdaClient({
        endpoint: url,
        region: 'local',
        credentials: {
            accessKeyId: process.env.AWS_ACCESS_KEY_ID,
            secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY,
        },
        ...options,
    });
}

// Node.js 18, Debian's, has no crc32 of its own.
function crc32(data) {
    let crc = ~0;
    for (const byte of data) {
        crc ^= byte;
        for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc >>> 0;
}

// A zip whose files are stored as they are: { name: text }.
export function zip(files) {
    const locals = [];
    const centrals = [];
    let offset = 0;
    for (const [name, text] of Object.entries(files)) {
        const data = Buffer.from(text);
        const path = Buffer.from(name);
        const common = Buffer.alloc(26);
        common.writeUInt16LE(20, 0);
        common.writeUInt16LE(0x21, 8); // 1 January 1980
        common.writeUInt32LE(crc32(data), 10);
        common.writeUInt32LE(data.length, 14);
        common.writeUInt32LE(data.length, 18);
        common.writeUInt16LE(path.length, 22);
        const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, path, data]);
        const central = Buffer.alloc(20);
        central.writeUInt16LE(0x31e, 0); // made on Unix
        const tail = Buffer.alloc(14);
        tail.writeUInt32LE((0o100755 << 16) >>> 0, 6);
        tail.writeUInt32LE(offset, 10);
        centrals.push(Buffer.concat([Buffer.from('PK\x01\x02'), central.subarray(0, 2), common, tail, path]));
        locals.push(local);
        offset += local.length;
    }
    const directory = Buffer.concat(centrals);
    const end = Buffer.alloc(22);
    end.write('PK\x05\x06', 0, 'latin1');
    end.writeUInt16LE(centrals.length, 8);
    end.writeUInt16LE(centrals.length, 10);
    end.writeUInt32LE(directory.length, 12);
    end.writeUInt32LE(offset, 16);
    return Buffer.concat([...locals, directory, end]);
}

export const text = (bytes) => Buffer.from(bytes ?? []).toString();
export const json = (bytes) => JSON.parse(text(bytes));

// Our own side of the API, as JSON.
export async function farthing(path, options = {}) {
    const reply = await fetch(`${url}${path}`, {
        ...options,
        headers: { Authorization: `Bearer ${process.env.FARTHING_KEY}`, 'Content-Type': 'application/json' },
    });
    const body = await reply.text();
    assert.ok(reply.ok, `${path}: ${reply.status} ${body}`);
    return body === '' ? null : JSON.parse(body);
}

// Asks until the answer is as wanted; the answer is the signal, the pause only spares the processor.
export async function until(what, ask, fits, tries = 600) {
    let answer;
    for (let i = 0; i < tries; i++) {
        answer = await ask();
        if (fits(answer)) {
            return answer;
        }
        await new Promise((go) => setTimeout(go, 50));
    }
    assert.fail(`${what}: it never came; last seen ${JSON.stringify(answer)}`);
}

export async function refused(promise, name, fits = () => true) {
    try {
        await promise;
    } catch (error) {
        assert.equal(error.name, name, `${error.name}: ${error.message}`);
        assert.ok(fits(error), `${name}, but: ${error.message}`);
        return error;
    }
    return assert.fail(`no ${name}`);
}

const chapters = [];
export const chapter = (name, run) => chapters.push({ name, run });
export async function play() {
    for (const { name, run } of chapters) {
        try {
            await run();
        } catch (error) {
            console.error(`FAILED: ${name}\n${error.stack}`);
            process.exitCode = 1;
            return;
        }
        console.log(`ok ${name}`);
    }
}
