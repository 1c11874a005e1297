/**
 * MD5 (RFC 1321) of short strings, as the four 32-bit words that ketama makes its points of. Written out here for two
 * reasons: for a key of one block it takes a fraction of what `node:crypto` spends on creating a hash object, and a
 * FIPS build of OpenSSL refuses MD5 altogether. Not for security: only for placing keys as other ketama rings do.
 */

const SHIFTS = Uint8Array.from(
  [
    [7, 12, 17, 22],
    [5, 9, 14, 20],
    [4, 11, 16, 23],
    [6, 10, 15, 21],
  ].flatMap((row) => [...row, ...row, ...row, ...row]),
);
/** RFC 1321, 3.4: the integer part of 2^32 · |sin(i + 1)|. */
const SINES = Int32Array.from({ length: 64 }, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * 2 ** 32) | 0);
/** Which word of the block a step takes. */
const ORDER = Uint8Array.from({ length: 64 }, (_, i) => {
  const step = i % 16;
  if (i < 16) return step;
  if (i < 32) return (5 * step + 1) % 16;
  return i < 48 ? (3 * step + 5) % 16 : (7 * step) % 16;
});

const BLOCK_BYTES = 64;
const LENGTH_BYTES = 8;
const block = new Int32Array(16);
const state = new Int32Array(4);

/**
 * The MD5 digest of a string's UTF-8 bytes.
 * @returns four signed words, each the little-endian reading of four bytes of the digest; the array is used again by
 *   the next call, so read it at once
 */
export function md5Words(text: string): Int32Array {
  state[0] = 0x67452301;
  state[1] = 0xefcdab89 | 0;
  state[2] = 0x98badcfe | 0;
  state[3] = 0x10325476;
  if (!packOneBlock(text)) digestBytes(Buffer.from(text, 'utf8'));
  return state;
}

/** The common case without a Buffer: ASCII text that fits one block together with its padding. */
function packOneBlock(text: string): boolean {
  const length = text.length;
  if (length >= BLOCK_BYTES - LENGTH_BYTES) return false;
  block.fill(0);
  for (let i = 0; i < length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7f) return false;
    block[i >> 2]! |= unit << ((i & 3) << 3);
  }
  block[length >> 2]! |= 0x80 << ((length & 3) << 3);
  block[14] = length << 3;
  mixBlock();
  return true;
}

function digestBytes(bytes: Buffer): void {
  const blocks = Math.ceil((bytes.length + 1 + LENGTH_BYTES) / BLOCK_BYTES);
  const padded = Buffer.alloc(blocks * BLOCK_BYTES);
  bytes.copy(padded);
  padded[bytes.length] = 0x80;
  padded.writeBigUInt64LE(BigInt(bytes.length) * 8n, padded.length - LENGTH_BYTES);
  for (let at = 0; at < padded.length; at += BLOCK_BYTES) {
    for (let word = 0; word < 16; word++) block[word] = padded.readInt32LE(at + word * 4);
    mixBlock();
  }
}

function mixBlock(): void {
  let a = state[0]!;
  let b = state[1]!;
  let c = state[2]!;
  let d = state[3]!;
  for (let i = 0; i < 64; i++) {
    let mixed: number;
    if (i < 16) mixed = (b & c) | (~b & d);
    else if (i < 32) mixed = (d & b) | (~d & c);
    else if (i < 48) mixed = b ^ c ^ d;
    else mixed = c ^ (b | ~d);
    const sum = (a + mixed + SINES[i]! + block[ORDER[i]!]!) | 0;
    const shift = SHIFTS[i]!;
    a = d;
    d = c;
    c = b;
    b = (b + ((sum << shift) | (sum >>> (32 - shift)))) | 0;
  }
  state[0] = (state[0]! + a) | 0;
  state[1] = (state[1]! + b) | 0;
  state[2] = (state[2]! + c) | 0;
  state[3] = (state[3]! + d) | 0;
}
