import { WriteQueue } from '../../daemon/write-queue.js';
import type { WriteItem } from '../../shared/table/write.js';
import { replace } from './patch.js';

/** By the first item of a batch: names that go with it although they should have had a batch of their own. */
const beside = new WeakMap<WriteItem, readonly string[]>();

export function namesBeside(items: readonly WriteItem[]): readonly string[] {
  return (items[0] && beside.get(items[0])) ?? [];
}

/** Leaves out that invalidations have batches of their own: those that wait behind writes go out with these. */
export function togetherInOneBatch(): () => void {
  return replace(
    WriteQueue.prototype,
    'take',
    (old) =>
      function (this: WriteQueue, nowMs) {
        const batch = old.call(this, nowMs);
        if (batch?.kind !== 'items') return batch;
        const [first] = batch.writes;
        const next = old.call(this, nowMs);
        if (first === undefined || next === undefined) return batch;
        if (next.kind === 'items') {
          this.unshift(next.writes);
          return batch;
        }
        beside.set(
          first.item,
          next.invalidations.flatMap(({ names }) => names),
        );
        first.waiters.push(...next.invalidations.map(({ waiter }) => waiter));
        return batch;
      },
  );
}
