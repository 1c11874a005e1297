import { Timeline } from './timeline.js';

/**
 * A fleet's database, in virtual time, fed with costs that were measured. Each server writes at random times; its writes
 * gather while a batch is out, and are announced by one wake-up, then not again before its gap is over. Whoever hears of a
 * wake-up looks, one look at a time. Looks, batches and wake-ups want CPU of a Postgres with so many cores, first come first
 * served; that is all that delays them.
 */
export interface Costs {
  /** CPU of Postgres in microseconds: a look that finds nothing, each row that it brings; a batch, each write in it; a wake-up, and its delivery to each listener. */
  readonly lookUs: number;
  readonly rowUs: number;
  readonly batchUs: number;
  readonly writeUs: number;
  readonly wakeUpUs: number;
  readonly deliveryUs: number;
}

export interface Fleet {
  readonly servers: number;
  readonly writesPerSecond: number;
  readonly cores: number;
  /** The least time from one wake-up of a server to its next. */
  readonly wakeUpGapMs: number;
  /** The least time from one look of a server to its next, and how many times as long as the last one took. */
  readonly lookGapMs: number;
  readonly lookGapFactor: number;
}

export interface Simulated {
  /** CPU of Postgres, in cores: for writing, and for following. */
  readonly writeCores: number;
  readonly followCores: number;
  readonly looksPerSecond: number;
  readonly batchesPerSecond: number;
  /** From commit until a server has seen it, over all batches and servers; and how long a write takes. In milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly writeP99Ms: number;
}

interface Server {
  pendingMs: number[];
  isWriting: boolean;
  nextWakeUpMs: number;
  isWakeUpDue: boolean;
  isLooking: boolean;
  isWoken: boolean;
  nextLookMs: number;
  seen: number;
}

/** Runs a fleet. @param random from 0 to 1; a seeded one gives the same result again */
export function simulate(fleet: Fleet, costs: Costs, seconds: number, random: () => number): Simulated {
  return new Simulation(fleet, costs, random).run(seconds);
}

class Simulation {
  readonly #fleet: Fleet;
  readonly #costs: Costs;
  readonly #random: () => number;
  readonly #time = new Timeline();
  readonly #coreFreeMs: Float64Array;
  readonly #spentUs = { write: 0, follow: 0 };
  readonly #servers: readonly Server[];
  /** When each batch was committed, and by whom. */
  readonly #committedMs: number[] = [];
  readonly #committedBy: Server[] = [];
  readonly #delaysMs: number[] = [];
  readonly #writesMs: number[] = [];
  #looks = 0;
  #endMs = 0;

  constructor(fleet: Fleet, costs: Costs, random: () => number) {
    this.#fleet = fleet;
    this.#costs = costs;
    this.#random = random;
    this.#coreFreeMs = new Float64Array(fleet.cores);
    this.#servers = Array.from({ length: fleet.servers }, newServer);
  }

  run(seconds: number): Simulated {
    this.#endMs = seconds * 1000;
    for (const server of this.#servers) this.#arrive(server);
    this.#time.runUntil(this.#endMs);
    const cores = (us: number) => us / 1e6 / seconds;
    return {
      writeCores: cores(this.#spentUs.write),
      followCores: cores(this.#spentUs.follow),
      looksPerSecond: this.#looks / seconds,
      batchesPerSecond: this.#committedMs.length / seconds,
      p50Ms: quantile(this.#delaysMs, 0.5),
      p99Ms: quantile(this.#delaysMs, 0.99),
      writeP99Ms: quantile(this.#writesMs, 0.99),
    };
  }

  /** Takes the core that is free first. @returns when it is done */
  #work(us: number, kind: 'write' | 'follow'): number {
    const free = this.#coreFreeMs;
    let core = 0;
    for (let each = 1; each < free.length; each++) if (free[each]! < free[core]!) core = each;
    free[core] = Math.max(free[core]!, this.#time.nowMs) + us / 1000;
    // What is still queued at the end was not done.
    if (free[core]! <= this.#endMs) this.#spentUs[kind] += us;
    return free[core]!;
  }

  #arrive(server: Server): void {
    const time = this.#time;
    const perMs = this.#fleet.writesPerSecond / this.#fleet.servers / 1000;
    time.at(time.nowMs - Math.log(1 - this.#random()) / perMs, () => {
      server.pendingMs.push(time.nowMs);
      this.#write(server);
      this.#arrive(server);
    });
  }

  #write(server: Server): void {
    if (server.isWriting || server.pendingMs.length === 0) return;
    server.isWriting = true;
    const batch = server.pendingMs;
    server.pendingMs = [];
    const { batchUs, writeUs } = this.#costs;
    this.#time.at(this.#work(batchUs + writeUs * batch.length, 'write'), () => {
      const { nowMs } = this.#time;
      this.#committedMs.push(nowMs);
      this.#committedBy.push(server);
      for (const askedMs of batch) this.#writesMs.push(nowMs - askedMs);
      server.isWriting = false;
      this.#wakeUp(server);
      this.#write(server);
    });
  }

  #wakeUp(server: Server): void {
    if (server.isWakeUpDue) return;
    server.isWakeUpDue = true;
    const time = this.#time;
    const { wakeUpUs, deliveryUs } = this.#costs;
    time.at(Math.max(time.nowMs, server.nextWakeUpMs), () => {
      server.isWakeUpDue = false;
      server.nextWakeUpMs = time.nowMs + this.#fleet.wakeUpGapMs;
      time.at(this.#work(wakeUpUs + deliveryUs * this.#servers.length, 'follow'), () => {
        for (const other of this.#servers) if (other !== server) this.#look(other);
      });
    });
  }

  #look(server: Server): void {
    if (server.isLooking) {
      server.isWoken = true;
      return;
    }
    server.isLooking = true;
    server.isWoken = false;
    const time = this.#time;
    time.at(Math.max(time.nowMs, server.nextLookMs), () => {
      const sentMs = time.nowMs;
      const upTo = this.#committedMs.length;
      this.#looks++;
      const { lookUs, rowUs } = this.#costs;
      time.at(this.#work(lookUs + (upTo - server.seen) * rowUs, 'follow'), () => {
        for (; server.seen < upTo; server.seen++) {
          if (this.#committedBy[server.seen] !== server)
            this.#delaysMs.push(time.nowMs - this.#committedMs[server.seen]!);
        }
        const { lookGapMs, lookGapFactor } = this.#fleet;
        server.nextLookMs = sentMs + Math.max(lookGapMs, lookGapFactor * (time.nowMs - sentMs));
        server.isLooking = false;
        if (server.isWoken) this.#look(server);
      });
    });
  }
}

const newServer = (): Server => ({
  pendingMs: [],
  isWriting: false,
  nextWakeUpMs: 0,
  isWakeUpDue: false,
  isLooking: false,
  isWoken: false,
  nextLookMs: 0,
  seen: 0,
});

function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) return 0;
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
