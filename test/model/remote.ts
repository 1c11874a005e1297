import { ALL, Caller } from '../../client/caller.js';
import { Connection } from '../../client/connection.js';
import { packThrown } from '../../client/failures.js';
import type { OpenLink } from '../../client/link.js';
import { ABANDON, FILL, LOAD, type LoadAnswer, STALE } from '../../client/load-ops.js';
import * as ops from '../../client/ops.js';
import type { PartReader } from '../../client/parts.js';
import type { Push } from '../../client/push.js';
import type { Bytes, FillTerms, Holder, LoadOutcome, NamedValue } from '../../daemon/namespace.js';
import { CacheError } from '../../shared/errors.js';
import { FLAG } from '../../shared/protocol.js';
import { bytesOf } from './bytes.js';
import type { ModelAsk, Space } from './space.js';
import type { World } from './world.js';

const NEAR_LIMITS = { maxEntries: 100, maxBytes: 1e6 };
const THROWN = new CacheError('ERR_LOAD_FAILED', 'the load threw');

/** The client of one process: its real connection, callers and near tiers, on a clock that has an origin of its own. */
export class Remote {
  readonly #connection: Connection;
  readonly #spaces = new Map<string, RemoteSpace>();

  /** @param onNeedless told of keys that the daemon says are lost, though this process has never asked for them */
  constructor(world: World, name: string, openLink: OpenLink, onNeedless: (key: string) => void) {
    const originMs = 1000 * world.random.below(1000);
    const clock = { ...world.clock, now: () => world.nowMs + originMs };
    const random = () => world.random.next();
    this.#connection = new Connection({ path: name, release: 'model', openLink, random, clock });
    this.#connection.subscribe({
      connected: () => {},
      lost: () => {},
      pushed: (push) => this.#pushed(push, onNeedless),
    });
  }

  get isConnected(): boolean {
    return this.#connection.state === 'ready';
  }

  get epoch(): number {
    return this.#connection.epoch;
  }

  space(namespace: string): RemoteSpace {
    let space = this.#spaces.get(namespace);
    if (space === undefined) {
      space = new RemoteSpace(namespace, this.#connection);
      this.#spaces.set(namespace, space);
    }
    return space;
  }

  #pushed(push: Push, onNeedless: (key: string) => void): void {
    if (push.kind !== 'drop') return;
    const spaces = [...this.#spaces.values()];
    for (const key of push.keys ?? []) if (!spaces.some(({ asked }) => asked.has(key))) onNeedless(key);
  }

  close(): void {
    for (const space of this.#spaces.values()) space.close();
    void this.#connection.close();
  }
}

/** The names that come with a part, as `PartReader` is told them. */
class Names {
  readonly list: string[] = [];

  names(names: readonly string[] | undefined): void {
    this.list.push(...(names ?? []));
  }

  get reader(): PartReader {
    return this as unknown as PartReader;
  }
}

/** One namespace over the wire, through the client's near tier. */
export class RemoteSpace implements Space {
  readonly name: string;
  /** Keys whose values the near tier may have been given. */
  readonly asked = new Set<string>();
  readonly #caller: Caller;
  /** Loads that were handed to this process, by a number that no other has had. */
  readonly #granted = new Map<number, { token: number; epoch: number; key: string }>();
  #grants = 0;

  constructor(namespace: string, connection: Connection) {
    this.name = namespace;
    // No call is late by itself: when a caller loses patience is the schedule's to say.
    const options = { socket: '', namespace, onUnavailable: 'throw', timeoutMs: 1e9, near: NEAR_LIMITS } as const;
    this.#caller = new Caller(options, connection);
  }

  close(): void {
    this.#caller.close();
  }

  held(key: string): Bytes | undefined {
    const value = this.#caller.nearFor(key)?.get(key);
    return value === undefined ? undefined : bytesOf(value);
  }

  doubt(key: string | undefined): void {
    this.#caller.near?.drop(key === undefined ? undefined : [key]);
    if (key === undefined) this.#caller.doubt.addAll();
    else this.#caller.doubt.add([key]);
  }

  async get(key: string, fromTable: boolean): Promise<Bytes | undefined> {
    if (fromTable) this.#caller.doubt.add([key]);
    this.asked.add(key);
    const value = await this.#caller.read(ops.GET, key, undefined);
    return value === undefined ? undefined : bytesOf(value);
  }

  async many(keys: readonly string[], fromTable: readonly boolean[]): Promise<(Bytes | undefined)[]> {
    this.#caller.doubt.add(keys.filter((_, at) => fromTable[at]));
    for (const key of keys) this.asked.add(key);
    const values = await this.#caller.readMany(keys);
    return values.map((value) => (value === undefined ? undefined : bytesOf(value)));
  }

  async named([key]: readonly string[], fromTable: boolean): Promise<(NamedValue | undefined)[]> {
    const names = new Names();
    const flags = fromTable ? FLAG.fromTable : 0;
    const { channel, near } = this.#caller;
    const value = await channel.call(ops.GET, [flags, key as string, near, names.reader]);
    return [value === undefined ? undefined : { bytes: bytesOf(value), names: names.list }];
  }

  async set(key: string, value: Bytes, ttlMs: number, tags: readonly string[], graceMs: number): Promise<void> {
    await this.#caller.write(ops.SET, [key, value, ttlMs, tags, graceMs], [key]);
  }

  add(key: string, value: Bytes, ttlMs: number, tags: readonly string[], graceMs: number): Promise<boolean> {
    return this.#caller.write(ops.ADD, [key, value, ttlMs, tags, graceMs], [key]);
  }

  delete(key: string): Promise<boolean> {
    return this.#caller.write(ops.DELETE, [key], [key]);
  }

  incr(key: string, delta: number, ttlMs: number): Promise<number> {
    return this.#caller.write(ops.INCR, [key, delta, ttlMs], [key]);
  }

  expire(key: string, ttlMs: number): Promise<boolean> {
    return this.#caller.write(ops.EXPIRE, [key, ttlMs], [key]);
  }

  async clear(): Promise<void> {
    await this.#caller.write(ops.CLEAR, [], ALL);
  }

  async invalidateTags(tags: readonly string[]): Promise<void> {
    await this.#caller.write(ops.INVALIDATE_TAGS, [tags], ALL);
  }

  cleanup(): Promise<number> {
    return this.#caller.channel.call(ops.CLEANUP, []);
  }

  async load(key: string, _holder: Holder, ask: ModelAsk): Promise<LoadOutcome> {
    const { channel, near } = this.#caller;
    const flags = (ask.cluster ? FLAG.cluster : 0) | (ask.inherits ? FLAG.inherits : 0);
    if (!ask.isPart) {
      this.asked.add(key);
      if (ask.fromTable) this.#caller.doubt.add([key]);
      return this.#outcome(key, await this.#caller.askLoad(key, flags, ask.graceMs, ask.beta, undefined));
    }
    const names = new Names();
    const asked = ask.fromTable ? flags | FLAG.fromTable : flags;
    const answer = await channel.call(LOAD, [asked, key, near, names.reader, ask.graceMs, ask.beta]);
    return this.#outcome(key, answer, names.list);
  }

  async fill(number: number, _holder: Holder, value: Bytes, terms: FillTerms): Promise<LoadOutcome> {
    const { channel, near } = this.#caller;
    const { token, epoch, key } = this.#take(number);
    const { ttlMs, tags, names = [], graceMs, deltaMs } = terms;
    const read = new Names();
    const given = [0, token, value, ttlMs, tags, graceMs, deltaMs, names, key, near, read.reader] as const;
    const answer = await channel.call(FILL, given, epoch);
    return this.#outcome(key, answer, read.list);
  }

  async stale(key: string, graceMs: number): Promise<LoadOutcome> {
    const { channel, near } = this.#caller;
    return this.#outcome(key, await channel.call(STALE, [key, near, undefined, graceMs]));
  }

  abandon(number: number, _holder: Holder, end: Bytes | undefined | 'passed'): void {
    const { token, epoch } = this.#take(number);
    const error = end === undefined ? undefined : packThrown(THROWN);
    this.#caller.channel.call(ABANDON, [0, token, error], epoch).catch(() => {});
  }

  #take(number: number): { token: number; epoch: number; key: string } {
    const granted = this.#granted.get(number);
    if (granted === undefined) throw new Error(`no load has the number ${number}`);
    this.#granted.delete(number);
    return granted;
  }

  #outcome(key: string, answer: LoadAnswer, names: readonly string[] = []): LoadOutcome {
    if (answer.kind === 'nothing') return answer;
    const bytes = answer.value === undefined ? undefined : bytesOf(answer.value);
    if (answer.kind !== 'load') {
      const error = answer.kind === 'stale' && answer.error !== undefined ? new Uint8Array(1) : undefined;
      return { kind: answer.kind, bytes: bytes as Bytes, names, error };
    }
    const token = ++this.#grants;
    this.#granted.set(token, { token: answer.token, epoch: answer.epoch, key });
    if (answer.isCurrent) return { kind: 'refresh', token, bytes: bytes as Bytes, names };
    return { kind: 'load', token, stale: bytes };
  }
}
