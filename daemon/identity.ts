import { randomInt, randomUUID } from 'node:crypto';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { CacheError } from '../shared/errors.js';

/**
 * A start is a counter, times this, plus a random part: daemons that start from copies of one state folder (a cloned
 * machine) write under different starts, so that neither takes the answer kept for the other's batch as its own.
 */
const STARTS_APART = 2 ** 20;

/** Who writes: a host's uuid and how many times its daemon has started. Batches are numbered within a start. */
export class Identity {
  #host: string;
  #start: number;
  #batch = 0;

  constructor(host: string, start: number) {
    this.#host = host;
    this.#start = start;
  }

  get host(): string {
    return this.#host;
  }

  get start(): number {
    return this.#start;
  }

  nextNumber(): { host: string; start: number; batch: number } {
    this.#batch += 1;
    return { host: this.#host, start: this.#start, batch: this.#batch };
  }

  /** Another daemon writes under this identity (a copied state folder): go on as a new host. */
  renew(): void {
    this.#host = randomUUID();
    this.#start = 1;
  }
}

/** An identity for a daemon without a state folder: every start is a new host. */
export const newIdentity = () => new Identity(randomUUID(), 1);

/**
 * Reads the identity from the state folder and raises its start, on disk before it is used: the first batch of this start
 * must shut out whatever a backend of an earlier one may still do.
 * @param stateDir made if it is missing; whoever calls owns the lock of this daemon's socket
 * @param name tells the daemons of one host apart
 * @throws CacheError ERR_INVALID_CONFIG where the folder can't be used
 */
export function loadIdentity(stateDir: string, name: string): Identity {
  const file = join(stateDir, `${name}.json`);
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    const { host, start } = readState(file);
    const next = (Math.floor(start / STARTS_APART) + 1) * STARTS_APART + randomInt(STARTS_APART);
    writeDurably(file, stateDir, JSON.stringify({ host, start: next }));
    return new Identity(host, next);
  } catch (error) {
    throw new CacheError(
      'ERR_INVALID_CONFIG',
      `the state folder ${stateDir} can't be used: ${(error as Error).message}`,
      error,
    );
  }
}

function readState(file: string): { host: string; start: number } {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { host: randomUUID(), start: 0 };
    throw error;
  }
  const state = JSON.parse(text) as { host?: unknown; start?: unknown };
  const valid =
    typeof state.host === 'string' && /^[0-9a-f-]{36}$/.test(state.host) && Number.isSafeInteger(state.start);
  if (!valid) throw new Error(`${file} holds something else than a host and a start; remove it`);
  return { host: state.host as string, start: state.start as number };
}

function writeDurably(file: string, folder: string, text: string): void {
  const draft = openSync(`${file}.new`, 'w', 0o600);
  writeSync(draft, text);
  fsyncSync(draft);
  closeSync(draft);
  renameSync(`${file}.new`, file);
  const directory = openSync(folder, 'r');
  fsyncSync(directory);
  closeSync(directory);
}
