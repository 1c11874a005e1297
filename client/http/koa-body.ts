import { Readable } from 'node:stream';

export function isStream(body: unknown): body is Readable {
  return typeof (body as { pipe?: unknown } | null | undefined)?.pipe === 'function';
}

/** What Koa would send for a body: bytes at once, or as they come. */
export function bytesOf(body: unknown): Buffer | Readable {
  if (body === null || body === undefined) return Buffer.alloc(0);
  if (Buffer.isBuffer(body)) return body;
  if (typeof body === 'string') return Buffer.from(body);
  if (isStream(body)) {
    return Reflect.has(body, Symbol.asyncIterator) ? body : new Readable().wrap(body);
  }
  if (body instanceof Blob) return Readable.from(body.stream());
  if (body instanceof ReadableStream) return Readable.from(body);
  if (body instanceof Response) return body.body === null ? Buffer.alloc(0) : Readable.from(body.body);
  return Buffer.from(JSON.stringify(body));
}

/**
 * @returns the whole body, or, where it is longer than bytesMax, a stream of all of it
 * @throws what the stream fails with, also where it ends before its end
 */
export async function gather(source: Buffer | Readable, bytesMax: number): Promise<Buffer | Readable> {
  if (Buffer.isBuffer(source))
    return source.length <= bytesMax ? source : Readable.from([source], { objectMode: false });
  const iterator: AsyncIterator<Uint8Array | string> = source[Symbol.asyncIterator]();
  const chunks: Buffer[] = [];
  let size = 0;
  for (;;) {
    const { done, value } = await iterator.next();
    if (done) return Buffer.concat(chunks, size);
    const chunk = Buffer.from(value as Uint8Array);
    chunks.push(chunk);
    size += chunk.length;
    if (size > bytesMax) return all(chunks, iterator, source);
  }
}

/** What was read, and all that follows. */
function all(chunks: Buffer[], iterator: AsyncIterator<Uint8Array | string>, source: Readable): Readable {
  async function* sequence(): AsyncGenerator<Uint8Array | string> {
    yield* chunks.splice(0);
    for (;;) {
      const { done, value } = await iterator.next();
      if (done) return;
      yield value;
    }
  }
  const stream = Readable.from(sequence(), { objectMode: false });
  stream.once('close', () => source.destroy());
  return stream;
}
