import { HttpCache } from './engine.js';
import type { HttpCacheOptions } from './options.js';
import type {
  Exchange,
  HeaderPairs,
  Judge,
  Outcome,
  Reply,
  RequestChanges,
  RequestHead,
  ResponseHead,
} from './types.js';

/** A handler of web-standard requests; what else it is called with is handed through. */
export type WebHandler<A extends unknown[] = unknown[]> = (
  request: Request,
  ...rest: A
) => Response | Promise<Response>;

/**
 * Puts a handler behind a shared cache.
 * @param cache options, or a cache that several handlers share
 * @returns a handler of the same shape
 * @throws CacheError ERR_INVALID_ARGUMENT, ERR_INVALID_TTL; the handler it returns throws what the given one throws
 */
export function cacheHandler<A extends unknown[]>(
  handler: WebHandler<A>,
  cache: HttpCacheOptions | HttpCache = {},
): (request: Request, ...rest: A) => Promise<Response> {
  const policy = cache instanceof HttpCache ? cache : new HttpCache(cache);
  return async (request, ...rest) => {
    const exchange = new WebExchange(request, async (changed) => handler(changed, ...rest));
    const reply = await policy.handle(exchange);
    return reply === 'passed' ? exchange.passed! : responseOf(reply);
  };
}

export function responseOf({ status, headers, body }: Reply): Response {
  const fields = new Headers();
  for (const [name, value] of headers) fields.append(name, value);
  return new Response(body as Uint8Array<ArrayBuffer> | undefined, { status, headers: fields });
}

/** One web-standard request on its way through the policy. */
export class WebExchange implements Exchange {
  readonly request: RequestHead;
  readonly isRepeatable = true;
  /** What is to be sent where the policy says 'passed'. */
  passed: Response | undefined;
  readonly #request: Request;
  readonly #run: (request: Request) => Promise<Response>;

  constructor(request: Request, run: (request: Request) => Promise<Response>) {
    this.#request = request;
    this.#run = run;
    this.request = requestHead(request);
  }

  async run(changes: RequestChanges, judge: Judge): Promise<Outcome> {
    const response = await this.#run(this.#changed(changes));
    const head: ResponseHead = { status: response.status, headers: pairsOf(response.headers) };
    const verdict = judge(head);
    if (verdict.kind === 'drop') {
      void response.body?.cancel().catch(() => {});
      return { kind: 'dropped' };
    }
    if (verdict.kind === 'pass') {
      await verdict.before?.();
      const { notModified = false } = verdict;
      if (notModified) void response.body?.cancel().catch(() => {});
      return this.#pass(notModified ? notModifiedOf(response) : response, verdict.pass, response.body);
    }
    return this.#collect(response, head, verdict.bytesMax, verdict.pass);
  }

  /** A page that others wait for does not end with this client: the signal stays behind. */
  #changed(changes: RequestChanges): Request {
    const names = Object.keys(changes);
    if (names.length === 0) return this.#request;
    const headers = new Headers(this.#request.headers);
    for (const name of names) {
      const value = changes[name];
      if (value === undefined) headers.delete(name);
      else headers.set(name, value);
    }
    return new Request(this.#request.url, { method: this.#request.method, headers, redirect: 'manual' });
  }

  async #collect(response: Response, head: ResponseHead, bytesMax: number, pass: HeaderPairs): Promise<Outcome> {
    if (response.body === null) return { kind: 'whole', head, body: Buffer.alloc(0) };
    const reader = response.body.getReader();
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      size += value.length;
      if (size > bytesMax) return this.#pass(response, pass, streamOf(chunks, reader));
    }
    return { kind: 'whole', head, body: Buffer.concat(chunks, size) };
  }

  #pass(response: Response, fields: HeaderPairs, body: ReadableStream<Uint8Array> | null): Outcome {
    const headers = new Headers(response.headers);
    for (const [name, value] of fields) headers.set(name, value);
    const { status, statusText } = response;
    const hasBody = ![101, 103, 204, 205, 304].includes(status);
    this.passed = status < 200 ? response : new Response(hasBody ? body : null, { status, statusText, headers });
    return { kind: 'passing' };
  }
}

function requestHead(request: Request): RequestHead {
  const { host, origin } = new URL(request.url);
  const headers = Object.create(null) as Record<string, string>;
  for (const [name, value] of request.headers) headers[name] = value;
  // As it stands, with an empty query too: the handler sees that as well.
  const url = request.url.slice(origin.length).replace(/#.*$/s, '');
  const isHosts = headers.host === undefined || headers.host === host;
  const scheme = origin.startsWith('https:') ? 'https' : undefined;
  return {
    method: request.method,
    url,
    host: headers.host ?? host,
    // A request line with a whole URL names a host of its own, and that is the one the handler sees.
    origin: isHosts ? scheme : origin,
    headers,
  };
}

function pairsOf(headers: Headers): HeaderPairs {
  return [...headers];
}

function notModifiedOf(response: Response): Response {
  const headers = new Headers(response.headers);
  headers.delete('content-length');
  return new Response(null, { status: 304, headers });
}

/** What was read, and all that follows. */
function streamOf(
  chunks: readonly Uint8Array[],
  reader: ReadableStreamDefaultReader<Uint8Array>,
): ReadableStream<Uint8Array> {
  const read = [...chunks];
  return new ReadableStream({
    async pull(controller) {
      const first = read.shift();
      if (first !== undefined) return controller.enqueue(first);
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      await reader.cancel(reason);
    },
  });
}
