import { createServer, type Server as NetServer, type Socket } from 'node:net';
import { dirname, sep } from 'node:path';
import { IPCModule } from 'node-ipc';
import { CacheError } from '../shared/errors.js';
import { LIMIT } from '../shared/protocol.js';
import { Slabs } from '../shared/slabs.js';
import type { Opening } from './placement.js';
import { Session } from './session.js';
import type { Limits, SessionContext } from './session-context.js';
import {
  bindPrivately,
  checkSocketPath,
  lockSocketPath,
  makeSocketFolder,
  removeStaleSocket,
  type SocketAccess,
} from './socket-path.js';

/** A socket to make at a path, or one to inherit (socket activation). */
export type ListenOptions = ({ readonly path: string } & SocketAccess) | { readonly fd: number };

export interface ServerOptions extends Omit<SessionContext, 'limits' | 'slabs'> {
  /** Limits other than those of the protocol, smaller ones in the first place. */
  readonly limits?: Partial<Limits>;
}

/** Connections accepted beyond the limit, each only to be told so. */
const REFUSED_AT_ONCE_MAX = 64;

/**
 * The daemon's end of the socket: accepts connections, gives each a session, and sees to it that there is one owner.
 * The transport is node-ipc's raw profile, which passes bytes on as they come; framing and all limits are ours.
 */
export class Server {
  readonly #context: SessionContext;
  readonly #sessions = new Map<Socket, Session>();
  readonly #ipc = new IPCModule();
  #net: NetServer | undefined;
  #lock: NetServer | undefined;
  #count = 0;
  #idle: (() => void) | undefined;

  constructor(options: ServerOptions) {
    const { limits, ...context } = options;
    this.#context = { ...context, limits: { ...LIMIT, ...limits }, slabs: new Slabs() };
  }

  /** Connections that are open now. */
  get connections(): number {
    return this.#sessions.size;
  }

  /** What each connection has open. */
  openings(): Iterable<Opening> {
    return this.#sessions.values();
  }

  /**
   * Starts to accept connections.
   * @throws CacheError ERR_ALREADY_RUNNING if another daemon serves the path, ERR_SOCKET for whatever else is wrong with
   * it; what is not a stale socket is never removed
   */
  async listen(options: ListenOptions): Promise<void> {
    if (this.#net !== undefined) throw new CacheError('ERR_SOCKET', 'this server listens already');
    if ('fd' in options) {
      this.#configure(`${sep}proc${sep}self`);
      await this.#listenOn(options.fd);
      return;
    }
    checkSocketPath(options.path);
    makeSocketFolder(options.path, options);
    this.#lock = await lockSocketPath(options.path);
    try {
      await removeStaleSocket(options.path);
      this.#configure(options.path);
      await this.#bind(options.path, options);
    } catch (error) {
      this.#lock.close();
      this.#lock = undefined;
      if (error instanceof CacheError) throw error;
      throw new CacheError('ERR_SOCKET', `cannot listen on ${options.path}: ${(error as Error).message}`, error);
    }
  }

  /**
   * Stops accepting, answers what is pending, then closes every connection with a goodbye.
   * @param timeoutMs what is not answered by then is cut off
   */
  async drain(timeoutMs: number): Promise<void> {
    // Closing removes the socket file at once; connections go on.
    this.#net?.close();
    for (const session of this.#sessions.values()) session.drain();
    if (this.#sessions.size > 0) {
      const timer = setTimeout(() => this.#destroyAll(), timeoutMs);
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
      clearTimeout(timer);
    }
    this.#unlock();
  }

  /** Tells every near tier until when it may answer. */
  tellFresh(): void {
    for (const session of this.#sessions.values()) session.tellFresh();
  }

  /** Stops at once. What is pending is not answered. */
  async close(): Promise<void> {
    await this.drain(0);
  }

  #configure(path: string): void {
    Object.assign(this.#ipc.config, {
      parser: 'raw',
      rawBuffer: true,
      silent: true,
      unlink: false,
      // Left alone by us: node-ipc makes this folder and nothing else in it, and it is there already.
      socketRoot: dirname(path) + sep,
      secureSocketRoot: false,
      maxConnections: this.#context.limits.connectionsMax + REFUSED_AT_ONCE_MAX,
    });
    this.#ipc.serve(path);
    const server = this.#ipc.server;
    server.on('connect', (socket) => this.#accept(socket));
    server.on('data', (chunk, socket) => this.#sessions.get(socket)?.receive(chunk));
    server.on('close', (socket) => this.#closed(socket));
    // An error of a connection is followed by its close; one of the server itself is seen where it listens.
    server.on('error', (error) => this.#context.log.info({ reason: error.message }, 'a socket failed'));
  }

  async #bind(path: string, access: SocketAccess): Promise<void> {
    const server = this.#ipc.server;
    await new Promise<void>((resolve, reject) => {
      server.on('start', resolve);
      server.on('error', reject);
      try {
        bindPrivately(path, access, () => {
          server.start();
          return server.server !== false && server.server.listening;
        });
      } catch (error) {
        if (server.server) server.server.close();
        reject(error);
      }
    });
    this.#net = server.server || undefined;
  }

  /** node-ipc cannot listen on what is inherited: the connections of our own net server are handed to it. */
  async #listenOn(fd: number): Promise<void> {
    const net = createServer((socket) => this.#ipc.server.addSocket(socket));
    net.maxConnections = this.#ipc.config.maxConnections;
    await new Promise<void>((resolve, reject) => {
      net.once('error', (error) => {
        reject(
          new CacheError('ERR_SOCKET', `cannot listen on the inherited descriptor ${fd}: ${error.message}`, error),
        );
      });
      net.listen({ fd }, resolve);
    });
    this.#ipc.server.server = net;
    this.#net = net;
  }

  #accept(socket: Socket): void {
    const session = new Session(`session-${++this.#count}`, socket, this.#context);
    this.#sessions.set(socket, session);
    const limit = this.#context.limits.connectionsMax;
    if (this.#sessions.size > limit) {
      this.#context.log.warn({ limit }, 'a connection was refused: there are too many');
      session.goodbye(new CacheError('ERR_OVERLOADED', `the daemon has ${limit} connections`));
    }
  }

  #closed(socket: Socket): void {
    this.#sessions.get(socket)?.close();
    this.#sessions.delete(socket);
    if (this.#sessions.size === 0) this.#idle?.();
  }

  #destroyAll(): void {
    for (const [socket, session] of this.#sessions) {
      session.close();
      socket.destroy();
    }
  }

  #unlock(): void {
    this.#net = undefined;
    this.#lock?.close();
    this.#lock = undefined;
  }
}
