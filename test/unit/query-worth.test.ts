/** When caching a statement pays, in a simulated world: what a program saves and loses by it, in simulated milliseconds. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FirstSights, hashOf } from '../../client/query/first-sights.js';
import { RobustMean } from '../../client/query/robust-mean.js';
import { DIRECT_CALLS_MAX, DIRECT_CALLS_MIN, DIRECT_MS_MAX, Worth } from '../../client/query/worth.js';
import { randomOf, zipf } from '../../scripts/bench-query/random.js';

// gate: cost=1 timeout=60

const test = suite('the worth of a statement');

const SEED = 7;
/** As measured over a Unix socket on one machine: the query, what a miss adds, a hit. */
const CHEAP = { ownMs: 0.25, addedMs: 1.15, hitMs: 0.03 };

interface World {
  ownMs: number;
  addedMs: number;
  hitMs: number;
  /** Keys, the first ones most often; Infinity: each is new. */
  keys: number;
  /** Calls from one change to the next, which drops everything; a change of one key where `dropsOne`. */
  changesEvery: number;
  dropsOne?: boolean;
}

/** Calls of one statement, one after the other. */
class Program {
  readonly worth = new Worth();
  readonly #random = randomOf(SEED);
  readonly #zipf = zipf(this.#random);
  #found = new Set<number>();
  nowMs = 0;
  calls = 0;
  direct = 0;
  hits = 0;
  /** What all calls would have taken without the cache. */
  plainMs = 0;

  /** @returns calls until it went directly; undefined where it never did */
  run(calls: number, world: World): number | undefined {
    let wentAt: number | undefined;
    for (let n = 0; n < calls; n++) {
      this.calls += 1;
      if (this.#random() * world.changesEvery < 1) this.#change(world);
      const key = world.keys === Number.POSITIVE_INFINITY ? this.calls : this.#zipf(world.keys);
      // Mostly as usual, now and then a stall of everything.
      const noise = () => (this.#random() < 0.01 ? 30 : 0.5 - 0.5 * Math.log(1 - this.#random()));
      const ownMs = world.ownMs * noise();
      this.plainMs += ownMs;
      if (this.worth.isDirect(this.nowMs)) {
        this.direct += 1;
        this.nowMs += ownMs;
        this.worth.direct(ownMs);
      } else {
        const isHit = this.#found.has(key);
        const tookMs = isHit ? world.hitMs * noise() : ownMs + world.addedMs * noise();
        this.nowMs += tookMs;
        if (isHit) this.hits += 1;
        this.#found.add(key);
        const hash = hashOf(String(key));
        const isOver = isHit
          ? this.worth.hit(hash, tookMs, this.nowMs)
          : this.worth.miss(hash, tookMs, ownMs, this.nowMs);
        if (isOver) wentAt ??= n + 1;
      }
    }
    return wentAt;
  }

  #change({ dropsOne, keys }: World): void {
    if (dropsOne) this.#found.delete(this.#zipf(keys));
    else this.#found.clear();
  }
}

test('a cheap query of tables that change all the time goes directly soon, and costs what it costs without the cache', () => {
  for (const changesEvery of [1, 4, 16]) {
    const program = new Program();
    const world = { ...CHEAP, keys: 4_000, changesEvery };
    const wentAt = program.run(200_000, world);
    assert.ok(wentAt !== undefined && wentAt < 400, `a change every ${changesEvery} calls: ${wentAt}`);
    assert.ok(program.nowMs < 1.12 * program.plainMs, `${program.nowMs / program.plainMs} times as long`);
  }
});

test('what is asked for again and rests stays in the cache from the first call on, however many keys there are to be filled', () => {
  for (const keys of [1, 50, 1_000, 4_000]) {
    const program = new Program();
    assert.is(
      program.run(100_000, { ...CHEAP, keys, changesEvery: Number.POSITIVE_INFINITY }),
      undefined,
      `${keys} keys`,
    );
    assert.ok(program.nowMs < 0.8 * program.plainMs);
  }
});

test('rows that change one by one stay, at nine hits of ten', () => {
  const program = new Program();
  const world = { ...CHEAP, keys: 2_000, changesEvery: 20, dropsOne: true };
  assert.is(program.run(200_000, world), undefined);
  assert.ok(program.hits > 0.9 * program.calls);
});

test('a small gain is not lost to a run of bad luck', () => {
  const program = new Program();
  const world = { ...CHEAP, keys: 400, changesEvery: 8, dropsOne: true };
  assert.is(program.run(100_000, world), undefined);
  const gain = program.plainMs / program.nowMs;
  assert.ok(gain > 1.05 && gain < 1.5, `${gain} times as fast, of ${program.hits / program.calls} hits`);
});

test('what nobody asks for again goes directly, and costs next to nothing more', () => {
  const program = new Program();
  const world = { ...CHEAP, keys: Number.POSITIVE_INFINITY, changesEvery: Number.POSITIVE_INFINITY };
  const wentAt = program.run(300_000, world);
  assert.ok(wentAt !== undefined && wentAt < 400, String(wentAt));
  assert.ok(program.nowMs < 1.12 * program.plainMs, `${program.nowMs / program.plainMs} times as long`);
});

test('an expensive query earns its place, be it never found', () => {
  for (const ownMs of [4, 30, 500]) {
    const program = new Program();
    assert.is(program.run(20_000, { ...CHEAP, ownMs, keys: 10, changesEvery: 1 }), undefined, `${ownMs} ms`);
  }
  const onBusyMachine = { ownMs: 50, addedMs: 200, hitMs: 5, keys: 10, changesEvery: 1 };
  assert.is(new Program().run(20_000, onBusyMachine), undefined);
});

test('it comes back when its tables rest, and goes again when they do not', () => {
  const program = new Program();
  const world = { ...CHEAP, keys: 100 };
  for (let round = 0; round < 5; round++) {
    const wentAt = program.run(20_000, { ...world, changesEvery: 1 });
    assert.ok(wentAt !== undefined && wentAt < 1_000, `round ${round}: ${wentAt}`);
    program.run(40_000, { ...world, changesEvery: Number.POSITIVE_INFINITY });
    const [before, hits] = [program.direct, program.hits];
    program.run(10_000, { ...world, changesEvery: Number.POSITIVE_INFINITY });
    assert.is(program.direct - before, 0, `round ${round}`);
    assert.is(program.hits - hits, 10_000);
  }
});

test('a direct query that becomes slow is cached again at once', () => {
  const program = new Program();
  program.run(1_000, { ...CHEAP, keys: 100, changesEvery: 1 });
  assert.ok(program.worth.isDirect(program.nowMs));
  const before = program.direct;
  program.run(200, { ...CHEAP, ownMs: 10, keys: 100, changesEvery: 1 });
  assert.ok(program.direct - before <= 24, String(program.direct - before));
});

/** Misses that take four times the query, one key, until calls go directly. @returns how many */
function failed(worth: Worth, nowMs: number): number {
  for (let n = 1; n <= 1_000; n++) if (worth.miss(1, 5, 1, nowMs)) return n;
  throw new Error('it never went directly');
}

test('each time that it still does not pay the next try is twice as far, up to a limit', () => {
  const worth = new Worth();
  for (let calls = DIRECT_CALLS_MIN; calls <= 2 * DIRECT_CALLS_MAX; calls *= 2) {
    assert.ok(failed(worth, 0) <= 64);
    assert.is(worth.directCallsMax, Math.min(calls, DIRECT_CALLS_MAX));
    for (let n = 0; n < Math.min(calls, DIRECT_CALLS_MAX); n++) {
      assert.ok(worth.isDirect(0), `${n} of ${calls}`);
      worth.direct(1);
    }
    assert.not(worth.isDirect(0));
  }
});

test('after ten minutes it is tried again in any case, if there were calls to speak of', () => {
  const worth = new Worth();
  for (let calls = DIRECT_CALLS_MIN; calls < DIRECT_CALLS_MAX; calls *= 2) {
    failed(worth, 0);
    for (let n = 0; n < calls && worth.isDirect(0); n++) worth.direct(1);
    worth.isDirect(0);
  }
  failed(worth, 5);
  assert.ok(worth.isDirect(5 + 2 * DIRECT_MS_MAX), 'nobody has called');
  for (let n = 0; n < DIRECT_CALLS_MIN; n++) worth.direct(1);
  assert.ok(worth.isDirect(4 + DIRECT_MS_MAX));
  assert.not(worth.isDirect(5 + DIRECT_MS_MAX));
});

test('a mean that one outlier hardly moves, and many do', () => {
  const mean = new RobustMean();
  for (let n = 0; n < 50; n++) mean.add(1);
  mean.add(1_000);
  assert.ok(mean.value < 1.5, String(mean.value));
  for (let n = 0; n < 100; n++) mean.add(10);
  assert.ok(mean.value > 9.9 && mean.value < 10.1, String(mean.value));
  for (let n = 0; n < 1_000; n++) mean.add(n % 5 === 0 ? 40 : 1);
  assert.ok(mean.value > 5 && mean.value < 14, `of one in five 40, the others 1: ${mean.value}`);
  assert.ok(mean.low <= 1.2, String(mean.low));
});

test('few keys are taken for known ones that are not', () => {
  const sights = new FirstSights();
  let wrong = 0;
  for (let n = 0; n < 8_000; n++) {
    if (!sights.isFirst(hashOf(`SELECT ${n}`))) wrong += 1;
    assert.not(sights.isFirst(hashOf(`SELECT ${n}`)));
  }
  assert.ok(wrong < 400, String(wrong));
  assert.not(sights.isOver);
});

test.run();
