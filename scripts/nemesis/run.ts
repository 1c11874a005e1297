import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkHistory } from './check.js';
import { FAULT_KINDS, FAULTS, type FaultKind } from './faults.js';
import type { Violation } from './history.js';
import type { FromClient } from './messages.js';
import { type Found, neighbours } from './neighbours.js';
import { STALE_BOUND_MS } from './processes.js';
import { Random } from './random.js';
import { World } from './world.js';

const ROUND_MS = 60_000;
const WARM_UP_MS = 1_000;
const PROGRESS_MS = 5_000;
const STRIKES_MAX = 40;
const RETRY_MS = 250;
const EXAMPLES_SHOWN_MAX = 20;

export interface NemesisOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly faults: Iterable<FaultKind>;
  /** From one fault to the next, on the average; they may overlap. */
  readonly faultEveryMs: number;
  readonly progress?: (line: string) => void;
}

export interface NemesisReport {
  readonly seed: number;
  readonly seconds: number;
  readonly operations: number;
  readonly reads: number;
  readonly writes: number;
  readonly faults: Readonly<Record<FaultKind, number>>;
  /** By their codes: calls that the faults made fail. */
  readonly failedCalls: Readonly<Record<string, number>>;
  readonly staleBoundMs: number;
  /** Of plain keys: how long before a read began another value had been due. */
  readonly stalestMs: number;
  /** The same of values made of others, by their parts. */
  readonly stalestMadeMs: number;
  readonly madeReads: number;
  /** Of them, those that were answered with what another read had made. */
  readonly madeHits: number;
  /** Reads that were answered under grace; and by how much, at most, they were behind what their daemon could not know. */
  readonly graceReads: number;
  readonly stalestGraceMs: number;
  /** Answers to queries of the accounts that the cache had a part in. */
  readonly queryReads: number;
  readonly stalestQueryMs: number;
  /** By the count of the processes that were there at the end of a round. */
  readonly queries: Readonly<Record<'hits' | 'misses' | 'bypasses', number>>;
  readonly violations: number;
  readonly examples: readonly Found[];
  /** What ended, or did not come back, without being meant to. */
  readonly failures: readonly string[];
  /** Logs of the daemons and the whole histories: kept where there is something to look into. */
  readonly folder: string | undefined;
  /** The examples, each with what else happened to its key at about that time. */
  readonly historyFile: string | undefined;
}

/** Two hosts under faults, round after round; each round's history is checked at its end. */
export async function runNemesis(options: NemesisOptions): Promise<NemesisReport> {
  const random = new Random(options.seed);
  const world = await World.open(random);
  const tally = new Tally();
  const faults = options.faults[Symbol.iterator]();
  let keep = true;
  try {
    for (let leftMs = options.seconds * 1_000; leftMs > 0; leftMs -= ROUND_MS) {
      await round(world, Math.min(leftMs, ROUND_MS), faults, random, options, tally);
    }
    keep = tally.violations > 0 || world.failures.length > 0;
    const { seed, seconds } = options;
    const folder = keep ? world.folder : undefined;
    const figures = tally.figures;
    const historyFile = figures.violations > 0 ? join(world.folder, 'violations.json') : undefined;
    if (historyFile !== undefined) writeFileSync(historyFile, JSON.stringify(figures.examples, undefined, 1));
    return { seed, seconds, ...figures, failures: world.failures, folder, historyFile };
  } finally {
    await world.close(keep);
  }
}

async function round(
  world: World,
  lengthMs: number,
  faults: Iterator<FaultKind>,
  random: Random,
  options: NemesisOptions,
  tally: Tally,
): Promise<void> {
  await world.startRound();
  const endMs = performance.now() + lengthMs;
  const timer = setInterval(() => {
    const struck = Object.values(tally.faults).reduce((sum, count) => sum + count, 0);
    options.progress?.(`${world.operations} operations in this round; faults so far: ${struck}`);
  }, PROGRESS_MS);
  const working = new Map<FaultKind, Promise<void>>();
  await sleep(WARM_UP_MS);
  while (performance.now() < endMs) {
    const next = faults.next();
    if (next.done) break;
    await working.get(next.value); // of one kind, one at a time
    if (isCrash(next.value)) await Promise.all([...working].filter(([kind]) => isCrash(kind)).map(([, done]) => done));
    const done = strike(next.value, world, random)
      .then((struck) => {
        if (struck) tally.faults[next.value] += 1;
      })
      .catch((error: Error) => {
        world.failures.push(`the fault ${next.value}: ${error.message}`);
      });
    working.set(next.value, done);
    await sleep(random.below(2 * options.faultEveryMs));
  }
  await Promise.all(working.values());
  await sleep(Math.max(0, endMs - performance.now()));
  clearInterval(timer);
  const clients = world.clients;
  const history = await world.endRound();
  const verdict = checkHistory(history, STALE_BOUND_MS * 1_000);
  tally.add(verdict, history);
  if (verdict.violations.length === 0) world.forgetRound();
  for (const { last } of clients) tally.addCounts(last);
}

/** Some ask Postgres whom to strike, which may be away by another fault: then again a little later. */
async function strike(kind: FaultKind, world: World, random: Random): Promise<boolean> {
  for (let attempt = 0; attempt < STRIKES_MAX; attempt++) {
    try {
      await FAULTS[kind](world, random);
      return true;
    } catch (error) {
      if (!isAway(error)) throw error;
      await sleep(RETRY_MS);
    }
  }
  return false;
}

function isAway(error: unknown): boolean {
  const { code = '', message = '' } = error as { code?: string; message?: string };
  return /^(57P0|ECONN|ENOENT|EPIPE)/.test(code) || /terminated|timeout|ended/i.test(message);
}

const isCrash = (kind: FaultKind): boolean => kind === 'killBackend' || kind === 'restartPostgres';

const namesOf = <T extends object>(record: T) => Object.keys(record) as (keyof T)[];

class Tally {
  readonly faults = Object.fromEntries(FAULT_KINDS.map((kind) => [kind, 0])) as Record<FaultKind, number>;
  readonly #sums = { reads: 0, writes: 0, madeReads: 0, madeHits: 0, graceReads: 0, queryReads: 0 };
  readonly #maxima = { stalestUs: 0, stalestMadeUs: 0, stalestGraceUs: 0, stalestQueryUs: 0 };
  readonly #queries = { hits: 0, misses: 0, bypasses: 0 };
  readonly #codes: Record<string, number> = {};
  readonly #examples: Found[] = [];
  violations = 0;

  add(verdict: ReturnType<typeof checkHistory>, history: Parameters<typeof checkHistory>[0]): void {
    for (const name of namesOf(this.#sums)) this.#sums[name] += verdict[name];
    for (const name of namesOf(this.#maxima)) this.#maxima[name] = Math.max(this.#maxima[name], verdict[name]);
    this.violations += verdict.violations.length;
    const room = EXAMPLES_SHOWN_MAX - this.#examples.length;
    const first = (violation: Violation): Found => ({ ...violation, neighbours: neighbours(violation, history) });
    this.#examples.push(...verdict.violations.slice(0, room).map(first));
  }

  addCounts({ codes, queries }: FromClient): void {
    for (const name of namesOf(this.#queries)) this.#queries[name] += queries[name];
    for (const [code, count] of Object.entries(codes)) this.#codes[code] = (this.#codes[code] ?? 0) + count;
  }

  get figures() {
    const { stalestUs, stalestMadeUs, stalestGraceUs, stalestQueryUs } = this.#maxima;
    return {
      operations: this.#sums.reads + this.#sums.writes,
      ...this.#sums,
      faults: this.faults,
      failedCalls: this.#codes,
      staleBoundMs: STALE_BOUND_MS,
      stalestMs: stalestUs / 1_000,
      stalestMadeMs: stalestMadeUs / 1_000,
      stalestGraceMs: stalestGraceUs / 1_000,
      stalestQueryMs: stalestQueryUs / 1_000,
      queries: this.#queries,
      violations: this.violations,
      examples: this.#examples,
    };
  }
}
