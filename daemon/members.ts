import { ALONE } from '../shared/layout.js';
import type { Topology } from '../shared/table/topology.js';
import type { Clock } from './clock.js';
import { DatabaseFailure } from './database.js';
import { type Change, changeFor, NO_TOPOLOGY, type TopologyRecord } from './topology.js';

/** How often in a row databases that several daemons admit at once are looked at again. */
const ROUNDS_MAX = 8;
const ROUND_WAIT_MS = { min: 20, max: 150 };

/** One of the databases of the cache. */
export interface Member {
  readonly name: string;
  readonly record: TopologyRecord;
}

interface State extends Member {
  /** Whether its last look was answered. */
  inSight: boolean;
  admitted: boolean;
  refusal: string;
}

interface Found {
  readonly member: State;
  readonly topology: Topology;
}

export interface MembersOptions {
  readonly members: readonly Member[];
  /** The text of this daemon's layout. */
  readonly layout: string;
  readonly clock: Clock;
  readonly random: () => number;
  /** What lay in this database was invalidated: only what moved, where it is known how the cache was spread before. */
  onBegun(name: string, isKnown: boolean): void;
  /** Nothing is read or written any more (with the reason), or everything is again. */
  onOutvoted(reason: string | undefined): void;
  /** A database can't be one of these. */
  onRefused(name: string, reason: string): void;
}

/**
 * Which of the databases may be read and written: those of which it is known that all of them hold only what was written
 * since they became one cache. This is the race that it is for, with a database taken away and put back:
 *
 *     k lies on A ... A and B: k moves to B, set there ... A alone again: k on A is what it was before
 *
 * So each database has a record of its topology, and every change of it invalidates what has moved away or came back:
 *
 *     out of sight -- a look is answered --> all in sight agree on one epoch of our layout ----> admitted
 *                                            they do not --> the change is made in all of them > admitted
 *     admitted -- the record is of another layout: a daemon was started with another one ------> outvoted: all are barred
 *     outvoted -- the records are ours again --------------------------------------------------> admitted
 *
 * The epoch tells a database that was away while the others changed from one that was there all the time: if none is
 * known to come between, keys that lay on a database before and after have been there all the time and are kept.
 */
export class Members {
  readonly #options: MembersOptions;
  readonly #states: readonly State[];
  #started = false;
  #outvoted = false;
  /** Ends when what can be said of the databases now has been found out. */
  #settling: Promise<void>;
  #endOfStart: () => void = () => {};
  #isSettling = false;
  #again = false;

  constructor(options: MembersOptions) {
    this.#options = options;
    this.#states = options.members.map(({ name, record }) => {
      return { name, record, inSight: false, admitted: false, refusal: 'the database has not answered yet' };
    });
    this.#settling = new Promise((resolve) => {
      this.#endOfStart = resolve;
    });
  }

  /** Why a database may not be used; undefined where it may. */
  refusal(at: number): string | undefined {
    const { admitted, refusal } = this.#states[at] as State;
    return admitted ? undefined : refusal;
  }

  /**
   * What a statement has to wait for before it may go to the database.
   * @returns undefined where it may go at once; else a promise that rejects with a DatabaseFailure where it may not
   */
  bar(at: number): Promise<void> | undefined {
    const state = this.#states[at] as State;
    return state.admitted ? undefined : this.#wait(state);
  }

  /** Admits what is in sight; what comes into sight later is admitted then. */
  async start(): Promise<void> {
    this.#started = true;
    await this.settle();
    this.#endOfStart();
  }

  /** A look was answered. */
  sighted(at: number): void {
    const state = this.#states[at] as State;
    state.inSight = true;
    if (!state.admitted && !this.#outvoted && this.#started) void this.settle();
  }

  blind(at: number, reason: string): void {
    const state = this.#states[at] as State;
    state.inSight = false;
    if (!state.admitted && !this.#outvoted) state.refusal = reason;
  }

  /** Somebody began a topology, or may have: the records tell. */
  settle(): Promise<void> {
    if (!this.#started) return Promise.resolve();
    if (this.#isSettling) {
      this.#again = true;
      return this.#settling;
    }
    this.#isSettling = true;
    this.#settling = this.#settle();
    return this.#settling;
  }

  async #wait(state: State): Promise<void> {
    await this.#settling;
    if (!state.admitted) throw new DatabaseFailure('unreachable', state.refusal);
  }

  async #settle(): Promise<void> {
    const { clock, random } = this.#options;
    for (let round = 0; round < ROUNDS_MAX; round++) {
      this.#again = false;
      const isDone = await this.#round();
      if (isDone && !this.#again) break;
      // Several that begin an epoch at once undo each other's; whoever comes later finds one that all agree on.
      const waitMs = ROUND_WAIT_MS.min + random() * (ROUND_WAIT_MS.max - ROUND_WAIT_MS.min);
      if (!isDone) await new Promise<void>((resolve) => clock.after(waitMs, resolve));
    }
    this.#isSettling = false;
  }

  /** @returns false where somebody else was at it too */
  async #round(): Promise<boolean> {
    const { layout } = this.#options;
    const found = await this.#readAll();
    const isOther = ({ topology }: Found) => topology.layout !== layout && topology !== NO_TOPOLOGY;
    const foreign = found.find((one) => one.member.admitted && isOther(one));
    if (foreign !== undefined) {
      this.#outvote(foreign.member.name);
      return true;
    }
    if (this.#outvoted) {
      if (found.length < this.#states.length || found.some(({ topology }) => topology.layout !== layout)) return true;
      this.#outvoted = false;
      this.#options.onOutvoted(undefined);
    }
    // A record may be lost in a crash or a failover: it is made again.
    if (found.every(({ member, topology }) => member.admitted && topology !== NO_TOPOLOGY)) return true;
    const topologies = found.map(({ topology }) => topology);
    const change = changeFor(layout, topologies, this.#states[0]!.name);
    if (change !== undefined && !(await this.#begin(found, change))) return false;
    for (const { member } of found) member.admitted = true;
    return true;
  }

  async #readAll(): Promise<Found[]> {
    const found = await Promise.all(
      this.#states
        .filter((member) => member.inSight)
        .map(async (member) => {
          try {
            return { member, topology: (await member.record.readTopology()) ?? NO_TOPOLOGY };
          } catch (error) {
            if (!member.admitted) member.refusal = (error as Error).message;
            return undefined;
          }
        }),
    );
    return found
      .filter((one) => one !== undefined)
      .filter((one) => this.#isItself(one))
      .sort((a, b) => (a.member.name < b.member.name ? -1 : 1));
  }

  /** Two URLs may lead to one database, by two names: keys of both would then be in the same table. */
  #isItself({ member, topology }: Found): boolean {
    const { layout, onRefused } = this.#options;
    if (layout === ALONE || topology.layout !== layout || topology.node === member.name) return true;
    const refusal = `${member.name} and ${topology.node} are names of the same tables: name each database once`;
    if (member.refusal !== refusal) onRefused(member.name, refusal);
    member.refusal = refusal;
    member.admitted = false;
    return false;
  }

  /** One after the other, always in the same order: of several daemons whoever is first at the first decides. */
  async #begin(found: readonly Found[], change: Change): Promise<boolean> {
    const { layout, onBegun } = this.#options;
    for (const { member, topology } of found) {
      if (topology.layout === layout && topology.epoch === change.epoch) continue;
      const { name, record } = member;
      const before = topology === NO_TOPOLOGY ? undefined : topology;
      const isNew = before === undefined && layout === ALONE;
      const isKnown = before !== undefined && before.epoch === change.follows;
      const from = isNew ? ALONE : isKnown ? before.layout : undefined;
      const begun: Topology = { layout, ...change, node: name };
      try {
        // A table may be too large to be looked through in the time that a statement has.
        const isDone = await record
          .beginTopology(before, from, begun)
          .catch(() => record.beginTopology(before, undefined, begun));
        if (!isDone) return false;
      } catch {
        return false;
      }
      if (!isNew) onBegun(name, isKnown);
    }
    return true;
  }

  #outvote(name: string): void {
    this.#outvoted = true;
    const reason =
      `another daemon, started later, spreads this cache in another way (so says ${name}): ` +
      'give all of them the same databaseUrl, databaseWeights and placements, and start this one again';
    for (const state of this.#states) {
      state.admitted = false;
      state.refusal = reason;
    }
    this.#options.onOutvoted(reason);
  }
}
