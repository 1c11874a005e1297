import type { Command } from './command.js';
import { clear } from './commands/clear.js';
import { daemon } from './commands/daemon.js';
import { remove } from './commands/delete.js';
import { dev } from './commands/dev.js';
import { doctor } from './commands/doctor.js';
import { get } from './commands/get.js';
import { incr } from './commands/incr.js';
import { invalidate } from './commands/invalidate.js';
import { migrate } from './commands/migrate.js';
import { purge } from './commands/purge.js';
import { set } from './commands/set.js';
import { status } from './commands/status.js';
import { top } from './commands/top.js';
import { unwatch } from './commands/unwatch.js';
import { watch } from './commands/watch.js';

/** Every command of `pgcached`, in the order in which help lists them. What they need is loaded when they run. */
export const COMMANDS: readonly Command[] = [
  daemon,
  dev,
  status,
  top,
  get,
  set,
  remove,
  incr,
  invalidate,
  purge,
  clear,
  watch,
  unwatch,
  migrate,
  doctor,
];
