/** The part of node-ipc 14.0.0, which brings no types, that the daemon uses: its raw profile as a server. */
declare module 'node-ipc' {
  import type { Server, Socket } from 'node:net';

  interface Config {
    parser: 'raw';
    rawBuffer: boolean;
    silent: boolean;
    unlink: boolean;
    socketRoot: string;
    secureSocketRoot: boolean;
    maxConnections: number;
    maxPendingBytes: number;
  }

  interface SocketServer {
    server: Server | false;
    on(event: 'start', handler: () => void): void;
    on(event: 'connect', handler: (socket: Socket) => void): void;
    on(event: 'data', handler: (data: Buffer, socket: Socket) => void): void;
    on(event: 'close', handler: (socket: Socket) => void): void;
    on(event: 'error', handler: (error: NodeJS.ErrnoException) => void): void;
    start(): void;
    addSocket(socket: Socket): void;
  }

  export class IPCModule {
    readonly config: Config;
    readonly server: SocketServer;
    serve(path: string): void;
  }
}
