/** The part of node-ipc 14.0.0, which brings no types, that the client uses: its raw profile as a client. */
declare module 'node-ipc' {
  import type { Socket } from 'node:net';

  interface Config {
    parser: 'raw';
    rawBuffer: boolean;
    silent: boolean;
    maxRetries: number;
    stopRetrying: boolean;
  }

  interface Peer {
    readonly socket: Socket;
    on(event: 'connect' | 'disconnect', handler: () => void): void;
    on(event: 'data', handler: (data: Buffer) => void): void;
    on(event: 'error', handler: (error: NodeJS.ErrnoException) => void): void;
  }

  export class IPCModule {
    readonly config: Config;
    readonly of: Record<string, Peer>;
    connectTo(id: string, path: string): void;
    disconnect(id: string): void;
  }
}
