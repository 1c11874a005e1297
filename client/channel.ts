import { CacheError, problemOf } from '../shared/errors.js';
import { LIMIT } from '../shared/protocol.js';
import { Call, type CallOwner, type ClientOp } from './call.js';
import type { Connection } from './connection.js';
import { whyAway } from './failures.js';
import { OPEN, type Opened } from './ops.js';
import type { Subscriber } from './subscriber.js';

interface ReadyWaiter {
  readonly resolve: () => void;
  readonly reject: (error: CacheError) => void;
  readonly timer: NodeJS.Timeout;
}

/**
 * A client's use of the connection for one namespace: opens it each time the connection is made, and has calls wait for
 * that; but while the daemon is known to be away a call fails at once, so that nobody waits for what is not there.
 */
export class Channel implements Subscriber, CallOwner {
  readonly namespace: string;
  /** Until the daemon has said: what no namespace exceeds. */
  maxValueBytes: number = LIMIT.valueBytesMax;
  /** How SQL calls the function that invalidates in this namespace; undefined where there is none. */
  invalidateFunction: string | undefined;
  /** The database whose log tells of the namespace; undefined where none does, or (see `isPlaced`) it was never told. */
  place: string | undefined;
  isPlaced = false;
  readonly #connection: Connection;
  readonly #timeoutMs: number;
  readonly #onOpen: () => void;
  readonly #onRefused: () => void;
  #number: number | undefined;
  #opening = false;
  #closed = false;
  /** Why the namespace could not be opened on this connection. */
  #lastRefusal: CacheError | undefined;
  #waiting: Call[] = [];
  #readyWaiters = new Set<ReadyWaiter>();

  /**
   * @param timeoutMs the deadline of every call
   * @param onOpen may make calls, which go out before all that waited
   * @param onRefused the namespace could not be opened: the next call asks again, or `connected()`
   */
  constructor(
    connection: Connection,
    namespace: string,
    timeoutMs: number,
    onOpen: () => void,
    onRefused: () => void = () => {},
  ) {
    this.#connection = connection;
    this.namespace = namespace;
    this.#timeoutMs = timeoutMs;
    this.#onOpen = onOpen;
    this.#onRefused = onRefused;
    connection.subscribe(this);
  }

  /** What the daemon calls the namespace on this connection; undefined while it is not open. */
  get number(): number | undefined {
    return this.#number;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** @param epoch where given, the call is for the connection of that epoch only */
  call<A extends readonly unknown[], R>(op: ClientOp<A, R>, args: A, epoch?: number): Promise<R> {
    return new Promise<R>((resolve, reject) => this.#ask(op, args, epoch, resolve, reject));
  }

  /**
   * The same for a hit, of which each promise and each turn of the microtasks costs a tenth: one of both, whatever comes of it.
   * @param absent the result in place of undefined, and of an error that `hides` is true for
   */
  callOr<A extends readonly unknown[], R>(
    op: ClientOp<A, R | undefined>,
    args: A,
    absent: R,
    hides: (error: unknown) => boolean,
  ): Promise<R> {
    return new Promise<R>((resolve, reject) =>
      this.#ask(
        op,
        args,
        undefined,
        (result: R | undefined) => resolve(result === undefined ? absent : result),
        (error) => (hides(error) ? resolve(absent) : reject(error)),
      ),
    );
  }

  /** @throws CacheError ERR_UNAVAILABLE, with the last reason, if the namespace is not open within the time */
  ready(timeoutMs: number): Promise<void> {
    if (this.#number !== undefined) return Promise.resolve();
    if (this.#closed) return Promise.reject(closedError());
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#readyWaiters.delete(waiter);
        const problem = `not connected to ${this.#connection.path} within ${timeoutMs} ms: ${this.#whyNotReady()}`;
        reject(new CacheError('ERR_UNAVAILABLE', problem, this.#connection.reason ?? this.#lastRefusal));
      }, timeoutMs);
      const waiter: ReadyWaiter = { resolve, reject, timer };
      this.#readyWaiters.add(waiter);
    });
  }

  connected(): void {
    if (this.#opening || this.#number !== undefined) return;
    this.#opening = true;
    const call = new Call(
      OPEN,
      [this.namespace],
      this.#timeoutMs,
      undefined,
      (opened: Opened) => this.#opened(opened),
      (error) => this.#refused(error as CacheError),
    );
    if (this.#connection.admit(call)) this.#connection.transmit(call, 0);
  }

  lost(reason: CacheError): void {
    this.#number = undefined;
    this.#opening = false;
    this.#lastRefusal = undefined;
    // The connection has failed them already.
    this.#waiting = [];
    if (reason.code !== 'ERR_UNAVAILABLE') this.#failReady(reason);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#number = undefined;
    this.#waiting = [];
    this.#connection.unsubscribe(this);
    this.#connection.cancel(this, closedError());
    this.#failReady(closedError());
  }

  #ask<A extends readonly unknown[], R>(
    op: ClientOp<A, R>,
    args: A,
    epoch: number | undefined,
    resolve: (result: R) => void,
    reject: (error: unknown) => void,
  ): void {
    const refusal = this.#refusal(epoch);
    if (refusal !== undefined) {
      reject(refusal);
      return;
    }
    const call = new Call(op, args, this.#timeoutMs, this, resolve, reject);
    if (!this.#connection.admit(call)) return;
    if (this.#number !== undefined) {
      this.#connection.transmit(call, this.#number);
      return;
    }
    this.#waiting.push(call);
    if (this.#connection.state === 'ready') this.connected();
  }

  #whyNotReady(): string {
    const { state, reason } = this.#connection;
    if (reason !== undefined) return whyAway(reason.cause);
    if (this.#lastRefusal !== undefined) return problemOf(this.#lastRefusal);
    return state === 'ready' ? `the namespace ${this.namespace} is not open yet` : 'nothing there has answered';
  }

  #refusal(epoch: number | undefined): CacheError | undefined {
    if (this.#closed) return closedError();
    if (this.#connection.state === 'away') return this.#connection.reason;
    if (epoch !== undefined && epoch !== this.#connection.epoch) {
      return new CacheError('ERR_UNAVAILABLE', 'the connection that the load was given to was lost');
    }
    return undefined;
  }

  #opened({ number, maxValueBytes, invalidateFunction, place }: Opened): void {
    if (this.#closed) return;
    this.#opening = false;
    this.#number = number;
    this.maxValueBytes = maxValueBytes;
    this.invalidateFunction = invalidateFunction;
    // Another daemon may call another database by the same name.
    this.place = place === undefined ? undefined : `${this.#connection.path} ${place}`;
    this.isPlaced = true;
    this.#onOpen();
    const waiting = this.#waiting;
    this.#waiting = [];
    // One whose deadline passed meanwhile is settled: it has nothing to send any more.
    for (const call of waiting) if (this.#connection.waits(call)) this.#connection.transmit(call, number);
    for (const waiter of this.#readyWaiters) {
      clearTimeout(waiter.timer);
      waiter.resolve();
    }
    this.#readyWaiters.clear();
  }

  #refused(error: CacheError): void {
    if (!this.#opening) return;
    this.#opening = false;
    this.#lastRefusal = error;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const call of waiting) this.#connection.settle(call)?.reject(error);
    if (error.code !== 'ERR_UNAVAILABLE') this.#failReady(error);
    this.#onRefused();
  }

  #failReady(error: CacheError): void {
    for (const waiter of this.#readyWaiters) {
      clearTimeout(waiter.timer);
      waiter.reject(error);
    }
    this.#readyWaiters.clear();
  }
}

function closedError(): CacheError {
  return new CacheError('ERR_CLOSED', 'the client was closed');
}
