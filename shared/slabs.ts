/** A new slab; frames of several turns share one, and one that they outgrow doubles. */
const SLAB_BYTES = 16 * 1024;
/** What has grown beyond this is not kept: a large value must not hold memory for good. */
const SPARE_BYTES_MAX = 256 * 1024;
const SPARES_MAX = 4;

/**
 * Buffers that frames are written to, for one after the other of those who write. New memory is the dearest part of a
 * reply: the kernel has to clear its pages, and what lies outside the heap makes the garbage collector run; one that was
 * just written to is in the processor's cache besides.
 */
export class Slabs {
  readonly #spares: Buffer[] = [];

  /** @param bytesMin what has to fit */
  take(bytesMin: number): Buffer {
    const spare = this.#spares.pop();
    return spare !== undefined && spare.length >= bytesMin
      ? spare
      : Buffer.allocUnsafeSlow(Math.max(SLAB_BYTES, bytesMin));
  }

  /** Nobody reads it any more. */
  give(slab: Buffer): void {
    if (slab.length <= SPARE_BYTES_MAX && this.#spares.length < SPARES_MAX) this.#spares.push(slab);
  }
}
