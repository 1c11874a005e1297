import { OP, type OpName } from '../../shared/protocol.js';
import { abandon } from './abandon.js';
import { add } from './add.js';
import { cleanup } from './cleanup.js';
import { clear } from './clear.js';
import { count } from './count.js';
import { remove } from './delete.js';
import { deleteMany } from './delete-many.js';
import { expire } from './expire.js';
import { fill } from './fill.js';
import { get } from './get.js';
import { getMany } from './get-many.js';
import type { Handler } from './handler.js';
import { has } from './has.js';
import { hello } from './hello.js';
import { incr } from './incr.js';
import { invalidateTags } from './invalidate-tags.js';
import { load } from './load.js';
import { near } from './near.js';
import { open } from './open.js';
import { set } from './set.js';
import { setMany } from './set-many.js';
import { stale } from './stale.js';
import { stats } from './stats.js';
import { status } from './status.js';
import { sync } from './sync.js';
import { ttl } from './ttl.js';

/** One handler an op; one that is missing does not compile. */
const HANDLERS = {
  hello,
  open,
  get,
  getMany,
  set,
  setMany,
  add,
  delete: remove,
  deleteMany,
  has,
  clear,
  count,
  incr,
  ttl,
  expire,
  invalidateTags,
  cleanup,
  stats,
  load,
  fill,
  abandon,
  status,
  sync,
  near,
  stale,
} as const satisfies Record<OpName, Handler>;

export const HANDLER_BY_CODE: readonly (Handler | undefined)[] = byCode(HANDLERS);
export const OP_NAME_BY_CODE: readonly (OpName | undefined)[] = byCode(
  Object.fromEntries(Object.keys(OP).map((name) => [name, name])) as Record<OpName, OpName>,
);

function byCode<T>(table: Record<OpName, T>): T[] {
  const list: T[] = [];
  for (const name of Object.keys(OP) as OpName[]) list[OP[name]] = table[name];
  return list;
}
