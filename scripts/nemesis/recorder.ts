import { openSync, writeSync } from 'node:fs';
import { CacheError } from '../../shared/errors.js';
import { type Line, nowUs, type Read, type Write } from './history.js';

type Begun = Omit<Extract<Line, { b: number }>['w'], 'inv'>;

/** Writes a process's history to its file, line by line: what was written survives a kill -9. */
export class Recorder {
  readonly #file: number;
  readonly codes = new Map<string, number>();
  operations = 0;
  #count = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'a');
  }

  /** @param run makes the write; what it returns is its version, if it returns a number or boolean */
  async write(what: Begun, run: () => Promise<unknown>): Promise<Write['outcome']> {
    const number = this.#count++;
    this.#put({ b: number, w: { ...what, inv: nowUs() } });
    try {
      const result = await run();
      const version = typeof result === 'number' || typeof result === 'boolean' ? { version: Number(result) } : {};
      // Nothing was there to expire: the table may just have been emptied, and memory not know it yet.
      const outcome = what.kind === 'expire' && result === false ? 'no' : 'ok';
      this.#put({ e: number, resp: nowUs(), outcome, ...(what.kind !== 'expire' && version) });
      return outcome;
    } catch (error) {
      const isKnown = error instanceof CacheError && error.code !== 'ERR_UNKNOWN_OUTCOME' && what.kind !== 'update';
      const outcome = isKnown ? 'no' : 'unknown';
      this.#put({ e: number, resp: nowUs(), outcome });
      this.#failed(error);
      return outcome;
    }
  }

  /** @param run makes the read; gives the version of each key, undefined for a miss */
  async read(
    kind: Read['kind'],
    keys: readonly string[],
    run: () => Promise<(number | undefined)[]>,
  ): Promise<boolean> {
    const inv = nowUs();
    try {
      const versions = await run();
      this.readDone(kind, keys, inv, versions);
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    }
  }

  readDone(kind: Read['kind'], keys: readonly string[], inv: number, versions: readonly (number | undefined)[]): void {
    const resp = nowUs();
    for (const [at, key] of keys.entries()) this.#put({ r: { kind, key, inv, resp, version: versions[at] } });
  }

  #put(line: Line): void {
    if (!('e' in line)) this.operations += 1;
    writeSync(this.#file, `${JSON.stringify(line)}\n`);
  }

  #failed(error: unknown): void {
    const code = error instanceof CacheError ? error.code : 'from the source';
    this.codes.set(code, (this.codes.get(code) ?? 0) + 1);
  }
}
