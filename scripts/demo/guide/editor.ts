import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { nowNs } from '../messages.js';
import type { Judge } from './judge.js';

/** A session in which SQL is run, by somebody who has never heard of a cache. */
export interface Session {
  readonly name: 'psql' | 'pg';
  /** Resolves when all of it is done. */
  run(sql: string): Promise<void>;
  end(): Promise<void>;
}

/** psql where it is installed, else a plain connection. */
export async function openSession(databaseUrl: string): Promise<Session> {
  const hasPsql = spawnSync('psql', ['--version']).error === undefined;
  return hasPsql ? new Psql(databaseUrl) : PlainSession.open(databaseUrl);
}

class Psql implements Session {
  readonly name = 'psql';
  readonly #child: ChildProcess;
  readonly #gone: Promise<never>;
  #said = '';
  #done = 0;
  #heard: () => void = () => {};

  constructor(databaseUrl: string) {
    const flags = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', databaseUrl];
    this.#child = spawn('psql', flags, { stdio: ['pipe', 'pipe', 'pipe'] });
    let complaints = '';
    this.#child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      complaints += text;
    });
    this.#child.stdout!.setEncoding('utf8').on('data', (text: string) => {
      this.#said += text;
      this.#heard();
    });
    this.#gone = new Promise((_, reject) => {
      this.#child.once('close', (code) => reject(new Error(`psql ended with ${code}: ${complaints}`)));
    });
    this.#gone.catch(() => {});
  }

  async run(sql: string): Promise<void> {
    const word = `done ${++this.#done};`;
    const done = new Promise<void>((resolve) => {
      this.#heard = () => {
        if (this.#said.includes(word)) resolve();
      };
    });
    this.#said = '';
    this.#child.stdin!.write(`${sql}\n\\echo '${word}'\n`);
    await Promise.race([done, this.#gone]);
  }

  async end(): Promise<void> {
    this.#child.stdin!.end();
    await this.#gone.catch(() => {});
  }
}

class PlainSession implements Session {
  readonly name = 'pg';
  readonly #client: pg.Client;

  private constructor(client: pg.Client) {
    this.#client = client;
  }

  static async open(connectionString: string): Promise<PlainSession> {
    const client = new pg.Client({ connectionString });
    client.on('error', () => {}); // the statement under way rejects by itself
    await client.connect();
    return new PlainSession(client);
  }

  async run(sql: string): Promise<void> {
    await this.#client.query(sql);
  }

  end(): Promise<void> {
    return this.#client.end();
  }
}

const touchCities = (ids: readonly number[]) =>
  `UPDATE cities SET population = population + 1, version = version + 1 WHERE id IN (${ids.join(', ')});`;
const touchCountry = (code: string) => `UPDATE countries SET version = version + 1 WHERE code = '${code}';`;
const CITIES_AT_ONCE = 5;

export interface Edits {
  commits: number;
  rollbacks: number;
}

/** What the editor may change: the cities that the guide shows, each with its country. */
export type Editable = readonly { readonly id: number; readonly country: string }[];

/** Changes rows until told to stop, one transaction after the other: a city, several at once, a city with its country; some are rolled back. */
export async function editUntil(
  stop: AbortSignal,
  session: Session,
  cities: Editable,
  judge: Judge,
  edits: Edits,
  pauseMs: number,
): Promise<void> {
  const any = () => cities[Math.floor(Math.random() * cities.length)]!;
  while (!stop.aborted) {
    const dice = Math.random();
    const { id, country } = any();
    if (dice < 0.1) {
      await session.run(`BEGIN; ${touchCities([id])} ROLLBACK;`);
      edits.rollbacks += 1;
    } else {
      const ids = dice < 0.25 ? [...new Set(Array.from({ length: CITIES_AT_ONCE }, () => any().id))] : [id];
      const withCountry = dice > 0.75;
      const rows = [...ids.map((one) => `cities:${one}`), ...(withCountry ? [`countries:${country}`] : [])];
      const confirm = rows.map((row) => judge.sending(row, nowNs()));
      await session.run(`BEGIN; ${touchCities(ids)} ${withCountry ? touchCountry(country) : ''} COMMIT;`);
      for (const one of confirm) one(nowNs());
      edits.commits += 1;
    }
    await sleep(pauseMs * 2 * Math.random());
  }
}
