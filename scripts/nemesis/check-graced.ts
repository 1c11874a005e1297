import { EXPIRY_SLACK_US } from './demands.js';
import type { Read, Violation, Write } from './history.js';
import { isGraced } from './keys.js';

/**
 * A value is served until its ttl is over, then for its grace, and marked; how old it may be is bounded by the grace of the call
 * too. Where the end of the load is not known, because its process was killed say, nothing can be said.
 * @param reads by key
 * @param writes by key; among them the loads
 */
export function checkGraced(
  reads: ReadonlyMap<string, readonly Read[]>,
  writes: ReadonlyMap<string, readonly Write[]>,
): Violation[] {
  const violations: Violation[] = [];
  for (const [key, all] of reads) {
    if (!isGraced(key)) continue;
    const loads = new Map((writes.get(key) ?? []).filter(({ kind }) => kind === 'load').map((load) => [load.id, load]));
    for (const read of all) {
      const load = loads.get(read.id);
      if (read.version === undefined || load === undefined) continue;
      const { ttlUs = 0, graceUs = 0 } = load;
      const servedUs = ttlUs + (read.stale === undefined ? 0 : Math.min(graceUs, read.graceUs ?? 0));
      const late = read.inv - (load.resp + servedUs + EXPIRY_SLACK_US);
      if (late <= 0) continue;
      const what = read.stale === undefined ? 'its ttl, and not marked' : 'its grace';
      const detail = `${key}: ${read.version} served ${late / 1000} ms after the end of ${what}`;
      violations.push({ promise: 'grace has an end, and is marked', detail, operation: read, because: load });
    }
  }
  return violations;
}
