// A zip of one file, and bytes as base64: what a function's package is over REST.

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

function crc32(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 0xff] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

// Little-endian fields: [size, value]...
function fields(...list) {
  const out = new Uint8Array(list.reduce((sum, [size]) => sum + size, 0));
  let at = 0;
  for (const [size, value] of list) for (let i = 0; i < size; i++) out[at++] = Math.floor(value / 256 ** i) % 256;
  return out;
}

function joined(...parts) {
  const out = new Uint8Array(parts.reduce((sum, p) => sum + p.length, 0));
  let at = 0;
  for (const p of parts) { out.set(p, at); at += p.length; }
  return out;
}

// Stored, not compressed, and without a date: the same text makes the same package.
export function zipOf(fileName, text) {
  const name = new TextEncoder().encode(fileName), data = new TextEncoder().encode(text);
  const common = [[2, 20], [2, 0x800], [2, 0], [2, 0], [2, 0x21], [4, crc32(data)], [4, data.length], [4, data.length], [2, name.length], [2, 0]];
  const local = joined(fields([4, 0x04034b50], ...common), name, data);
  const central = joined(fields([4, 0x02014b50], [2, 0x0314], ...common, [2, 0], [2, 0], [2, 0], [4, 0o100644 * 65536], [4, 0]), name);
  return joined(local, central, fields([4, 0x06054b50], [2, 0], [2, 0], [2, 1], [2, 1], [4, central.length], [4, local.length], [2, 0]));
}

export function base64(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  return btoa(text);
}
