import type { Clock } from '../../daemon/clock.js';
import type { Random } from './random.js';

interface Event {
  readonly atMs: number;
  readonly order: number;
  run: (() => void) | undefined;
}

/** How slow things are in one schedule: chances of a long delay, and of a stop between two steps of a statement. */
export interface Weather {
  slow: number;
  verySlow: number;
  stop: number;
}

/**
 * Virtual time. One event runs at a time, and between two of them every promise that can settle does: a tick queued from
 * a microtask runs only once there are no more microtasks, so schedules are the same in every run.
 */
export class World {
  nowMs = 0;
  readonly random: Random;
  readonly weather: Weather;
  readonly trace: ((line: string) => void) | undefined;
  #heap: Event[] = [];
  #order = 0;

  constructor(random: Random, weather: Weather, trace?: (line: string) => void) {
    this.random = random;
    this.weather = weather;
    this.trace = trace === undefined ? undefined : (line) => trace(`${this.nowMs.toFixed(2).padStart(9)} ${line}`);
  }

  readonly clock: Clock = {
    now: () => this.nowMs,
    after: (ms, callback) => this.after(ms, callback),
  };

  after(ms: number, run: () => void): () => void {
    return this.at(this.nowMs + Math.max(0, ms), run);
  }

  /** At an instant that is not in the past; in the order of asking where several are asked for one instant. */
  at(atMs: number, run: () => void): () => void {
    const event: Event = { atMs, order: this.#order++, run };
    this.#push(event);
    return () => {
      event.run = undefined;
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.after(ms, resolve));
  }

  /** How long something takes: mostly little, seldom long. */
  delayMs(): number {
    const { random, weather } = this;
    const at = random.next();
    if (at < weather.verySlow) return random.between(100, 700);
    if (at < weather.verySlow + weather.slow) return random.between(5, 100);
    return random.between(0.05, 2);
  }

  /** Runs events until `done` says so, or none is left, or the time is up. */
  async run(done: () => boolean, untilMs: number): Promise<void> {
    await settled();
    while (!done()) {
      const event = this.#pop();
      if (event === undefined) return;
      if (event.run === undefined) continue;
      if (event.atMs > untilMs) {
        this.#push(event);
        this.nowMs = untilMs;
        return;
      }
      this.nowMs = event.atMs;
      event.run();
      await settled();
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.push(event) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!earlier(event, heap[parent] as Event)) break;
      heap[at] = heap[parent] as Event;
      at = parent;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!earlier(heap[child] as Event, last)) break;
      heap[at] = heap[child] as Event;
      at = child;
    }
    heap[at] = last;
    return first;
  }
}

const earlier = (a: Event, b: Event) => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);

/** Resolves when no microtask is left. */
const settled = () => new Promise<void>((resolve) => process.nextTick(resolve));
