import type { Command } from './command.js';
import { clear } from './commands/clear.js';
import { daemon } from './commands/daemon.js';
import { remove } from './commands/delete.js';
import { dev } from './commands/dev.js';
import { doctor } from './commands/doctor.js';
import { get } from './commands/get.js';
import { incr } from './commands/incr.js';
import { migrate } from './commands/migrate.js';
import { set } from './commands/set.js';
import { status } from './commands/status.js';

/** Every command of `pgcached`, in the order in which help lists them. What they need is loaded when they run. */
export const COMMANDS: readonly Command[] = [daemon, dev, status, get, set, remove, incr, clear, migrate, doctor];
