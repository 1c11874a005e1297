import { createHash } from 'node:crypto';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { md5Words } from '../../shared/md5.js';

function hex(text: string): string {
  const bytes = Buffer.alloc(16);
  md5Words(text).forEach((word, i) => {
    bytes.writeInt32LE(word, i * 4);
  });
  return bytes.toString('hex');
}

/** The test suite of RFC 1321, appendix A.5. */
const RFC_1321 = [
  ['', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['a', '0cc175b9c0f1b6a831c399e269772661'],
  ['abc', '900150983cd24fb0d6963f7d28e17f72'],
  ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
  ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'd174ab98d277d9f5a5611c2c9f419d9f'],
  ['1234567890'.repeat(8), '57edf4a22be3c955ac49da2e2107b67a'],
] as const;

test('gives the digests of RFC 1321', () => {
  for (const [text, digest] of RFC_1321) assert.is(hex(text), digest, text);
});

test('agrees with node:crypto at every length around a block, in ASCII and beyond', () => {
  for (let length = 0; length <= 200; length++) {
    for (const unit of ['k', 'é', '漢', '😀']) {
      const text = unit.repeat(length);
      assert.is(hex(text), createHash('md5').update(text, 'utf8').digest('hex'), `${length} × ${unit}`);
    }
  }
});

test.run();
