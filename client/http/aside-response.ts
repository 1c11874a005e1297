import { type IncomingMessage, ServerResponse } from 'node:http';

type Call = (...args: never[]) => unknown;

const OF_HEAD = [
  'setHeader',
  'setHeaders',
  'appendHeader',
  'getHeader',
  'getHeaders',
  'getHeaderNames',
  'hasHeader',
  'removeHeader',
] as const;
const OF_BODY = ['flushHeaders', 'writeHead', 'write', 'end', 'destroy', 'writeEarlyHints'] as const;
const EVENTS = ['close', 'drain', 'finish', 'error'] as const;
const STATE = ['statusCode', 'statusMessage', 'headersSent', 'writableEnded', 'finished', 'destroyed'] as const;

/**
 * A response that is in no connection: a framework sets head fields on it, and the one who made it takes them from there. Who
 * writes to it is led to the real response, with all that was said before, and from then on this one is only another name for
 * that.
 */
export class AsideResponse extends ServerResponse {
  readonly #real: ServerResponse;
  readonly #onDirect: () => boolean;
  #state: 'aside' | 'direct' | 'lost' = 'aside';

  /** @param onDirect called when the real response is about to be spoken to; false where nobody is to hear it any more */
  constructor(req: IncomingMessage, real: ServerResponse, onDirect: () => boolean) {
    super(req);
    this.#real = real;
    this.#onDirect = onDirect;
    for (const name of real.getHeaderNames()) this.setHeader(name, real.getHeader(name)!);
    this.statusCode = real.statusCode;
    for (const name of OF_HEAD) this.#lead(name, false);
    for (const name of OF_BODY) this.#lead(name, true);
  }

  /** It was written to when nobody was to hear it. */
  get isLost(): boolean {
    return this.#state === 'lost';
  }

  /** Head fields and status, in place of those that the other has. */
  copyHead(to: ServerResponse): void {
    for (const name of to.getHeaderNames()) if (!this.hasHeader(name)) to.removeHeader(name);
    for (const name of this.getHeaderNames()) to.setHeader(name, this.getHeader(name)!);
    to.statusCode = this.statusCode;
    if (this.statusMessage !== undefined) to.statusMessage = this.statusMessage;
  }

  goDirect(): void {
    if (this.#state !== 'aside') return;
    if (!this.#onDirect()) {
      this.#state = 'lost';
      return;
    }
    this.copyHead(this.#real);
    this.#state = 'direct';
    this.follow();
    for (const name of STATE) {
      Object.defineProperty(this, name, {
        configurable: true,
        get: () => Reflect.get(this.#real, name),
        set: (value) => Reflect.set(this.#real, name, value),
      });
    }
  }

  /** Who listens to this one hears from now on what becomes of the real one. */
  follow(): void {
    for (const name of EVENTS) {
      if (name === 'error' && this.listenerCount('error') === 0) continue;
      this.#real.on(name, (...args) => this.emit(name, ...args));
    }
    if (this.#real.closed) setImmediate(() => this.emit('close'));
  }

  #lead(name: (typeof OF_HEAD | typeof OF_BODY)[number], isBody: boolean): void {
    const own = Reflect.get(this, name) as Call | undefined;
    if (own === undefined) return;
    const call: Call = (...args) => {
      if (isBody) this.goDirect();
      if (this.#state === 'aside') return own.apply(this, args);
      if (this.#state === 'lost') return name === 'write' ? true : this;
      const result = (Reflect.get(this.#real, name) as Call).apply(this.#real, args);
      return result === this.#real ? this : result;
    };
    Object.defineProperty(this, name, { configurable: true, writable: true, value: call });
  }
}
