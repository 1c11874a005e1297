import type { Socket } from 'node:net';
import { IPCModule } from 'node-ipc';

export interface LinkEvents {
  connected(): void;
  received(chunk: Buffer): void;
  /** The last event of a link, whether it was ever connected or not. */
  closed(error: Error | undefined): void;
}

/** One attempt at a connection, and the connection that comes of it. It does not keep the process alive. */
export interface Link {
  /** @returns whether all that was written so far has left, so that its memory may be used again */
  write(bytes: Buffer): boolean;
  /** Sends what is queued, then closes. */
  end(): void;
  destroy(): void;
}

export type OpenLink = (path: string, events: LinkEvents) => Link;

const PEER = 'pgcached';

/** A link over node-ipc's raw profile, which passes bytes on as they come; its retries are off, ours know when to stop. */
export function openLink(path: string, events: LinkEvents): Link {
  const ipc = new IPCModule();
  Object.assign(ipc.config, { parser: 'raw', rawBuffer: true, silent: true, maxRetries: 0, stopRetrying: true });
  ipc.connectTo(PEER, path);
  const peer = ipc.of[PEER]!;
  const socket: Socket = peer.socket;
  socket.unref();
  let cause: Error | undefined;
  peer.on('connect', () => events.connected());
  peer.on('data', (chunk) => events.received(chunk));
  peer.on('error', (error) => {
    cause ??= error;
  });
  peer.on('disconnect', () => events.closed(cause));
  return {
    write: (bytes) => {
      socket.write(bytes);
      return socket.writableLength === 0;
    },
    end: () => socket.end(() => socket.destroy()),
    destroy: () => socket.destroy(),
  };
}
