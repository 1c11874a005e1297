import { availableParallelism, homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { ENTRIES_MAX } from '../shared/lru.js';
import { DEFAULT_TTL_SECONDS, LIMIT } from '../shared/protocol.js';
import { DEFAULT_TABLE } from '../shared/table/names.js';

/**
 * Every option of the daemon, in one table: its name, kind, default, range and what it is for. The flags, the
 * environment names, the text of `--help`, docs/configuration.md and the type `Config` are all derived from it.
 */

export type Environment = Readonly<Record<string, string | undefined>>;

/** What an option's value is: how it is read, checked and shown. */
export interface Kinds {
  databases: string | readonly string[];
  weights: readonly number[];
  text: string;
  path: string;
  table: string;
  boolean: boolean;
  integer: number;
  bytes: number;
  milliseconds: number;
  ttl: number;
  mode: string;
  placement: Placement;
  level: LogLevel;
  namespaces: Readonly<Record<string, NamespaceConfig>>;
}

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export const TIERS = ['memory+table', 'memory', 'table'] as const;
export const STORAGES = ['jsonb', 'packed'] as const;
export const PLACEMENTS = ['spread', 'whole'] as const;
export type Placement = (typeof PLACEMENTS)[number];

/** What a namespace may have of its own; what is missing is as for the daemon. */
export interface NamespaceConfig {
  readonly table?: string;
  readonly defaultTtl?: number;
  readonly maxBytes?: number;
  readonly maxEntries?: number;
  readonly tiers?: (typeof TIERS)[number];
  readonly storage?: (typeof STORAGES)[number];
  readonly placement?: Placement;
  /** The name of the one database that it lies on whole. */
  readonly database?: string;
}

export interface Option<Kind extends keyof Kinds = keyof Kinds> {
  readonly kind: Kind;
  readonly help: string;
  /** A value, or how this machine gives it. Without one the option may be absent. */
  readonly default?: Kinds[Kind] | ((environment: Environment) => Kinds[Kind] | undefined);
  /** What stands in the documentation where the default depends on the machine. */
  readonly defaultText?: string;
  /** Bounds, both allowed, in the unit of the value. */
  readonly min?: number;
  readonly max?: number;
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const MIB = 1024 * 1024;

export const OPTIONS = {
  config: { kind: 'path', help: 'a JSON file with options by the names of this table' },
  databaseUrl: {
    kind: 'databases',
    help: "where Postgres is: postgres://user@host/database, or postgres:///database?host=/run/postgresql for a Unix socket; without one, Postgres's own PGHOST, PGDATABASE, …; several (repeated, or with commas between them) share the cache, see docs/sharding.md",
  },
  databaseUrlFile: {
    kind: 'path',
    help: 'a file that holds the database URL, so that a password stands in no command line',
  },
  databaseWeights: {
    kind: 'weights',
    defaultText: 'all alike',
    help: 'the shares of several databases, in the order of their URLs: 1,2 puts two thirds on the second',
  },
  placement: {
    kind: 'placement',
    default: 'spread',
    help: 'where several databases share the cache: spread puts each key of a namespace on one of them, whole puts each namespace on one, which its tags need',
  },
  pooler: {
    kind: 'boolean',
    default: false,
    help: 'Postgres is reached through PgBouncer in transaction mode: no named statements, no session settings, no LISTEN',
  },
  listenUrl: {
    kind: 'databases',
    defaultText: 'databaseUrl, or with pooler none: polling alone',
    help: 'where to LISTEN, beside a pooler: a URL of the same database that leads to Postgres itself, for one connection; one for each database, in their order',
  },
  socket: {
    kind: 'path',
    default: defaultSocket,
    defaultText: '`$XDG_RUNTIME_DIR/pgcached/pgcached.sock`, else `/run/pgcached/pgcached.sock`',
    help: 'the Unix socket that applications connect to',
  },
  socketMode: { kind: 'mode', default: '660', help: "the socket's permissions, in octal" },
  socketGroup: { kind: 'text', help: 'the group that the socket is given to, by name or number' },
  table: {
    kind: 'table',
    default: DEFAULT_TABLE,
    help: 'the cache table, with a schema before it if wanted (cache.entries); the name without it has up to 40 bytes',
  },
  logged: {
    kind: 'boolean',
    default: false,
    help: 'regular tables in place of UNLOGGED ones: they survive a crash of Postgres and are replicated, and cost more',
  },
  defaultTtl: {
    kind: 'ttl',
    default: DEFAULT_TTL_SECONDS,
    help: "how long a value lives that was stored without a ttl: seconds, '5m', or Infinity",
  },
  maxBytes: { kind: 'bytes', default: 64 * MIB, min: MIB, max: 1024 * 1024 * MIB, help: 'size of the memory tier' },
  maxEntries: { kind: 'integer', default: 1_000_000, min: 1, max: ENTRIES_MAX, help: 'entries in the memory tier' },
  maxValueBytes: {
    kind: 'bytes',
    default: LIMIT.valueBytesDefault,
    min: 1,
    max: LIMIT.valueBytesMax,
    help: 'the largest value, packed; a larger one is refused',
  },
  workers: {
    kind: 'integer',
    default: () => Math.min(2, availableParallelism()),
    defaultText: '2, or 1 on a single core',
    min: 1,
    max: 64,
    help: 'worker threads that talk to Postgres, for each database',
  },
  poolSize: {
    kind: 'integer',
    default: 4,
    min: 1,
    max: 100,
    help: 'connections to Postgres that each worker may open for reads, and as many for writes',
  },
  staleBoundMs: {
    kind: 'milliseconds',
    default: 1000,
    min: 50,
    max: MINUTE_MS,
    help: 'no read returns a value whose invalidation was committed longer ago than this',
  },
  pollIntervalMs: {
    kind: 'milliseconds',
    default: 250,
    min: 5,
    max: MINUTE_MS / 2,
    help: 'how often Postgres is asked for invalidations when no NOTIFY arrives; at most half of staleBoundMs',
  },
  loadTimeoutMs: {
    kind: 'milliseconds',
    default: 30_000,
    min: 100,
    max: HOUR_MS,
    help: 'how long one process may compute a value before the next one that waits takes over',
  },
  trimIntervalMs: {
    kind: 'milliseconds',
    default: 30_000,
    min: 100,
    max: 24 * HOUR_MS,
    help: 'how often expired rows are removed from the table',
  },
  trimLagMs: {
    kind: 'milliseconds',
    default: MINUTE_MS,
    min: 0,
    max: 24 * HOUR_MS,
    help: 'how long what is dead stays in the table, for the sake of slow loads and slow daemons',
  },
  statementTimeoutMs: {
    kind: 'milliseconds',
    default: 5000,
    min: 100,
    max: HOUR_MS,
    help: 'the longest a statement may take',
  },
  connectTimeoutMs: {
    kind: 'milliseconds',
    default: 5000,
    min: 100,
    max: 5 * MINUTE_MS,
    help: 'the longest that connecting to Postgres may take',
  },
  drainTimeoutMs: {
    kind: 'milliseconds',
    default: 10_000,
    min: 0,
    max: HOUR_MS,
    help: 'how long requests under way may take to end when the daemon stops',
  },
  stateDir: {
    kind: 'path',
    default: defaultStateDir,
    defaultText: '`$STATE_DIRECTORY`, else `$XDG_STATE_HOME/pgcached`, else `~/.local/state/pgcached`',
    help: 'a folder where the daemon keeps its identity; without one it is a new host at every start',
  },
  dataDir: {
    kind: 'path',
    default: '.pgcached',
    help: 'pgcached dev only: the folder of its Postgres',
  },
  namespaces: {
    kind: 'namespaces',
    default: Object.freeze({}),
    defaultText: 'none: a namespace is made on first use',
    help: 'what a namespace has of its own, as JSON: {"sessions": {"table", "defaultTtl", "maxBytes", "maxEntries", "tiers", "storage", "placement", "database"}}',
  },
  logLevel: { kind: 'level', default: 'info', help: `one of ${LOG_LEVELS.join(', ')}` },
} as const satisfies Record<string, Option>;

export type OptionName = keyof typeof OPTIONS;
export const OPTION_NAMES = Object.keys(OPTIONS) as readonly OptionName[];

export function optionOf(name: OptionName): Option {
  return OPTIONS[name];
}

/** `databaseUrl` → `--database-url` */
export function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export const ENVIRONMENT_PREFIX = 'PGCACHED_';

/** `databaseUrl` → `PGCACHED_DATABASE_URL` */
export function environmentOf(name: string): string {
  return ENVIRONMENT_PREFIX + name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
}

function defaultSocket(environment: Environment): string {
  const runtime = absolute(environment.XDG_RUNTIME_DIR);
  return join(runtime ?? '/run', 'pgcached', 'pgcached.sock');
}

function defaultStateDir(environment: Environment): string | undefined {
  // systemd lists several folders with colons between them.
  const systemd = absolute(environment.STATE_DIRECTORY?.split(':')[0]);
  if (systemd !== undefined) return systemd;
  const home = absolute(environment.HOME) ?? absolute(homedir());
  const state =
    absolute(environment.XDG_STATE_HOME) ?? (home === undefined ? undefined : join(home, '.local', 'state'));
  return state === undefined ? undefined : join(state, 'pgcached');
}

function absolute(path: string | undefined): string | undefined {
  return path !== undefined && isAbsolute(path) ? path : undefined;
}
