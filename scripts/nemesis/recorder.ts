import { openSync, writeSync } from 'node:fs';
import { CacheError } from '../../shared/errors.js';
import { type End, type Line, nowUs, type Read, type Seen, type Write } from './history.js';

type Begun = Omit<Extract<Line, { b: number }>['w'], 'inv'>;

/** What a write returns that was acknowledged, but perhaps not done. */
export const DROPPED = Symbol('dropped');

/** Writes a process's history to its file, line by line: what was written survives a kill -9. */
export class Recorder {
  readonly #file: number;
  readonly codes = new Map<string, number>();
  operations = 0;
  #count = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  /** @returns the number by which it is ended */
  begin(what: Begun): number {
    const number = this.#count++;
    this.#put({ b: number, w: { ...what, inv: nowUs() } });
    return number;
  }

  end(number: number, end: Omit<End, 'resp'>): Write['outcome'] {
    this.#put({ e: number, resp: nowUs(), ...end });
    return end.outcome;
  }

  /** @param run makes the write; what it returns is its version, if it returns a number or boolean */
  async write(what: Begun, run: () => Promise<unknown>): Promise<Write['outcome']> {
    const number = this.begin(what);
    try {
      const result = await run();
      if (result === DROPPED) return this.end(number, { outcome: 'unknown', droppedUs: nowUs() });
      if (what.rolledBack) return this.end(number, { outcome: 'no' });
      const version = typeof result === 'number' || typeof result === 'boolean' ? { version: Number(result) } : {};
      // Nothing was there to expire: the table may just have been emptied, and memory not know it yet.
      const outcome = what.kind === 'expire' && result === false ? 'no' : 'ok';
      return this.end(number, { outcome, ...(what.kind !== 'expire' && version) });
    } catch (error) {
      this.failed(error);
      const isSql = what.kind === 'update' || what.sql === true;
      const isKnown = error instanceof CacheError && error.code !== 'ERR_UNKNOWN_OUTCOME' && !isSql;
      // What is to be rolled back never gets as far as its commit.
      return this.end(number, { outcome: isKnown || what.rolledBack ? 'no' : 'unknown' });
    }
  }

  /** @param run makes the read; gives what each key came to, undefined where it is not to be recorded */
  async read(kind: Read['kind'], keys: readonly string[], run: () => Promise<readonly Seen[]>): Promise<boolean> {
    const inv = nowUs();
    try {
      this.readDone(kind, keys, inv, await run());
      return true;
    } catch (error) {
      this.failed(error);
      return false;
    }
  }

  readDone(kind: Read['kind'], keys: readonly string[], inv: number, seen: readonly Seen[]): void {
    const resp = nowUs();
    for (const [at, key] of keys.entries())
      if (seen[at] !== undefined) this.#put({ r: { kind, key, inv, resp, ...seen[at] } });
  }

  #put(line: Line): void {
    if (!('e' in line)) this.operations += 1;
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  /** Counts what the faults made fail. */
  failed(error: unknown): void {
    const code = error instanceof CacheError ? error.code : 'from the source';
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }
}
