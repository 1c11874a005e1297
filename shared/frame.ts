import { CacheError } from './errors.js';

/** Bytes of a frame's length, a big-endian u32 in front of the body. */
export const FRAME_HEADER_BYTES = 4;

/** A buffer for a frame that arrives in pieces starts at this size and doubles, whatever length was declared. */
const ASSEMBLY_BYTES_MIN = 4096;

/**
 * Is given each frame's body as a range of a buffer. Where a frame lay in one chunk the buffer is that chunk, so whoever
 * keeps a part of it for long copies it: a view pins the whole chunk.
 */
export type FrameHandler = (buffer: Buffer, start: number, end: number) => void;

/** One frame around a body that is already encoded. */
export function encodeFrame(body: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  frame.set(body, FRAME_HEADER_BYTES);
  return frame;
}

/**
 * Bytes in, frames out, however the bytes are cut. A frame within one chunk is not copied; one that spans chunks is
 * copied into a buffer that doubles as bytes arrive, so that a declared length alone costs no memory.
 */
export class FrameReader {
  readonly #bodyBytesMax: number;
  readonly #onFrame: FrameHandler;
  #paused = false;
  #held: Buffer[] = [];
  #partial: Buffer | undefined;
  #partialBytes = 0;

  /**
   * @param bodyBytesMax a longer body is refused as soon as its length is known
   * @param onFrame called for each frame, in order; it may call pause()
   */
  constructor(bodyBytesMax: number, onFrame: FrameHandler) {
    this.#bodyBytesMax = bodyBytesMax;
    this.#onFrame = onFrame;
  }

  /** @throws CacheError ERR_PROTOCOL for a length over the limit, and whatever the handler throws */
  push(chunk: Buffer): void {
    if (this.#paused) {
      this.#held.push(chunk);
      return;
    }
    this.#consume(chunk, this.#partial === undefined ? 0 : this.#assemble(chunk));
  }

  /** Stops after the frame that is being handled; what is pushed meanwhile is held. */
  pause(): void {
    this.#paused = true;
  }

  /** Goes on with what was held, until it is used up or the handler pauses again. */
  resume(): void {
    this.#paused = false;
    while (!this.#paused && this.#held.length > 0) this.push(this.#held.shift()!);
  }

  /** Forgets everything; whatever was held is not delivered. */
  reset(): void {
    this.#held = [];
    this.#partial = undefined;
    this.#partialBytes = 0;
  }

  #consume(chunk: Buffer, from: number): void {
    let at = from;
    while (at < chunk.length) {
      if (this.#paused) {
        this.#held.unshift(chunk.subarray(at));
        return;
      }
      if (chunk.length - at < FRAME_HEADER_BYTES) break;
      const start = at + FRAME_HEADER_BYTES;
      const end = start + this.#bodyBytes(chunk, at);
      if (end > chunk.length) break;
      at = end;
      this.#onFrame(chunk, start, end);
    }
    if (at < chunk.length) this.#keep(chunk, at, chunk.length);
  }

  /** Completes the partial frame from the chunk; returns how far the chunk is used up. */
  #assemble(chunk: Buffer): number {
    let at = 0;
    if (this.#partialBytes < FRAME_HEADER_BYTES) {
      at = Math.min(FRAME_HEADER_BYTES - this.#partialBytes, chunk.length);
      this.#keep(chunk, 0, at);
      if (this.#partialBytes < FRAME_HEADER_BYTES) return at;
    }
    const frameBytes = FRAME_HEADER_BYTES + this.#bodyBytes(this.#partial!, 0);
    const end = Math.min(at + frameBytes - this.#partialBytes, chunk.length);
    this.#keep(chunk, at, end);
    if (this.#partialBytes === frameBytes) {
      const frame = this.#partial!;
      this.#partial = undefined;
      this.#partialBytes = 0;
      this.#onFrame(frame, FRAME_HEADER_BYTES, frameBytes);
    }
    return end;
  }

  #keep(chunk: Buffer, start: number, end: number): void {
    const needed = this.#partialBytes + end - start;
    if (this.#partial === undefined || this.#partial.length < needed) {
      const grown = Buffer.allocUnsafeSlow(Math.max(ASSEMBLY_BYTES_MIN, needed, 2 * (this.#partial?.length ?? 0)));
      this.#partial?.copy(grown, 0, 0, this.#partialBytes);
      this.#partial = grown;
    }
    chunk.copy(this.#partial, this.#partialBytes, start, end);
    this.#partialBytes = needed;
  }

  #bodyBytes(buffer: Buffer, at: number): number {
    const bytes = buffer.readUInt32BE(at);
    if (bytes > this.#bodyBytesMax) {
      throw new CacheError(
        'ERR_PROTOCOL',
        `a frame of ${bytes} bytes was declared, the limit is ${this.#bodyBytesMax}`,
      );
    }
    return bytes;
  }
}
