import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode, encode } from 'msgpackr';
import { Server, type ServerOptions } from '../../daemon/server.js';
import type { TransportLog } from '../../daemon/session-context.js';
import { encodeFrame, FrameReader } from '../../shared/frame.js';
import { LIMIT, OP, PROTOCOL_VERSION } from '../../shared/protocol.js';
import { MapNamespace } from './map-namespace.js';

const folders: string[] = [];
process.once('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A folder that is removed when the process ends. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-'));
  folders.push(folder);
  return folder;
}

export function temporarySocket(): string {
  return join(temporaryFolder(), 'daemon', 's.sock');
}

export interface LogLine {
  readonly level: keyof TransportLog;
  readonly details: object;
  readonly message: string;
}

export interface TestServer {
  readonly path: string;
  readonly server: Server;
  readonly namespaces: Map<string, MapNamespace>;
  readonly main: MapNamespace;
  readonly log: LogLine[];
}

/** A server on a Unix socket of its own, with namespaces on Maps, made on first use. */
export async function startTestServer(
  options: Partial<ServerOptions> = {},
  path = temporarySocket(),
  main = new MapNamespace(),
): Promise<TestServer> {
  const namespaces = new Map<string, MapNamespace>([['default', main]]);
  const log: LogLine[] = [];
  const write = (level: keyof TransportLog) => (details: object, message: string) => {
    log.push({ level, details, message });
  };
  const server = new Server({
    namespaces: (name) => {
      const namespace = namespaces.get(name) ?? new MapNamespace(name);
      namespaces.set(name, namespace);
      return namespace;
    },
    status: () => ({ pid: process.pid }),
    log: { info: write('info'), warn: write('warn'), error: write('error') },
    release: '0.0.0-test',
    start: 'a run',
    ...options,
  });
  await server.listen({ path });
  return { path, server, namespaces, main, log };
}

/** A connection that speaks the protocol by hand: through msgpackr, not through our own writer and reader. */
export class RawClient {
  readonly socket: Socket;
  readonly messages: unknown[][] = [];
  closed = false;
  readonly #frames = new FrameReader(LIMIT.frameBytesMax, (buffer, start, end) => {
    this.messages.push(decode(buffer.subarray(start, end)) as unknown[]);
    this.#wake();
  });
  #wakers: (() => void)[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk) => this.#frames.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
      this.#wake();
    });
  }

  static async connect(path: string): Promise<RawClient> {
    const socket = connectSocket({ path });
    const client = new RawClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return client;
  }

  /** Greeted, and with namespace 0 open. */
  static async ready(path: string): Promise<RawClient> {
    const client = await RawClient.connect(path);
    client.send([1, OP.hello, PROTOCOL_VERSION, 'raw'], [2, OP.open, 'default']);
    await client.until(() => client.messages.length >= 2);
    client.messages.length = 0;
    return client;
  }

  send(...messages: unknown[][]): void {
    this.socket.write(Buffer.concat(messages.map((message) => encodeFrame(encode(message)))));
  }

  /** Waits until it is true, or fails after a generous time. */
  async until(condition: () => boolean): Promise<void> {
    const deadline = performance.now() + 10_000;
    while (!condition()) {
      if (performance.now() > deadline) throw new Error(`waited in vain; got ${JSON.stringify(this.messages)}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 100);
        this.#wakers.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
  }

  close(): void {
    this.socket.destroy();
  }

  #wake(): void {
    for (const wake of this.#wakers.splice(0)) wake();
  }
}
