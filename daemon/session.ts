import type { Socket } from 'node:net';
import { CacheError } from '../shared/errors.js';
import { FrameReader } from '../shared/frame.js';
import { OP, PUSH, STATUS } from '../shared/protocol.js';
import { writeError } from '../shared/wire-error.js';
import { WireReader } from '../shared/wire-reader.js';
import { WireWriter } from '../shared/wire-writer.js';
import type { Awaitable, Bytes, Holder, Namespace } from './namespace.js';
import { HANDLER_BY_CODE, OP_NAME_BY_CODE } from './ops/index.js';
import type { SessionContext } from './session-context.js';
import { SessionNear } from './session-near.js';

export type WriteReply<T> = (writer: WireWriter, id: number, result: T) => void;

/** How long a closing connection may take to read its goodbye. */
const GOODBYE_MS = 1000;

/**
 * The daemon's side of one connection: frames in, handlers, replies out.
 *
 *     new ── hello ──▶ greeted ── drain() ──▶ draining ── nothing pending ──▶ closed
 *      └───────── error of protocol, cut off, or closed by the client ──────────▶ closed
 *
 * While more than `unreadBytesPause` bytes wait to be read by the client, its further requests are not handled; a hit
 * costs it a few bytes and us a value, so that one who asks faster than it reads would otherwise fill our memory.
 */
export class Session implements Holder {
  readonly name: string;
  readonly context: SessionContext;
  readonly opened: Namespace[] = [];
  /** The near tiers at the other end. */
  readonly near = new SessionNear(() => this.#lost());
  greeted = false;
  readonly #socket: Socket;
  readonly #frames: FrameReader;
  readonly #request = new WireReader();
  readonly #replies: WireWriter;
  #pending = 0;
  #receiving = false;
  #flushScheduled = false;
  /** Near tiers have lost what they have not been told of. */
  #dropsWait = false;
  #draining = false;
  #closed = false;
  #stallTimer: NodeJS.Timeout | undefined;

  constructor(name: string, socket: Socket, context: SessionContext) {
    this.name = name;
    this.context = context;
    this.#socket = socket;
    this.#replies = new WireWriter(context.slabs);
    this.#frames = new FrameReader(context.limits.frameBytesMax, this.#handle.bind(this));
    socket.on('drain', () => this.#drained());
  }

  receive(chunk: Buffer): void {
    if (this.#closed) return;
    this.#guarded(() => this.#frames.push(chunk));
  }

  /** @throws CacheError ERR_PROTOCOL for a number that `open` did not give */
  namespace(number: number): Namespace {
    const namespace = this.opened[number];
    if (namespace === undefined)
      throw new CacheError('ERR_PROTOCOL', `ns: ${number} was not opened on this connection`);
    return namespace;
  }

  /** Replies with the result, now if it is here, else when it comes. */
  answer<T>(id: number, result: Awaitable<T>, write: WriteReply<T>): void {
    if (!(result instanceof Promise)) {
      this.#reply(id, result, write);
      return;
    }
    this.#pending++;
    result.then(
      (value) => this.#settled(() => this.#reply(id, value, write)),
      (error: unknown) => this.#settled(() => this.fail(id, error)),
    );
  }

  /** Replies with an error; one that is no CacheError is a fault of ours, logged and reported as such. */
  fail(id: number, error: unknown, value?: Bytes): void {
    let known: CacheError;
    if (error instanceof CacheError) {
      known = error;
    } else {
      this.context.log.error({ session: this.name, err: error }, 'an operation failed unexpectedly');
      known = new CacheError('ERR_INTERNAL', 'the operation failed unexpectedly; the log of the daemon says more');
    }
    this.#writeDrops();
    writeError(this.#replies.begin(5, id).uint(STATUS.error), known);
    if (value === undefined) this.#replies.nil();
    else this.#replies.bin(value);
    this.#replies.end();
    this.#written();
  }

  /** Says why, and closes. What was written before still goes out. */
  goodbye(error: CacheError): void {
    if (this.#closed) return;
    writeError(this.#replies.begin(4, 0).uint(PUSH.goodbye), error).end();
    this.#flush();
    this.close();
    this.#socket.end(() => this.#socket.destroy());
    setTimeout(() => this.#socket.destroy(), GOODBYE_MS).unref();
  }

  /** Near tiers may go on for longer than they were told. */
  tellFresh(): void {
    if (this.#closed) return;
    this.#writeDrops();
    if (this.near.writeFresh(this.#replies)) this.#written();
  }

  /** Refuses further requests, and says goodbye as soon as nothing is pending. */
  drain(): void {
    this.#draining = true;
    this.#endIfDrained();
  }

  /** The connection is gone, or is to be: frees what the session holds. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#stallTimer);
    this.#frames.reset();
    this.#release();
  }

  #handle(buffer: Buffer, start: number, end: number): void {
    if (this.#closed) return;
    const request = this.#request.open(buffer, start, end);
    const id = request.uint('id');
    const op = request.uint('op');
    const handler = HANDLER_BY_CODE[op];
    if (id === 0) throw new CacheError('ERR_PROTOCOL', 'id: 0 is kept for pushes');
    if (handler === undefined) throw new CacheError('ERR_PROTOCOL', `op: ${op} is not an operation`);
    if (!this.greeted && op !== OP.hello) {
      throw new CacheError('ERR_PROTOCOL', `op: ${OP_NAME_BY_CODE[op]} before hello`);
    }
    const refusal = this.#refusal(op);
    if (refusal !== undefined) {
      this.fail(id, refusal);
      return;
    }
    try {
      handler(this, id, request);
    } catch (error) {
      if (error instanceof CacheError && error.code === 'ERR_PROTOCOL') throw error;
      this.fail(id, error);
    }
  }

  /** A load that is out may always end, whatever else is refused: others wait for it. */
  #refusal(op: number): CacheError | undefined {
    if (op === OP.fill || op === OP.abandon) return undefined;
    if (this.#draining) return new CacheError('ERR_UNAVAILABLE', 'the daemon is shutting down');
    const limit = this.context.limits.pendingPerConnectionMax;
    if (this.#pending < limit) return undefined;
    return new CacheError('ERR_OVERLOADED', `${limit} requests of this connection wait for their reply`);
  }

  #reply<T>(id: number, result: T, write: WriteReply<T>): void {
    this.#writeDrops();
    try {
      write(this.#replies, id, result);
    } catch (error) {
      this.#replies.abort();
      this.fail(id, error);
      return;
    }
    this.#written();
  }

  #settled(reply: () => void): void {
    this.#pending--;
    if (this.#closed) {
      // A load that was granted after the session closed was not among what close() released.
      this.#release();
      return;
    }
    reply();
    this.#endIfDrained();
  }

  /** After each message: sees to the flush and to the limits on what the client has not read. */
  #written(): void {
    const unread = this.#socket.writableLength + this.#replies.bytes;
    if (unread > this.context.limits.unreadBytesMax) {
      this.#cutOff(`${unread} bytes wait to be read`);
      return;
    }
    if (unread > this.context.limits.unreadBytesPause && this.#stallTimer === undefined) this.#pause();
    // What waited for one statement is told together: those who are told together ask together, and share the next one.
    if (this.#receiving ? this.#replies.isDue : this.#replies.isLong) this.#flush();
    else this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#receiving || this.#flushScheduled) return;
    this.#flushScheduled = true;
    // Replies that are settled in one turn are settled in its microtasks: the next tick comes after all of them.
    process.nextTick(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    this.#writeDrops();
    if (this.#replies.bytes === 0 || !this.#socket.writable) return;
    this.#socket.write(this.#replies.take());
    // What the kernel took at once is nobody's any more.
    if (this.#socket.writableLength === 0) this.#replies.sent();
  }

  /** What is lost within one turn is told in one message, but before the next reply: that may bring the key again. */
  #lost(): void {
    this.#dropsWait = true;
    this.#flushSoon();
  }

  #writeDrops(): void {
    if (!this.#dropsWait) return;
    this.#dropsWait = false;
    this.near.writeDrops(this.#replies);
  }

  #pause(): void {
    this.#frames.pause();
    this.#socket.pause();
    const limitMs = this.context.limits.unreadMsMax;
    this.#stallTimer = setTimeout(() => this.#cutOff(`what was queued was not read within ${limitMs} ms`), limitMs);
    this.#stallTimer.unref();
  }

  #drained(): void {
    if (this.#socket.writableLength === 0) this.#replies.sent();
    if (this.#stallTimer === undefined || this.#closed) return;
    clearTimeout(this.#stallTimer);
    this.#stallTimer = undefined;
    this.#guarded(() => this.#frames.resume());
    if (this.#stallTimer === undefined) this.#socket.resume();
  }

  #guarded(receive: () => void): void {
    this.#receiving = true;
    try {
      receive();
    } catch (error) {
      this.#refuse(error);
    } finally {
      this.#receiving = false;
    }
    this.#flush();
  }

  #refuse(error: unknown): void {
    if (error instanceof CacheError) {
      this.context.log.warn({ session: this.name, code: error.code, reason: error.message }, 'closing a connection');
      this.goodbye(error);
      return;
    }
    this.context.log.error({ session: this.name, err: error }, 'closing a connection after an unexpected error');
    this.goodbye(new CacheError('ERR_INTERNAL', 'the connection failed unexpectedly; the log of the daemon says more'));
  }

  #cutOff(reason: string): void {
    this.context.log.warn({ session: this.name, reason }, 'cutting off a client that does not read');
    this.close();
    this.#socket.destroy();
  }

  #endIfDrained(): void {
    if (this.#draining && this.#pending === 0) {
      this.goodbye(new CacheError('ERR_UNAVAILABLE', 'the daemon is shutting down'));
    }
  }

  #release(): void {
    this.near.close();
    for (const namespace of this.opened) namespace.release(this);
  }
}
