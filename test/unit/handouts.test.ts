import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Clock } from '../../daemon/clock.js';
import { Handouts } from '../../daemon/handouts.js';
import type { CacheError } from '../../shared/errors.js';

/** Loads that are handed out and never ended: they must not keep others from theirs. */
const test = suite('handouts');

const LOAD_TIMEOUT_MS = 1000;
const leaking = { name: 'leaking' };
const other = { name: 'other' };

/** Time that jumps: timers run in the order of their instants. */
class JumpClock implements Clock {
  #nowMs = 0;
  #timers: { atMs: number; callback: () => void }[] = [];

  now(): number {
    return this.#nowMs;
  }

  after(ms: number, callback: () => void): () => void {
    const timer = { atMs: this.#nowMs + ms, callback };
    this.#timers.push(timer);
    return () => {
      timer.callback = () => {};
    };
  }

  pass(ms: number): void {
    this.#nowMs += ms;
    const due = this.#timers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#timers = this.#timers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { callback } of due.sort((a, b) => a.atMs - b.atMs)) callback();
  }
}

function world() {
  const clock = new JumpClock();
  const handouts = new Handouts<undefined>(clock, LOAD_TIMEOUT_MS);
  const take = (key: string, holder: { name: string }) =>
    handouts.handOut(handouts.begin(key, holder), holder, undefined);
  /** @returns how many it got before it was refused, and the refusal */
  const takeAll = (holder: { name: string }) => {
    for (let count = 0; ; count++) {
      try {
        take(`${holder.name} ${count}`, holder);
      } catch (error) {
        return { count, error: error as CacheError };
      }
      if (count > 200_000) throw new Error('there is no limit');
    }
  };
  return { clock, handouts, take, takeAll };
}

test('one connection can hold so many, and is told why it gets no more; others go on', () => {
  const { handouts, take, takeAll } = world();
  const { count, error } = takeAll(leaking);
  assert.ok(count >= 1000 && count <= 10_000, `${count}`);
  assert.is(error.code, 'ERR_OVERLOADED');
  assert.match(error.message, `this connection has ${count} loads in this namespace that it has not ended`);
  assert.is(handouts.isFullFor(leaking), true, 'it is picked for no refresh either');
  assert.is(handouts.isFullFor(other), false);
  const token = take('k', other);
  handouts.take(token, other).flight.end({ kind: 'nothing' });
  handouts.release(leaking);
  assert.is(handouts.isIdle, true, 'nothing is left of it');
});

test('what ended makes room', () => {
  const { handouts, take, takeAll } = world();
  const first = take('first', leaking);
  takeAll(leaking);
  handouts.take(first, leaking).flight.end({ kind: 'nothing' });
  take('another', leaking);
  assert.throws(() => take('one too many', leaking), /not ended/);
});

test('a load is passed on when its time is up, and forgotten long after', () => {
  const { clock, handouts, take } = world();
  const token = take('k', leaking);
  clock.pass(LOAD_TIMEOUT_MS);
  assert.is(handouts.flight('k'), undefined, 'the next who asks gets it');
  assert.is(handouts.get(token, leaking).key, 'k', 'what its holder still offers is tried');
  clock.pass(8 * LOAD_TIMEOUT_MS);
  assert.is(handouts.get(token, leaking).key, 'k');
  clock.pass(LOAD_TIMEOUT_MS);
  assert.throws(() => handouts.get(token, leaking), /is not out on this connection/);
  assert.is(handouts.isIdle, true);
});

test('one that came back in between is not taken back a second time', () => {
  const { clock, handouts, take } = world();
  const token = take('k', leaking);
  clock.pass(LOAD_TIMEOUT_MS);
  handouts.take(token, leaking);
  const again = take('k', leaking);
  clock.pass(9 * LOAD_TIMEOUT_MS);
  assert.is(handouts.get(again, leaking).key, 'k');
});

test.run();
