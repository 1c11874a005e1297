/**
 * What client and daemon say to each other: the version, the operations, the replies, and every limit. Numbers are
 * append-only: one that was published is never given another meaning.
 *
 * A frame is a u32 (big endian, the length of the body) and a body, which is one MessagePack array:
 *
 *     request  [id, op, ...arguments]       id: u32 in its five-byte form, from 1
 *     reply    [id, status, ...results]     to the request of that id, in any order
 *     push     [0, push, ...arguments]      unasked, from the daemon
 *
 * Values travel as opaque binary (see codec.ts): the daemon's main thread never opens one.
 */

export const PROTOCOL_VERSION = 1;

/**
 * The operations. `ns` is the number that OPEN gave; `ttlMs` is milliseconds, Infinity for none, nil for the default
 * of the namespace; `graceMs` is milliseconds past the expiry, 0 for none, Infinity for as long as there is a value; `flags` is a sum of FLAG; `tags` is an array of strings or nil.
 */
export const OP = {
  /** [version, release] → OK [version, release, start: a string that names this run of the daemon]. First, and once. */
  hello: 0,
  /** [namespace] → OK [ns, maxValueBytes, the SQL function that invalidates in it or nil, the database whose log knows it or nil]. The same name gives the same number; also asked to see if anybody is there. */
  open: 1,
  /** [ns, flags, key] → OK [value] or MISS []; with FLAG.near OK [value, until], with FLAG.names OK [value, names or nil] */
  get: 2,
  /** [ns, flags, keys] → OK [values: (bin or nil)[]] in the order of the keys; with FLAG.near OK [values, untils], with FLAG.names OK [values, names of all of them or nil] */
  getMany: 3,
  /** [ns, key, value, ttlMs, tags, graceMs] → OK [] */
  set: 4,
  /** [ns, keys, values, ttlMs, tags, graceMs] → OK [] */
  setMany: 5,
  /** [ns, key, value, ttlMs, tags, graceMs] → OK [stored] */
  add: 6,
  /** [ns, key] → OK [existed] */
  delete: 7,
  /** [ns, keys] → OK [count] */
  deleteMany: 8,
  /** [ns, flags, key] → OK [present] */
  has: 9,
  /** [ns] → OK [] */
  clear: 10,
  /** [ns] → OK [count] */
  count: 11,
  /** [ns, key, delta, ttlMs] → OK [counter] */
  incr: 12,
  /** [ns, key] → OK [ms left, Infinity for none] or MISS [] */
  ttl: 13,
  /** [ns, key, ttlMs] → OK [existed] */
  expire: 14,
  /** [ns, tags] → OK [] */
  invalidateTags: 15,
  /** [ns] → OK [rows removed] */
  cleanup: 16,
  /** [ns] → OK [JSON text of CacheStatistics] */
  stats: 17,
  /**
   * [ns, flags, key, graceMs, beta] → OK [value] (with FLAG.near [value, until]), LOAD [token, value or nil, current], STALE [value, error or nil], MISS []
   * (the load came to nothing), or an error of the load. With FLAG.names OK, LOAD and STALE have one field more: names or nil
   */
  load: 18,
  /**
   * [ns, flags, token, value, ttlMs, tags, graceMs, deltaMs, names or nil or left out] → as for `load`: OK [value] is what to answer, LOAD means load
   * again, and (with the flag `once`, instead of that) MISS that it was refused
   */
  fill: 19,
  /**
   * [ns, flags, token, value or nil] → OK []. The load threw (the error as a value), or (nil) returned nothing to store, or
   * (with the flag `passOn`) is not to be: the next who waits loads.
   */
  abandon: 20,
  /** [] → OK [JSON text of the daemon's state] */
  status: 21,
  /** [ns] → OK []: the daemon has seen every commit that was before this request */
  sync: 22,
  /**
   * [ns, on] → OK [now, freshUntil], or MISS [] where near tiers may keep nothing: this connection keeps near copies, or
   * not any more. Instants are milliseconds of the daemon's clock.
   */
  near: 23,
  /** [ns, flags, key, graceMs] → OK [value], STALE [value, nil], or MISS [], and names as for `load`: what there is for somebody who waits no longer */
  stale: 24,
} as const;

export type OpName = keyof typeof OP;

export const STATUS = {
  ok: 0,
  miss: 1,
  /**
   * [token, value or nil, current]: the caller is to compute the value, and to `fill` or `abandon` under this token. A value
   * that is current is the answer meanwhile; one that is not has expired within its grace.
   */
  load: 2,
  /** [code: index in ERROR_CODES, problem, value or nil]; the value is an error packed by the codec */
  error: 3,
  /** [value, error or nil]: a value under grace, and what the load threw, packed by the codec. */
  stale: 4,
} as const;

export const PUSH = {
  /** [code, problem]: why the daemon is about to close this connection. */
  goodbye: 0,
  /** [ns, keys] or [ns, nil] for all: near tiers forget them. */
  drop: 1,
  /** [ns, freshUntil]: near tiers may answer until that instant of the daemon's clock. */
  fresh: 2,
} as const;

export const FLAG = {
  /** Answer from the table, not from memory: the caller has reason to doubt what memory holds for it. */
  fromTable: 1,
  /** Of several keys: those that can't be read, where others can, are misses. Without it the whole call fails. */
  partial: 2,
  /**
   * Say of each value until when a near tier may keep it: an instant of the daemon's clock, Infinity for no end, nil for
   * not at all. A `drop` then tells of its end.
   */
  near: 4,
  /** One server is to load for the cluster. */
  cluster: 8,
  /** A refused value is not loaded again. */
  once: 16,
  /** Not an end of the load: somebody else is to do it. */
  passOn: 32,
  /**
   * Say by which names of the log what is returned can die (daemon's spelling: shared/table/names.ts): for a value that is made
   * of it. Takes the place of FLAG.near.
   */
  names: 64,
  /** What this load reads, in whatever namespace, becomes names of its value. */
  inherits: 128,
} as const;

/** Every limit of the protocol. */
export const LIMIT = {
  /** A frame's body. A value of the greatest size and the rest of its frame must fit. */
  frameBytesMax: 64 * 1024 * 1024,
  valueBytesMax: 32 * 1024 * 1024,
  valueBytesDefault: 8 * 1024 * 1024,
  valueDepthMax: 1000,
  keyBytesMax: 255,
  /** A key as the caller writes it, before it is shortened. */
  rawKeyBytesMax: 64 * 1024,
  keysPerCallMax: 10_000,
  tagBytesMax: 255,
  tagsPerEntryMax: 64,
  /** Names that one entry inherits from its parts; beyond it, those of a namespace give way to one for all of it. */
  inheritedNamesMax: 128,
  namespacesMax: 256,
  /** Of these one connection may open no more, so that no process can take them all. */
  namespacesPerConnectionMax: 128,
  /** Entries in the near tier of one process and namespace. */
  nearKeysMax: 100_000,
  /** Requests of one connection that wait for their reply. */
  pendingPerConnectionMax: 65_536,
  /** Bytes queued towards one client at which its further requests have to wait until it has read. */
  unreadBytesPause: 4 * 1024 * 1024,
  /** Bytes queued towards one client before it is cut off as not reading. */
  unreadBytesMax: 64 * 1024 * 1024,
  /** How long a client whose requests wait may take to read what is queued before it is cut off. */
  unreadMsMax: 30_000,
  connectionsMax: 10_000,
  /** The longest path a Unix socket can have on Linux, in bytes. */
  socketPathBytesMax: 107,
} as const;

export const NAMESPACE_PATTERN = /^[a-z][a-z0-9_]{0,31}$/;
export const DEFAULT_NAMESPACE = 'default';
export const DEFAULT_TTL_SECONDS = 300;
/** Deadline of a client's calls. */
export const DEFAULT_TIMEOUT_MS = 5000;
