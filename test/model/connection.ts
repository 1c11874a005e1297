import { type Database, DatabaseFailure } from '../../daemon/database.js';
import type { ClusterLeaseId } from '../../shared/table/cluster-lease.js';
import type { Fill, FillResult } from '../../shared/table/fill.js';
import type { LookResult } from '../../shared/table/look.js';
import type { ReadResult } from '../../shared/table/read.js';
import type { WriteBatch, WriteResult } from '../../shared/table/write.js';
import { Backend } from './backend.js';
import type { ModelPostgres, Steps, Tx } from './postgres.js';
import * as statements from './statements.js';
import { namesBeside } from './together.js';
import { cutLog, raiseFloor, trimSpace } from './trims.js';

/** Chances of what can befall one statement. */
export interface Faults {
  /** Never sent. */
  readonly unreachable: number;
  /** The connection breaks before the statement arrives; it never does. */
  readonly lostRequest: number;
  /** The connection breaks at any time, the backend goes on, also one that has not begun yet. */
  readonly broken: number;
  readonly killed: number;
  /** Wake-ups that do not arrive, that arrive twice. */
  readonly deaf: number;
  readonly twice: number;
}

export interface ConnectionOptions {
  readonly pg: ModelPostgres;
  readonly host: string;
  readonly namespaces: readonly string[];
  readonly rowsMax: number;
  /** Looks fail while it says so. */
  isBlind(): boolean;
  faults(): Faults;
  wakeOthers(): void;
}

/** One daemon's way to the modelled Postgres: requests and replies take their time, break, overtake each other. */
export class ModelDatabase implements Database {
  readonly #options: ConnectionOptions;
  /** The daemon is gone: what its backends do is answered to nobody. */
  closed = false;
  readsSent = 0;

  constructor(options: ConnectionOptions) {
    this.#options = options;
  }

  look(last: string | undefined): Promise<LookResult> {
    const { pg, isBlind } = this.#options;
    const { world } = pg;
    if (isBlind()) {
      const fail = (reject: (error: Error) => void) => reject(new DatabaseFailure('unknown', 'the look was lost'));
      return new Promise((_, reject) => world.after(world.delayMs(), () => fail(reject)));
    }
    return this.#send(
      () => 'look',
      (pg, tx) => statements.look(pg, tx, last, this.#options.rowsMax),
    );
  }

  incarnate(): Promise<boolean> {
    return this.#send(() => 'incarnate', statements.incarnate);
  }

  async notify(): Promise<void> {
    this.#options.wakeOthers();
  }

  read(namespace: string, keys: readonly string[]): Promise<ReadResult> {
    this.readsSent += 1;
    return this.#send(
      () => `read ${keys}`,
      (pg, tx) => statements.read(pg, tx, namespace, keys),
    );
  }

  write(namespace: string, batch: WriteBatch): Promise<WriteResult> {
    const label = () => {
      const { number, again, items, invalidated } = batch;
      const what = [...items.map(({ op, key }) => `${op} ${key}`), ...invalidated].join(', ');
      return `batch ${number?.batch}${again ? ' again' : ''}: ${what}`;
    };
    const sent = { ...batch, invalidated: [...batch.invalidated, ...namesBeside(batch.items)] };
    return this.#send(label, (pg, tx) => statements.write(pg, tx, this.#options.host, namespace, sent));
  }

  fill(namespace: string, fills: readonly Fill[]): Promise<FillResult> {
    const label = () => `fill ${fills.map((each) => `${each.key} of base ${each.base}`)}`;
    return this.#send(label, (pg, tx) => statements.fill(pg, tx, namespace, fills));
  }

  takeLease({ namespace, key, lease }: ClusterLeaseId, forMs: number): Promise<boolean> {
    return this.#send(
      () => `lease of ${key}`,
      // biome-ignore lint/correctness/useYield: a statement of one step
      function* (pg) {
        const place = `${namespace}/${key}`;
        const held = pg.leases.get(place);
        if (held !== undefined && held.lease !== lease && held.untilMs >= pg.world.nowMs) return false;
        pg.leases.set(place, { lease, untilMs: pg.world.nowMs + forMs });
        return true;
      },
    );
  }

  async releaseLease({ namespace, key, lease }: ClusterLeaseId): Promise<void> {
    await this.#send(
      () => `release of ${key}`,
      // biome-ignore lint/correctness/useYield: a statement of one step
      function* (pg) {
        const place = `${namespace}/${key}`;
        if (pg.leases.get(place)?.lease === lease) pg.leases.delete(place);
      },
    );
  }

  async ttls(namespace: string, keys: readonly string[]): Promise<Map<string, number>> {
    const result = await this.#send(
      () => `ttls ${keys}`,
      (pg, tx) => statements.read(pg, tx, namespace, keys),
    );
    return new Map(result.found.map(({ key, leftMs }) => [key, leftMs]));
  }

  async count(): Promise<number> {
    throw new DatabaseFailure('refused', 'not modelled');
  }

  async cleanup(namespace: string): Promise<number> {
    const sight = await this.#send(
      () => 'look',
      (pg, tx) => statements.look(pg, tx, undefined, 0),
    );
    if (sight.incarnation === undefined) return 0;
    await this.#trim(Number(sight.snapshot.split(':')[0]), sight.incarnation, [namespace], false);
    return 0;
  }

  async trim(floor: string, incarnation: string): Promise<number> {
    await this.#trim(Number(floor), incarnation, this.#options.namespaces, true);
    return 0;
  }

  async #trim(wanted: number, incarnation: string, namespaces: readonly string[], cuts: boolean): Promise<void> {
    const raised = await this.#send(
      () => `raise floor to ${wanted}`,
      (pg, tx) => raiseFloor(pg, tx, incarnation, wanted),
    );
    if (raised === undefined) return;
    const { floor } = raised;
    let complete = true;
    for (const namespace of namespaces) {
      const whole = await this.#send(
        () => `trim ${namespace} below ${floor}`,
        (pg, tx) => trimSpace(pg, tx, namespace, incarnation, raised),
      );
      complete &&= whole;
    }
    if (!complete && !this.#options.pg.without.has('only a whole trim cuts the log')) return;
    if (cuts)
      await this.#send(
        () => `cut log below ${floor}`,
        (pg, tx) => cutLog(pg, tx, incarnation, floor),
      );
  }

  /** One statement: sent now, run by a backend a while later, answered a while after its end. */
  #send<T>(label: () => string, statement: (pg: ModelPostgres, tx: Tx) => Steps<T>): Promise<T> {
    const { pg, host } = this.#options;
    const { world } = pg;
    const faults = this.#options.faults();
    return new Promise<T>((resolve, reject) => {
      if (this.closed) return;
      let isAnswered = false;
      const answer = (delayMs: number, run: () => void) =>
        world.after(delayMs, () => {
          if (isAnswered || this.closed) return;
          isAnswered = true;
          run();
        });
      const breakOff = (delayMs: number, why: string) =>
        answer(delayMs, () => {
          world.trace?.(`${host} loses the connection of ${label()} (${why})`);
          reject(new DatabaseFailure('unknown', why));
        });
      const fate = world.random.next();
      if (fate < faults.unreachable) {
        answer(0, () => reject(new DatabaseFailure('unreachable', 'no connection')));
        return;
      }
      const isLost = fate < faults.unreachable + faults.lostRequest;
      if (isLost) {
        breakOff(world.delayMs(), 'the request was lost');
        return;
      }
      if (world.random.chance(faults.broken)) breakOff(world.delayMs(), 'the connection broke');
      world.trace?.(`${host} sends ${label()}`);
      pg.busy += 1;
      const { epoch } = pg;
      world.after(world.delayMs(), () => {
        if (pg.epoch !== epoch) {
          // A crash cuts every connection, also under a statement that has not arrived.
          pg.busy -= 1;
          breakOff(0, 'Postgres crashed');
          return;
        }
        world.trace?.(`${host} runs ${label()}`);
        const backend = new Backend<T>(
          pg,
          (tx) => statement(pg, tx),
          (result) => {
            pg.busy -= 1;
            world.trace?.(`${host} ran ${label()}: ${'error' in result ? result.error.message : 'done'}`);
            answer(world.delayMs(), () => {
              world.trace?.(
                `${host} is answered ${label()}: ${'error' in result ? result.error.message : brief(result.value)}`,
              );
              if ('error' in result) reject(result.error);
              else resolve(result.value);
            });
          },
        );
        if (world.random.chance(faults.killed)) world.after(world.delayMs(), () => backend.kill());
      });
    });
  }
}

/** Bytes that came over a wire are a Buffer, which JSON.stringify makes an object of before it asks. */
const bytesShown = (part: Uint8Array | { readonly data: number[] }) =>
  [...('data' in part ? part.data : part)].join('');

const brief = (value: unknown) =>
  JSON.stringify(value, (key, part) =>
    key === 'bytes' ? bytesShown(part as Uint8Array) : typeof part === 'bigint' ? Number(part) : part,
  );
