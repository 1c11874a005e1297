/** A process of the bench: `node echo-server.js <socket>`. Answers each request with as many bytes as it asks for. */
import { createServer } from 'node:net';
import { ECHO_HEADER_BYTES } from './echo-protocol.js';

const REPLIES = Buffer.alloc(1024 * 1024, 'e');

const server = createServer((socket) => {
  let rest: Buffer = Buffer.alloc(0);
  socket.on('error', () => {});
  socket.on('data', (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    let replyBytes = 0;
    while (bytes.length - at >= ECHO_HEADER_BYTES && bytes.length - at >= bytes.readUInt32LE(at)) {
      replyBytes += bytes.readUInt32LE(at + 4);
      at += bytes.readUInt32LE(at);
    }
    rest = bytes.subarray(at);
    for (; replyBytes > 0; replyBytes -= REPLIES.length) socket.write(REPLIES.subarray(0, replyBytes));
  });
});
server.listen(process.argv[2], () => process.stdout.write('ready\n'));
process.stdin.on('end', () => process.exit()).resume();
