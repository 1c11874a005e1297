import { createServer, type Server, type Socket } from 'node:net';
import { decode, encode } from 'msgpackr';
import { encodeFrame, FrameReader } from '../../shared/frame.js';
import { LIMIT, OP, PROTOCOL_VERSION, STATUS } from '../../shared/protocol.js';
import { temporaryFolder } from './transport.js';

/** Answers a request with messages, or with raw bytes, or not at all. */
export type Script = (request: unknown[], socket: Socket) => unknown[][] | Buffer | undefined;

/** Something at the other end of the socket that does not behave like a daemon, except where it is told to. */
export async function startFakeDaemon(script: Script): Promise<{ path: string; server: Server; chunks: Buffer[] }> {
  const path = `${temporaryFolder()}/fake.sock`;
  const chunks: Buffer[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    const reader = new FrameReader(LIMIT.frameBytesMax, (buffer, start, end) => {
      const answer = script(decode(buffer.subarray(start, end)) as unknown[], socket);
      if (answer === undefined) return;
      socket.write(Buffer.isBuffer(answer) ? answer : Buffer.concat(answer.map((one) => encodeFrame(encode(one)))));
    });
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      reader.push(chunk);
    });
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('close', () => {});
  const close = server.close.bind(server);
  server.close = (done) => {
    for (const socket of sockets) socket.destroy();
    return close(done);
  };
  await new Promise<void>((resolve) => server.listen(path, resolve));
  return { path, server, chunks };
}

/** As a daemon would greet, and open namespaces. */
export function greet([id, op]: unknown[]): unknown[][] | undefined {
  if (op === OP.hello) return [[id, STATUS.ok, PROTOCOL_VERSION, '0.0.0-fake', 'run']];
  if (op === OP.open) return [[id, STATUS.ok, 0, 8 * 1024 * 1024, null]];
  return undefined;
}
