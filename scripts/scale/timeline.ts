/** Events by time: a binary heap. */
export class Timeline {
  readonly #heap: { ms: number; run: () => void }[] = [];
  nowMs = 0;

  at(ms: number, run: () => void): void {
    const heap = this.#heap;
    heap.push({ ms, run });
    for (let child = heap.length - 1; child > 0; ) {
      const parent = (child - 1) >> 1;
      if (heap[parent]!.ms <= heap[child]!.ms) break;
      [heap[parent], heap[child]] = [heap[child]!, heap[parent]!];
      child = parent;
    }
  }

  runUntil(endMs: number): void {
    const heap = this.#heap;
    while (heap.length > 0 && heap[0]!.ms <= endMs) {
      const first = heap[0]!;
      const last = heap.pop()!;
      if (heap.length > 0) {
        heap[0] = last;
        for (let parent = 0; ; ) {
          let least = parent;
          for (const child of [2 * parent + 1, 2 * parent + 2]) {
            if (child < heap.length && heap[child]!.ms < heap[least]!.ms) least = child;
          }
          if (least === parent) break;
          [heap[parent], heap[least]] = [heap[least]!, heap[parent]!];
          parent = least;
        }
      }
      this.nowMs = first.ms;
      first.run();
    }
  }
}
