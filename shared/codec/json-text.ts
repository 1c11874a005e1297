import { isUtf8 } from 'node:buffer';

/** What JSON text asks of bytes of UTF-8, and JSONB of keys. */

const HEX = Buffer.from('0123456789abcdef');
/** By control character: the letter behind the backslash; 0 where there is none. */
const LETTERS = new Uint8Array(0x20);
for (const [character, letter] of ['\bb', '\tt', '\nn', '\ff', '\rr']) {
  LETTERS[character!.charCodeAt(0)] = letter!.charCodeAt(0);
}

/** Writes a quotation mark, a backslash or a control character as `JSON.stringify` does. @returns where it ends */
export function writeEscaped(byte: number, into: Uint8Array, from: number): number {
  into[from] = 0x5c;
  const letter = byte < 0x20 ? LETTERS[byte]! : byte;
  if (letter !== 0) {
    into[from + 1] = letter;
    return from + 2;
  }
  into[from + 1] = 0x75;
  into[from + 2] = 0x30;
  into[from + 3] = 0x30;
  into[from + 4] = HEX[byte >> 4]!;
  into[from + 5] = HEX[byte & 0x0f]!;
  return from + 6;
}

/** Whether the bytes are decoded to what they are: they are UTF-8, and no byte order mark is in front. */
export function isProperText(bytes: Uint8Array, start: number, end: number): boolean {
  return isUtf8(bytes.subarray(start, end)) && !(bytes[start] === 0xef && bytes[start + 1] === 0xbb);
}

/** JSONB's order of keys: by length in bytes of UTF-8, then by bytes. Both are ranges of the bytes. */
export function comesBeforeIn(bytes: Uint8Array, a: number, aEnd: number, b: number, bEnd: number): boolean {
  const difference = aEnd - a - (bEnd - b);
  if (difference !== 0) return difference < 0;
  for (let i = a, j = b; i < aEnd; i++, j++) {
    if (bytes[i] !== bytes[j]) return bytes[i]! < bytes[j]!;
  }
  return false;
}
