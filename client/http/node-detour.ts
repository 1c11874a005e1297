import { type IncomingMessage, ServerResponse } from 'node:http';
import { BodyAside } from './node-body.js';
import { headerPairs, sendReply } from './node-reply.js';
import { type Place, placeOf } from './place.js';
import type { HeaderPairs, Judge, Outcome, Reply, Verdict } from './types.js';

type Call = (...args: never[]) => unknown;

/** The calls by which a handler speaks to the head of its response. */
const OF_HEAD = [
  'setHeader',
  'setHeaders',
  'appendHeader',
  'getHeader',
  'getHeaders',
  'getHeaderNames',
  'getRawHeaderNames',
  'hasHeader',
  'removeHeader',
] as const;
const OF_BODY = ['flushHeaders', 'writeHead', 'write', 'end', 'emit', 'destroy'] as const;
/** What is written past the response, between others on the connection: not where that response has gone out already. */
const OF_CONNECTION_ITSELF = ['writeContinue', 'writeProcessing', 'writeEarlyHints', 'writeInformation'] as const;
/** Plain properties that Node's own code reads and sets too. */
const STATE = ['statusCode', 'statusMessage', '_header', 'finished', 'destroyed', '_closed'] as const;
/** Set by Node alone, when the connection has come to its end: the handler goes on, and is not to take its response for dead. */
const OF_CONNECTION: ReadonlySet<string> = new Set(['destroyed', '_closed']);

/** How long a handler may go on for others when its client has gone; one that heard of it may have given up in silence. */
const ABANDONED_MS = 60_000;

/** The handler broke its response off: the client is to see that, too. */
export class ResponseAborted extends Error {
  constructor() {
    super('the handler ended the connection before its response was complete');
  }
}

/**
 * Parts what a handler says to a ServerResponse from what the client hears. The object stays the same, since frameworks and
 * other middleware hold it; its head and body are gathered aside until it is known what is to become of them.
 *
 *     aside --- head known, 'collect' -------> aside, to the end: an outcome
 *           |        more than bytesMax -----> straight
 *           --- head known, 'pass' ----------> straight: what was gathered goes out, the rest follows as without a cache
 *           --- head known, 'drop' ----------> nowhere
 *           --- the handler destroys it -----> nowhere, failed
 *
 * The reply of the cache is sent by `send`, at any time while the handler is not straight.
 */
export class NodeDetour {
  readonly #res: ServerResponse;
  readonly #real = new Map<string, Call>();
  readonly #realState = new Map<string, Place>();
  readonly #asideState = new Map<string, unknown>();
  readonly #body: BodyAside;
  readonly #aside: ServerResponse;
  #state: 'aside' | 'straight' | 'nowhere' = 'aside';
  /** While the client is spoken to, all calls are real: Node's own code makes some of them on the object. */
  #isSending = false;
  #isSent = false;
  #isCloseHeld = false;
  #isFinished = false;
  #isFinishHeld = false;
  /** Who waits for the end of the response since before the handler ran: Node's server, and what counts and logs. */
  readonly #firstToKnow: readonly unknown[];
  #ownWriteHead: unknown;
  readonly #judge: Judge;
  #settle!: (outcome: Outcome) => void;
  #fail!: (error: unknown) => void;
  /** @throws ResponseAborted */
  readonly outcome: Promise<Outcome>;

  /** Takes the response over at once. */
  constructor(req: IncomingMessage, res: ServerResponse, judge: Judge) {
    this.#res = res;
    this.#judge = judge;
    // Behind an answer that was given already.
    this.#isSent = res.headersSent;
    this.#aside = new ServerResponse(req);
    for (const name of res.getHeaderNames()) this.#aside.setHeader(name, res.getHeader(name)!);
    this.outcome = new Promise((resolve, reject) => {
      this.#settle = resolve;
      this.#fail = reject;
    });
    this.#body = new BodyAside(this.#aside, {
      implied: () => this.#implyHead(),
      judged: () => this.#judged(),
      straight: (pass) => this.#goStraight(pass),
      whole: (outcome) => this.#end(outcome),
    });
    res.once('finish', () => {
      this.#isFinished = true;
    });
    this.#firstToKnow = res.rawListeners('finish');
    this.#install();
  }

  /** Sends a reply of the cache in place of what the handler says, or before it says anything. @returns as `sendReply` */
  send(reply: Reply): boolean {
    if (this.#realState.get('destroyed')!.get() === true) return true;
    const isPersonal = this.#speak(() => sendReply(this.#res, reply));
    this.#isSent = true;
    if (this.#body.isEnded) this.#state = 'straight';
    return isPersonal;
  }

  #install(): void {
    const res = this.#res;
    for (const name of OF_HEAD) {
      const aside = Reflect.get(this.#aside, name) as Call | undefined;
      this.#override(name, (...args) => {
        return this.#own(this.#isReal ? this.#real.get(name)!(...args) : aside!.apply(this.#aside, args));
      });
    }
    const spoken: Record<(typeof OF_BODY)[number], Call> = {
      flushHeaders: () => this.#body.flushHeaders(),
      writeHead: (...args) => this.#own(this.#body.writeHead(args)),
      write: (...args) => this.#body.write(args),
      end: (...args) => this.#own(this.#body.end(args)),
      emit: (...args) => this.#emit(args),
      destroy: (...args) => this.#destroyed(args),
    };
    for (const name of OF_BODY) {
      this.#override(name, (...args) => (this.#isReal ? this.#real.get(name)!(...args) : spoken[name](...args)));
    }
    this.#ownWriteHead = res.writeHead;
    for (const name of OF_CONNECTION_ITSELF) {
      this.#override(name, (...args) => (this.#isSent ? undefined : this.#real.get(name)!(...args)));
    }
    for (const name of STATE) {
      const real = placeOf(res, name);
      this.#realState.set(name, real);
      Object.defineProperty(res, name, {
        configurable: true,
        enumerable: true,
        get: () => (this.#isReal ? real.get() : this.#stateAside(name)),
        set: (value) => {
          if (this.#isReal || OF_CONNECTION.has(name)) real.set(value);
          else if (name === 'statusCode' || name === 'statusMessage') Reflect.set(this.#aside, name, value);
          else this.#asideState.set(name, value);
        },
      });
    }
    this.#aside.statusCode = this.#realState.get('statusCode')!.get() as number;
  }

  get #isReal(): boolean {
    return this.#isSending || this.#state === 'straight';
  }

  #stateAside(name: (typeof STATE)[number]): unknown {
    if (name === 'statusCode' || name === 'statusMessage') return this.#aside[name];
    if (OF_CONNECTION.has(name)) return !this.#isGoingOn && this.#realState.get(name)!.get();
    if (name === '_header') return this.#body.hasHead ? 'HTTP/1.1' : null;
    // A response that waits for its turn on a pipelined connection is ended by Node later, which looks here.
    if (this.#isSent && this.#res.socket === null && !this.#isFinished) return this.#realState.get('finished')!.get();
    return this.#body.isEnded;
  }

  #override(name: string, call: Call): void {
    const real = Reflect.get(this.#res, name) as Call | undefined;
    if (real === undefined) return;
    this.#real.set(name, real.bind(this.#res) as Call);
    Object.defineProperty(this.#res, name, { configurable: true, writable: true, enumerable: false, value: call });
  }

  /** Calls that return the response return this one. */
  #own(result: unknown): unknown {
    return result === this.#aside ? this.#res : result;
  }

  #speak<T>(what: () => T): T {
    this.#isSending = true;
    try {
      return what();
    } finally {
      this.#isSending = false;
    }
  }

  /** As Node does: who has put himself before `writeHead`, as middleware for sessions does, is to say his part first. */
  #implyHead(): void {
    if (this.#res.writeHead !== this.#ownWriteHead) this.#res.writeHead(this.#aside.statusCode);
  }

  /** The head is known. @returns what is to happen with the body */
  #judged(): Verdict {
    const verdict = this.#judge({ status: this.#aside.statusCode, headers: headerPairs(this.#aside) });
    if (verdict.kind === 'drop') {
      this.#state = 'nowhere';
      this.#settle({ kind: 'dropped' });
    }
    if (verdict.kind === 'pass' && verdict.notModified && !this.#isSent) {
      this.#body.discard();
      this.#aside.statusCode = 304;
      for (const name of ['content-length', 'content-encoding', 'content-type']) this.#aside.removeHeader(name);
      this.#sendHead(verdict.pass);
      this.#speak(() => this.#res.end());
      this.#isSent = true;
      this.#leave();
    }
    return verdict;
  }

  /** What was gathered goes to the client as the handler said it, and so does all that follows. */
  #goStraight(pass: HeaderPairs): ServerResponse | undefined {
    if (this.#isSent || this.#state === 'nowhere') {
      this.#leave();
      return undefined;
    }
    this.#sendHead(pass);
    this.#state = 'straight';
    this.#releaseClose();
    this.#settle({ kind: 'passing' });
    return this.#res;
  }

  #leave(): void {
    this.#body.discard();
    this.#state = 'nowhere';
    this.#settle({ kind: 'passing' });
  }

  #sendHead(pass: HeaderPairs): void {
    const { statusCode, statusMessage } = this.#aside;
    const names = new Set(this.#aside.getHeaderNames());
    this.#speak(() => {
      for (const name of this.#res.getHeaderNames()) if (!names.has(name)) this.#res.removeHeader(name);
      for (const name of names) this.#res.setHeader(name, this.#aside.getHeader(name)!);
      for (const [name, value] of pass) this.#res.setHeader(name, value);
      this.#res.statusCode = statusCode;
      if (statusMessage !== undefined) this.#res.statusMessage = statusMessage;
    });
  }

  #end(outcome: Outcome): void {
    if (this.#isSent) this.#state = 'straight';
    this.#releaseClose();
    this.#settle(outcome);
  }

  /** The handler is at work, and what it says is kept from the client. */
  get #isGoingOn(): boolean {
    return this.#state === 'aside' && !this.#body.isEnded;
  }

  /** Whoever pipes into the response would stop when its client goes, or has had its reply, and with it the page that others wait for. */
  #emit(args: readonly unknown[]): unknown {
    const [event] = args;
    if (!this.#isGoingOn || (event !== 'close' && event !== 'finish')) {
      return this.#real.get('emit')!(...(args as never[]));
    }
    if (event === 'finish') {
      this.#isFinishHeld = true;
      this.#tellFinish((listener) => this.#firstToKnow.includes(listener));
      return true;
    }
    this.#isCloseHeld = true;
    setTimeout(() => {
      if (!this.#body.isEnded) this.#abort();
    }, ABANDONED_MS).unref();
    return true;
  }

  #tellFinish(isTold: (listener: unknown) => boolean): void {
    for (const listener of this.#res.rawListeners('finish')) if (isTold(listener)) listener.call(this.#res);
  }

  #releaseClose(): void {
    const isFinish = this.#isFinishHeld;
    const isClose = this.#isCloseHeld;
    this.#isFinishHeld = false;
    this.#isCloseHeld = false;
    if (!isFinish && !isClose) return;
    setImmediate(() => {
      if (isFinish) this.#tellFinish((listener) => !this.#firstToKnow.includes(listener));
      if (isClose) this.#real.get('emit')!(...(['close'] as never[]));
    });
  }

  #destroyed(args: readonly unknown[]): unknown {
    if (!this.#isGoingOn) return this.#real.get('destroy')!(...(args as never[]));
    this.#abort();
    return this.#res;
  }

  #abort(): void {
    this.#state = 'nowhere';
    this.#body.discard();
    this.#releaseClose();
    this.#fail(new ResponseAborted());
  }
}
