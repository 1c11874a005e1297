import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { HeaderPairs, Outcome, Verdict } from './types.js';

type Done = (error?: Error | null) => void;

/** What a handler is told when it writes faster than something that is awaited allows. */
const HELD_BYTES_HIGH = 64 * 1024;

export interface BodyEvents {
  /** The head is about to be judged, and nobody has called `writeHead`. */
  implied(): void;
  /** The head is known. @returns what is to be done with it */
  judged(): Verdict;
  /** From now on it goes to the client. @returns the response to write to, or undefined where nobody is to get it */
  straight(pass: HeaderPairs): ServerResponse | undefined;
  whole(outcome: Outcome): void;
}

/** The body of a response that is gathered aside, and the calls that write it. */
export class BodyAside {
  readonly #aside: ServerResponse;
  readonly #events: BodyEvents;
  #verdict: Verdict | undefined;
  #isAwaiting = false;
  #isGone = false;
  #chunks: Buffer[] = [];
  #size = 0;
  #isFlushed = false;
  hasHead = false;
  isEnded = false;

  constructor(aside: ServerResponse, events: BodyEvents) {
    this.#aside = aside;
    this.#events = events;
  }

  /** Nobody is to get what comes. */
  discard(): void {
    this.#isGone = true;
    this.#chunks = [];
  }

  /** writeHead(status, message?, headers?) */
  writeHead(args: readonly unknown[]): ServerResponse {
    if (this.hasHead) return this.#aside;
    const [status, second, third] = args;
    this.#aside.statusCode = Number(status);
    if (typeof second === 'string') this.#aside.statusMessage = second;
    setFields(this.#aside, typeof second === 'string' ? third : (second ?? third));
    this.hasHead = true;
    return this.#aside;
  }

  /** A handler that wants its head out at once streams: it is passed on. */
  flushHeaders(): void {
    if (!this.hasHead) this.#events.implied();
    this.hasHead = true;
    this.#isFlushed = true;
    const res = this.#decide();
    res?.flushHeaders();
  }

  /** write(chunk, encoding?, done?) */
  write(args: readonly unknown[]): boolean {
    const { bytes, done } = given(args);
    if (this.isEnded) {
      later(done, new Error('write after end'));
      return false;
    }
    const res = this.#take(bytes);
    if (res !== undefined) return res.write(bytes, done);
    later(done);
    return !this.#isAwaiting || this.#size < HELD_BYTES_HIGH;
  }

  /** end(chunk?, encoding?, done?) */
  end(args: readonly unknown[]): ServerResponse {
    if (this.isEnded) return this.#aside;
    const { bytes, done } = given(args);
    this.isEnded = true;
    const res = this.#take(bytes);
    if (res !== undefined) {
      res.end(bytes, done);
      return this.#aside;
    }
    later(done);
    if (!this.#isGone && !this.#isAwaiting) this.#finish();
    return this.#aside;
  }

  #finish(): void {
    const { statusCode } = this.#aside;
    const headers = this.#aside.getHeaderNames().flatMap((name) => {
      const value = this.#aside.getHeader(name);
      return (Array.isArray(value) ? value : [value]).map((one) => [name.toLowerCase(), String(one)] as const);
    });
    const body = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks, this.#size);
    this.#chunks = [];
    this.#events.whole({ kind: 'whole', head: { status: statusCode, headers }, body });
  }

  /** @returns the response where these bytes are to be written to it; undefined where they were gathered, or let go */
  #take(bytes: Buffer): ServerResponse | undefined {
    if (!this.hasHead) this.#events.implied();
    this.hasHead = true;
    if (this.#isGone) return undefined;
    const res = this.#decide();
    if (res !== undefined || this.#isGone) return res;
    if (bytes.length > 0) this.#chunks.push(Buffer.from(bytes));
    this.#size += bytes.length;
    const verdict = this.#verdict!;
    if (verdict.kind !== 'collect' || this.#size <= verdict.bytesMax) return undefined;
    // These last bytes are written by the caller.
    this.#chunks.pop();
    return this.#release(verdict.pass);
  }

  /** Judges the head, once. */
  #decide(): ServerResponse | undefined {
    if (this.#verdict !== undefined) return undefined;
    this.#verdict = this.#events.judged();
    const verdict = this.#verdict;
    if (verdict.kind === 'drop') this.discard();
    if (this.#isGone) return undefined;
    if (verdict.kind === 'collect') return this.#isFlushed ? this.#release(verdict.pass) : undefined;
    if (verdict.kind === 'drop') return undefined;
    if (verdict.before === undefined) return this.#release(verdict.pass);
    this.#isAwaiting = true;
    verdict.before().finally(() => this.#releaseAwaited(verdict.pass));
    return undefined;
  }

  #release(pass: HeaderPairs): ServerResponse | undefined {
    const res = this.#events.straight(pass);
    for (const chunk of this.#chunks) res?.write(chunk);
    this.#chunks = [];
    return res;
  }

  #releaseAwaited(pass: HeaderPairs): void {
    this.#isAwaiting = false;
    const chunks = this.#chunks;
    this.#chunks = [];
    const res = this.#events.straight(pass);
    if (res === undefined) return;
    if (this.#isFlushed) res.flushHeaders();
    const last = this.isEnded ? chunks.pop() : undefined;
    for (const chunk of chunks) res.write(chunk);
    if (this.isEnded) res.end(last);
    else res.emit('drain');
  }
}

function setFields(res: ServerResponse, fields: unknown): void {
  if (Array.isArray(fields)) {
    const pairs = Array.isArray(fields[0]) ? fields : pairUp(fields);
    const seen = new Set<string>();
    for (const [name, value] of pairs as [string, string][]) {
      if (seen.has(name.toLowerCase())) res.appendHeader(name, value);
      else res.setHeader(name, value);
      seen.add(name.toLowerCase());
    }
  } else if (typeof fields === 'object' && fields !== null) {
    for (const [name, value] of Object.entries(fields as OutgoingHttpHeaders)) {
      if (value !== undefined) res.setHeader(name, value);
    }
  }
}

function pairUp(flat: readonly unknown[]): unknown[] {
  const pairs: unknown[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) pairs.push([flat[i], flat[i + 1]]);
  return pairs;
}

function given(args: readonly unknown[]): { bytes: Buffer; done: Done | undefined } {
  const done = args.find((one) => typeof one === 'function') as Done | undefined;
  const [chunk, encoding] = args;
  if (chunk === undefined || chunk === null || typeof chunk === 'function') return { bytes: Buffer.alloc(0), done };
  if (typeof chunk === 'string') {
    return { bytes: Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'), done };
  }
  if (!(chunk instanceof Uint8Array)) throw new TypeError('the chunk is a string, a Buffer or a Uint8Array');
  return { bytes: Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength), done };
}

function later(done: Done | undefined, error?: Error): void {
  if (done !== undefined) process.nextTick(done, error);
}
