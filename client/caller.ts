import { pack } from '../shared/codec.js';
import { CacheError, type ErrorCode } from '../shared/errors.js';
import { FLAG, LIMIT } from '../shared/protocol.js';
import type { ClientOp } from './call.js';
import { Channel } from './channel.js';
import type { Connection } from './connection.js';
import { Doubt } from './doubt.js';
import { LOAD, type LoadAnswer } from './load-ops.js';
import type { NearTier } from './near.js';
import { acquireNear, releaseNear } from './near-link.js';
import type { FlagsAndKey } from './near-ops.js';
import * as ops from './ops.js';
import type { CheckedConnectOptions } from './options.js';
import { OwedDeletes } from './owed.js';
import { isInheriting, PartReader } from './parts.js';
import { outsideTransaction, refuseInTransaction } from './transaction.js';

/** What `onUnavailable: 'degrade'` hides from reads and sets. */
const DEGRADABLE: ReadonlySet<ErrorCode> = new Set([
  'ERR_UNAVAILABLE',
  'ERR_DATABASE',
  'ERR_TIMEOUT',
  'ERR_UNKNOWN_OUTCOME',
  'ERR_OVERLOADED',
]);

const NO_MARKS: readonly number[] = [];

/** In place of keys: a write that concerns every key. */
export const ALL = Symbol('all keys');

/** The calls of one client, and what they mean when the daemon or Postgres is away: the answers of `onUnavailable`. */
export class Caller {
  readonly channel: Channel;
  readonly doubt = new Doubt(() => performance.now());
  readonly near: NearTier | undefined;
  readonly #options: CheckedConnectOptions;
  readonly #connection: Connection;
  readonly #owed: OwedDeletes;
  readonly #hides = (error: unknown): boolean => this.degrades(error);
  /** Entries that were given to be stored, and dropped. */
  dropped = 0;

  constructor(options: CheckedConnectOptions, connection: Connection) {
    this.#options = options;
    this.#connection = connection;
    // Before the channel: the daemon then knows of the near tier before it is asked for anything.
    if (options.near !== undefined) this.near = acquireNear(connection, options.namespace, options.near);
    this.#owed = new OwedDeletes(
      {
        deleteKeys: (keys) => outsideTransaction(() => this.deleteMany(keys)),
        clear: () => outsideTransaction(() => this.write(ops.CLEAR, [], ALL)),
      },
      Math.random,
    );
    this.channel = new Channel(connection, options.namespace, options.timeoutMs, () => {
      if (this.#owed.any) this.#owed.settleAll().catch(() => {});
    });
  }

  close(): void {
    if (this.near !== undefined && !this.channel.closed) releaseNear(this.#connection, this.#options.namespace);
    this.#owed.stop();
    this.channel.close();
  }

  /** The near tier; not where this process has reason to doubt what tiers hold of the key, nor for who asks for names. */
  nearFor(key: string): NearTier | undefined {
    if (this.near === undefined || this.channel.closed || isInheriting()) return undefined;
    return this.#owed.has(key) || this.doubt.mark(key) !== 0 ? undefined : this.near;
  }

  /** For the load that runs here, if one does that inherits from what it reads. */
  reader(): PartReader | undefined {
    return PartReader.current(this.channel);
  }

  /** Whether the error is one that `onUnavailable: 'degrade'` hides. */
  degrades(error: unknown): boolean {
    return this.#options.onUnavailable === 'degrade' && error instanceof CacheError && DEGRADABLE.has(error.code);
  }

  /** Whether what tiers hold of the key is older than a set that was dropped. */
  isOwed(key: string): boolean {
    return this.#owed.has(key);
  }

  /** Where a delete is owed for the key: resolves when it is done, and rejects if that cannot be. */
  settled(key: string): Promise<void> | undefined {
    return this.#owed.has(key) ? this.#owed.settle([key]) : undefined;
  }

  /** @throws CacheError ERR_INVALID_VALUE, ERR_VALUE_TOO_LARGE */
  pack(value: unknown): Uint8Array {
    const bytes = pack(value);
    const limit = this.channel.maxValueBytes;
    if (bytes.length > limit) {
      const problem = `the value takes ${bytes.length} bytes, the limit of namespace ${this.#options.namespace} is ${limit}`;
      throw new CacheError('ERR_VALUE_TOO_LARGE', problem);
    }
    return bytes;
  }

  /** @param absent what a miss is answered with, and an error that `onUnavailable: 'degrade'` hides */
  read<R>(op: ClientOp<FlagsAndKey, R | undefined>, key: string, absent: R): Promise<R> {
    const reader = this.reader();
    const isPlain = reader === undefined && !this.#owed.has(key) && this.doubt.mark(key) === 0;
    return isPlain
      ? this.channel.callOr(op, [0, key, this.near, undefined], absent, this.#hides)
      : this.#readWithCare(op, key, absent, reader);
  }

  async #readWithCare<R>(
    op: ClientOp<FlagsAndKey, R | undefined>,
    key: string,
    absent: R,
    reader: PartReader | undefined,
  ): Promise<R> {
    try {
      const settled = this.settled(key);
      if (settled !== undefined) await settled;
      const mark = this.doubt.mark(key);
      const flags = mark === 0 ? 0 : FLAG.fromTable;
      const result = await this.channel.call(op, [flags, key, this.near, reader]);
      if (mark !== 0) this.doubt.settle(key, mark);
      return result === undefined ? absent : result;
    } catch (error) {
      if (this.degrades(error)) return absent;
      throw error;
    } finally {
      reader?.keys([key]);
    }
  }

  /**
   * Not async: of a hit, which most answers are, each promise costs a tenth.
   * @param flags sum of FLAG; `fromTable` is added where it has to be
   * @param reader what `reader()` gives
   */
  askLoad(
    key: string,
    flags: number,
    graceMs: number,
    beta: number,
    reader: PartReader | undefined,
  ): Promise<LoadAnswer> {
    return this.#owed.has(key) || this.doubt.mark(key) !== 0
      ? this.#askLoadWithCare(key, flags, graceMs, beta, reader)
      : this.channel.call(LOAD, [flags, key, this.near, reader, graceMs, beta]);
  }

  async #askLoadWithCare(
    key: string,
    flags: number,
    graceMs: number,
    beta: number,
    reader: PartReader | undefined,
  ): Promise<LoadAnswer> {
    const settled = this.settled(key);
    if (settled !== undefined) await settled;
    const mark = this.doubt.mark(key);
    const asked = mark === 0 ? flags : flags | FLAG.fromTable;
    const answer = await this.channel.call(LOAD, [asked, key, this.near, reader, graceMs, beta]);
    // A value under grace is nobody's news of the key.
    if (mark !== 0 && answer.kind !== 'stale') this.doubt.settle(key, mark);
    return answer;
  }

  async readMany(keys: readonly string[]): Promise<readonly unknown[]> {
    const reader = this.reader();
    try {
      const owed = this.#owed.any ? await this.#stillOwed(keys) : undefined;
      const marks = this.doubt.hasBeen ? keys.map((key) => this.doubt.mark(key)) : NO_MARKS;
      const partial = this.#options.onUnavailable === 'degrade' ? FLAG.partial : 0;
      const flags = partial | (marks.some((mark) => mark !== 0) ? FLAG.fromTable : 0);
      const values = await this.channel.call(ops.GET_MANY, [flags, keys, this.near, reader]);
      for (const [i, mark] of marks.entries()) {
        // A miss may mean that the key's database is away: then the table was not asked.
        const isAnswered = partial === 0 || values[i] !== undefined;
        if (mark !== 0 && isAnswered) this.doubt.settle(keys[i]!, mark);
      }
      return owed === undefined ? values : values.map((value, i) => (owed.has(keys[i]!) ? undefined : value));
    } catch (error) {
      if (this.degrades(error)) return [];
      throw error;
    } finally {
      reader?.keys(keys);
    }
  }

  /** Which of the keys can't be looked at yet, the others being none of them; undefined where all can. */
  async #stillOwed(keys: readonly string[]): Promise<ReadonlySet<string> | undefined> {
    const owed = new Set(keys.filter((key) => this.#owed.has(key)));
    if (owed.size === 0) return undefined;
    try {
      await this.#owed.settle([...owed]);
      return undefined;
    } catch (error) {
      // With several databases one of them may be away, and with it these keys, but not the others.
      if (!this.degrades(error) || owed.size === keys.length) throw error;
      return owed;
    }
  }

  /** What a write of unknown outcome came to is looked up in the table when its keys are next read. */
  write<A extends readonly unknown[], R>(
    op: ClientOp<A, R>,
    args: A,
    keys: readonly string[] | typeof ALL,
  ): Promise<R> {
    return this.#send(op, args, keys, (error) => {
      throw error;
    });
  }

  /** A set that cannot be done is dropped under 'degrade', and its keys are to leave every tier. */
  store<A extends readonly unknown[]>(op: ClientOp<A, void>, args: A, keys: readonly string[]): Promise<void> {
    const drop = (error: unknown): void => {
      if (!this.degrades(error)) throw error;
      this.dropped += keys.length;
      this.#owed.add(keys);
    };
    return this.#owed.any && keys.some((key) => this.#owed.has(key))
      ? this.#storeSettled(op, args, keys, drop)
      : this.#send(op, args, keys, drop);
  }

  async #storeSettled<A extends readonly unknown[]>(
    op: ClientOp<A, void>,
    args: A,
    keys: readonly string[],
    drop: (error: unknown) => void,
  ): Promise<void> {
    refuseInTransaction();
    try {
      await this.#owed.settle(keys);
    } catch (error) {
      // Some of the keys may not have been owed anything until now.
      this.near?.drop(keys);
      return drop(error);
    }
    return this.#send(op, args, keys, drop);
  }

  /** One promise besides the call's own: each async function around it would be another, and a few turns of the microtasks. */
  #send<A extends readonly unknown[], R>(
    op: ClientOp<A, R>,
    args: A,
    keys: readonly string[] | typeof ALL,
    instead: (error: unknown) => R,
  ): Promise<R> {
    try {
      refuseInTransaction();
    } catch (error) {
      return Promise.reject(error);
    }
    const asked = this.#owed.count;
    return this.channel.call(op, args).then(
      (result) => {
        if (!this.#owed.any) return result;
        if (keys !== ALL) this.#owed.forget(keys, asked);
        // Not for an invalidation of tags: what is owed need not have any of them.
        else if (op.code === ops.CLEAR.code) this.#owed.forgetAll(asked);
        return result;
      },
      (error: unknown) => {
        // Also what is about to be dropped, and owed a delete, is not to be read here any more.
        this.near?.drop(keys === ALL ? undefined : keys);
        if (error instanceof CacheError && error.code === 'ERR_UNKNOWN_OUTCOME') {
          if (keys === ALL) this.doubt.addAll();
          else this.doubt.add(keys);
        }
        return instead(error);
      },
    );
  }

  /** The daemon looks at what was committed; where it can't, no key is read from memory before the table has been asked. */
  async seeCommits(): Promise<void> {
    try {
      await this.channel.call(ops.SYNC, []);
    } catch {
      this.doubt.addAll();
    }
  }

  async deleteMany(keys: readonly string[]): Promise<number> {
    let count = 0;
    for (let from = 0; from < keys.length; from += LIMIT.keysPerCallMax) {
      const part = keys.slice(from, from + LIMIT.keysPerCallMax);
      count += await this.write(ops.DELETE_MANY, [part], part);
    }
    return count;
  }
}
