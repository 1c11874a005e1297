import { type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';
import { HttpCache, type HttpCacheOptions } from '../../../client/http/index.js';
import { LocMemCache } from '../../../client/index.js';

/** What a handler of the suite sees, whatever the framework. */
export interface SiteRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** What it answers; a body that throws breaks the connection off. */
export interface SiteAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | string[]>>;
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>;
}

export type SiteHandler = (request: SiteRequest) => SiteAnswer | Promise<SiteAnswer>;

export interface RunningSite {
  /** `http://127.0.0.1:port` */
  readonly url: string;
  close(): Promise<void>;
}

/** A framework: starts a real server on a port of its own whose every path and method goes to the handler behind the cache. */
export interface HttpFace {
  readonly name: string;
  /** Whether the request that finds a page stale waits for the new one itself; 'behind' where it is missing. */
  readonly refreshes?: 'itself' | 'behind';
  start(handler: SiteHandler, cache: HttpCache): Promise<RunningSite>;
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The first word of X-Cache. */
  readonly cache: string;
}

/** A site under test: its handler counts, its clock stands until it is moved. */
export class Site {
  readonly cache: LocMemCache;
  readonly #keys = new Set<string>();
  readonly policy: HttpCache;
  readonly errors: unknown[] = [];
  /** Requests that the handler has seen. */
  readonly seen: SiteRequest[] = [];
  #nowMs = 1_800_000_000_000;
  #running: RunningSite | undefined;
  refreshes: HttpFace['refreshes'];

  constructor(options: HttpCacheOptions) {
    this.cache = new LocMemCache({ clock: () => this.#nowMs });
    const keys = this.#keys;
    const recorded = new Proxy(this.cache, {
      get(cache, name) {
        const method = Reflect.get(cache, name) as (...args: unknown[]) => unknown;
        if (name !== 'getOrSet') return typeof method === 'function' ? method.bind(cache) : method;
        return (key: string, ...rest: unknown[]) => {
          keys.add(key);
          return method.call(cache, key, ...rest);
        };
      },
    });
    const onError = (error: unknown) => this.errors.push(error);
    this.policy = new HttpCache({ cache: recorded, onError, ...options }, () => this.#nowMs);
  }

  async start(face: HttpFace, handler: SiteHandler): Promise<void> {
    this.refreshes = face.refreshes ?? 'behind';
    this.#running = await face.start((incoming) => {
      this.seen.push({ ...incoming, headers: { ...incoming.headers } });
      return handler(incoming);
    }, this.policy);
  }

  get url(): string {
    return this.#running!.url;
  }

  /** The keys that pages were computed for. */
  keys(): string[] {
    return [...this.#keys];
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  /** The date as the handler's clock has it. */
  date(offsetMs = 0): string {
    return new Date(this.#nowMs + offsetMs).toUTCString();
  }

  async get(path: string, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
    return this.send('GET', path, headers);
  }

  /** The path goes out as it is written. @throws where the connection ends before the response does */
  send(method: string, path: string, headers: OutgoingHttpHeaders = {}, body?: string): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const outgoing = request(
        this.url,
        { method, path, headers, agent: false, maxHeaderSize: 64 * 1024 },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => {
            const cache = String(response.headers['x-cache'] ?? '');
            const text = Buffer.concat(chunks).toString('latin1');
            resolve({ status: response.statusCode!, headers: response.headers, text, cache });
          });
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  }

  /** Asks, and goes away before there is an answer. */
  async leave(path: string, afterMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const outgoing = request(this.url, { path, agent: false });
      outgoing.on('error', () => resolve());
      outgoing.end();
      setTimeout(() => outgoing.destroy(new Error('gone')), afterMs);
    });
  }

  async close(): Promise<void> {
    await this.#running?.close();
  }
}

/** One thing that holds through every face. */
export interface Behaviour {
  readonly name: string;
  readonly options?: HttpCacheOptions;
  handler(request: SiteRequest, site: Site): SiteAnswer | Promise<SiteAnswer>;
  check(site: Site): Promise<void>;
}

/** An answer with this Cache-Control. */
export function said(control: string, body: string, headers: Record<string, string> = {}): SiteAnswer {
  return { headers: { 'cache-control': control, ...headers }, body };
}
