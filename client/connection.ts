import { backoffMs } from '../shared/backoff.js';
import type { Clock } from '../shared/clock.js';
import { CacheError } from '../shared/errors.js';
import { FrameReader } from '../shared/frame.js';
import { DEFAULT_NAMESPACE, LIMIT, PROTOCOL_VERSION, STATUS } from '../shared/protocol.js';
import { readError } from '../shared/wire-error.js';
import { WireReader } from '../shared/wire-reader.js';
import { WireWriter } from '../shared/wire-writer.js';
import { Call, type CallOwner } from './call.js';
import { illegible, loadError, whyAway } from './failures.js';
import type { Link, OpenLink } from './link.js';
import { HELLO, OPEN } from './ops.js';
import { PendingCalls } from './pending.js';
import { readPush } from './push.js';
import type { Subscriber } from './subscriber.js';
import { Ticker } from './ticker.js';

export interface ConnectionOptions {
  readonly path: string;
  readonly release: string;
  readonly openLink: OpenLink;
  readonly random: () => number;
  readonly clock: Clock;
}

/** Waits between attempts to reach a daemon that is away. */
export const RECONNECT = { firstMs: 50, maxMs: 5000 };

/** How long the daemon may take to answer the greeting. */
const HELLO_TIMEOUT_MS = 5000;

/**
 * The one connection of a process to a socket.
 *
 *     connecting ── hello answered ──▶ ready ── lost ──▶ away ── hello answered ──▶ ready
 *         └── failed ──▶ away (tries again, with back-off)          close() ──▶ closed, from any
 *
 * What one turn of the loop asks goes out in one write, or in several where it is much. A loss fails every call that
 * waits, with one reason: a write that was sent may have taken effect, all else has not.
 */
export class Connection {
  state: 'connecting' | 'ready' | 'away' | 'closed' = 'connecting';
  /** Counts the losses: what belongs to an earlier epoch, such as a lease, means nothing to the daemon any more. */
  epoch = 0;
  /** Why the daemon is away. */
  reason: CacheError | undefined;
  readonly options: ConnectionOptions;
  readonly #subscribers = new Set<Subscriber>();
  readonly #pending = new PendingCalls();
  readonly #ticker: Ticker;
  readonly #requests = new WireWriter();
  readonly #reply = new WireReader();
  /** One a link: what an earlier link left half-read is not its business. */
  #frames: FrameReader;
  #link: Link | undefined;
  #attempt = 0;
  #callOffRetry: (() => void) | undefined;
  #batch = 0;
  #flushScheduled = false;
  #heardTick = 0;
  #goodbye: CacheError | undefined;
  #onClosed: (() => void) | undefined;

  constructor(options: ConnectionOptions) {
    this.options = options;
    this.#ticker = new Ticker((tick) => this.#expire(tick));
    this.#frames = this.#newFrames();
    this.#open();
  }

  get path(): string {
    return this.options.path;
  }

  subscribe(subscriber: Subscriber): void {
    this.#subscribers.add(subscriber);
    if (this.state === 'ready') subscriber.connected();
  }

  unsubscribe(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
  }

  /** From now on the call has its deadline and keeps the process alive (unless nobody asked for it). */
  admit(call: Call): boolean {
    if (this.#pending.size >= LIMIT.pendingPerConnectionMax) {
      call.reject(new CacheError('ERR_OVERLOADED', `${this.#pending.size} calls wait for their answer`));
      return false;
    }
    this.#pending.add(call);
    call.deadlineTick = this.#ticker.after(call.timeoutMs);
    if (call.owner !== undefined) this.#ticker.hold();
    return true;
  }

  /** Encodes an admitted call into what this turn sends. */
  transmit(call: Call, ns: number): void {
    const { op } = call;
    try {
      op.encode(this.#requests.begin(2 + op.fields, call.id).uint(op.code), ns, call.args);
      this.#requests.end();
    } catch (error) {
      this.#requests.abort();
      this.settle(call)?.reject(error);
      return;
    }
    call.batch = this.#batch;
    if (op.patient === true) call.deadlineTick = this.#ticker.after(call.timeoutMs / 2);
    // Writes to a table are answered together, a statement for all that came together: they wait for each other.
    const isGathered = op.writes && call.owner?.place !== undefined;
    if (isGathered ? this.#requests.isLong : this.#requests.isDue) {
      this.flush();
      return;
    }
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    process.nextTick(flush, this);
  }

  /** Takes the call out of those that wait; undefined if it was settled already. */
  settle(call: Call): Call | undefined {
    const found = this.#pending.take(call.id);
    if (found !== undefined && found.owner !== undefined) this.#ticker.release();
    return found;
  }

  waits(call: Call): boolean {
    return this.#pending.has(call);
  }

  /** Fails what the owner still waits for. */
  cancel(owner: CallOwner, error: CacheError): void {
    for (const call of this.#pending.filter((candidate) => candidate.owner === owner)) this.settle(call)?.reject(error);
  }

  /** Sends what was asked, closes, and does not come back. */
  async close(): Promise<void> {
    if (this.state === 'closed') return;
    this.flush();
    const wasReady = this.state === 'ready';
    this.state = 'closed';
    this.#callOffRetry?.();
    this.#failAll(new CacheError('ERR_CLOSED', 'the client was closed'));
    this.#ticker.rest();
    if (this.#link === undefined) return;
    const closed = new Promise<void>((resolve) => {
      this.#onClosed = resolve;
    });
    if (wasReady) this.#link.end();
    else this.#link.destroy();
    await closed;
  }

  flush(): void {
    this.#flushScheduled = false;
    if (this.#link === undefined || this.#requests.bytes === 0) return;
    this.#batch++;
    if (this.#link.write(this.#requests.take())) this.#requests.sent();
  }

  #newFrames(): FrameReader {
    return new FrameReader(LIMIT.frameBytesMax, this.#receive.bind(this));
  }

  #open(): void {
    this.#goodbye = undefined;
    this.#frames = this.#newFrames();
    const link = this.options.openLink(this.options.path, {
      connected: () => this.#greet(link),
      received: (chunk) => {
        if (link === this.#link) this.#received(chunk);
      },
      closed: (error) => {
        if (link === this.#link) this.#lost(error);
        if (this.state === 'closed') this.#onClosed?.();
      },
    });
    this.#link = link;
  }

  #greet(link: Link): void {
    if (link !== this.#link || this.state === 'closed') return;
    const call = new Call(
      HELLO,
      [PROTOCOL_VERSION, this.options.release],
      HELLO_TIMEOUT_MS,
      undefined,
      () => this.#ready(),
      (error) => this.#lost(error as Error),
    );
    if (this.admit(call)) this.transmit(call, 0);
    this.flush();
  }

  #ready(): void {
    this.state = 'ready';
    this.reason = undefined;
    this.#attempt = 0;
    for (const subscriber of this.#subscribers) subscriber.connected();
  }

  #received(chunk: Buffer): void {
    this.#heardTick = this.#ticker.tick;
    try {
      this.#frames.push(chunk);
    } catch (error) {
      this.#lost(error as Error);
    }
  }

  #receive(buffer: Buffer, start: number, end: number): void {
    if (this.#link === undefined) return;
    const reply = this.#reply.open(buffer, start, end);
    const id = reply.uint('id');
    if (id === 0) {
      const push = readPush(reply);
      if (push.kind === 'goodbye') this.#goodbye = push.error;
      for (const subscriber of this.#subscribers) subscriber.pushed?.(push);
      return;
    }
    const status = reply.uint('status');
    const call = this.#pending.take(id);
    // A call that timed out or was cancelled is answered all the same.
    if (call === undefined) return;
    if (call.owner !== undefined) this.#ticker.release();
    try {
      if (status === STATUS.error) {
        const error = readError(reply);
        const packed = reply.binOrNil('error value');
        call.reject(packed === undefined ? error : loadError(packed));
      } else {
        const result = call.op.decode(reply, status, this.epoch, call.args);
        reply.close();
        call.resolve(result);
      }
    } catch (error) {
      const isIllegible = error instanceof CacheError && error.code === 'ERR_PROTOCOL';
      call.reject(isIllegible ? illegible(this.path, call.op.writes, error) : error);
      if (isIllegible) throw error;
    }
  }

  #lost(cause: Error | undefined): void {
    const link = this.#link;
    if (link === undefined || this.state === 'closed') return;
    this.#link = undefined;
    link.destroy();
    this.#requests.take();
    this.state = 'away';
    const why = this.#goodbye ?? cause;
    this.reason = new CacheError('ERR_UNAVAILABLE', `no connection to ${this.path}: ${whyAway(why)}`, why);
    const reason = this.reason;
    this.#failAll(reason);
    this.epoch++;
    this.#batch++;
    for (const subscriber of this.#subscribers) subscriber.lost(this.#goodbye ?? reason);
    const waitMs = backoffMs(RECONNECT, this.#attempt++, this.options.random);
    this.#callOffRetry = this.options.clock.after(waitMs, () => this.#open());
  }

  #failAll(reason: CacheError): void {
    for (const call of this.#pending.filter(() => true)) {
      const unknown = reason.code !== 'ERR_CLOSED' && this.#maybeDone(call);
      this.settle(call)?.reject(unknown ? new CacheError('ERR_UNKNOWN_OUTCOME', reason.message, reason) : reason);
    }
  }

  #maybeDone(call: Call): boolean {
    return call.op.writes && call.batch !== undefined && call.batch < this.#batch;
  }

  #expire(tick: number): void {
    for (const call of this.#pending.filter((candidate) => candidate.deadlineTick <= tick)) {
      if (call.op.patient === true && call.batch !== undefined && this.#givesMoreTime(call, tick)) continue;
      const late = new CacheError('ERR_TIMEOUT', `no answer from ${this.path} within ${call.timeoutMs} ms`);
      const unknown = this.#maybeDone(call);
      this.settle(call)?.reject(unknown ? new CacheError('ERR_UNKNOWN_OUTCOME', late.message, late) : late);
    }
    if (this.#pending.size === 0) this.#ticker.rest();
  }

  /** Half of its time passed: the daemon is asked whether it is there, and has the other half to say anything at all. */
  #givesMoreTime(call: Call, tick: number): boolean {
    if (call.askedTick > 0 && this.#heardTick < call.askedTick) return false;
    call.askedTick = tick;
    call.deadlineTick = this.#ticker.after(call.timeoutMs / 2);
    const ping = new Call(OPEN, [call.owner?.namespace ?? DEFAULT_NAMESPACE], call.timeoutMs, undefined, noop, noop);
    if (this.admit(ping)) this.transmit(ping, 0);
    return true;
  }
}

function noop(): void {}

function flush(connection: Connection): void {
  connection.flush();
}
