import { test } from 'uvu';
import { assertSame } from '../support/same.js';

// msgpackr decodes strings with a native part where one is installed, and in JavaScript where not, with other faults.
// The variable is read when msgpackr is loaded.
process.env.MSGPACKR_NATIVE_ACCELERATION_DISABLED = 'true';
const { isNativeAccelerationEnabled } = await import('msgpackr');
const { pack, unpack } = await import('../../shared/codec.js');

test('strings come back the same without the native part of msgpackr', () => {
  assertSame(isNativeAccelerationEnabled, false);
  const marks = ['', '\0', '\ufeff', 'é', '漢', '🙂', '\ud800', '\ufffd'];
  for (const length of [0, 1, 15, 16, 31, 32, 63, 64, 65, 255, 256, 5000, 70_000]) {
    const texts = marks.flatMap((mark) => [mark + 'x'.repeat(length), mark.repeat(length), 'x'.repeat(length) + mark]);
    for (const text of texts) assertSame(unpack(pack(text)), text);
    assertSame(unpack(pack({ texts })), { texts });
  }
});

test.run();
