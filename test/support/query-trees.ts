import { cached, type PgCachedClient } from '../../client/index.js';
import type { CachedPool } from '../../client/query/index.js';
import { type Below, randomQuery, type ShopQuery } from './shop.js';

/** What one cached function does: its queries, each in one of the ways to ask, and the functions below that it calls. */
interface Plan {
  readonly name: string;
  readonly queries: readonly { readonly query: ShopQuery; readonly way: Way }[];
  readonly calls: readonly number[];
}
/** By the tables' own setting, asked for, not kept itself (but what is made of it is), and on a connection taken out. */
type Way = 'configured' | 'asked' | 'unkept' | 'connection';
const WAYS: readonly Way[] = ['configured', 'configured', 'asked', 'unkept', 'connection'];

/** Functions in three levels, those of one calling some of the level below it. */
export interface Forest {
  readonly plans: readonly Plan[];
  /** Of each function, the tags of all that it and those below it read. */
  readonly tags: readonly (readonly string[])[];
}

/** @param sizes how many functions there are of each level, the lowest first */
export async function randomForest(
  next: Below,
  sizes: readonly number[],
  classify: CachedPool['classify'],
): Promise<Forest> {
  const plans: Plan[] = [];
  let below: number[] = [];
  for (const [level, size] of sizes.entries()) {
    const own: number[] = [];
    for (let at = 0; at < size; at++) {
      const count = level === 0 ? 1 + next(3) : next(2);
      const queries = Array.from({ length: count }, () => ({
        query: randomQuery(next),
        way: WAYS[next(WAYS.length)]!,
      }));
      const calls = level === 0 ? [] : Array.from({ length: 1 + next(2) }, () => below[next(below.length)]!);
      own.push(plans.length);
      plans.push({ name: `level${level}-${at}`, queries, calls: [...new Set(calls)] });
    }
    below = own;
  }
  const tags: string[][] = [];
  for (const { queries, calls } of plans) {
    const own = calls.flatMap((at) => tags[at]!);
    for (const { query } of queries) {
      const found = await classify(query.text, query.values);
      if (found.bypass !== undefined) throw new Error(`${query.text}: ${found.bypass}`);
      own.push(...found.tags);
    }
    tags.push([...new Set(own)]);
  }
  return { plans, tags };
}

type Ask = (query: ShopQuery, way: Way) => Promise<unknown[]>;

async function made(plan: Plan, ask: Ask, call: (at: number) => Promise<unknown>): Promise<unknown> {
  const own = [];
  for (const { query, way } of plan.queries) own.push(await ask(query, way));
  return { own, of: await Promise.all(plan.calls.map(call)) };
}

/** What the function gives when all is read from the database alone. */
export function recompute(
  forest: Forest,
  at: number,
  rowsOf: (query: ShopQuery) => Promise<unknown[]>,
): Promise<unknown> {
  return made(forest.plans[at]!, rowsOf, (below) => recompute(forest, below, rowsOf));
}

/** The functions of a forest on one server: each wrapped in `cached`, its queries asked through the pool. */
export class Grove {
  readonly #functions: (() => Promise<unknown>)[] = [];
  /** How often the body of each function has run. */
  readonly runs: number[];

  constructor({ plans }: Forest, pool: CachedPool, cache: PgCachedClient) {
    this.runs = plans.map(() => 0);
    const ask: Ask = ({ text, values }, way) => asked(pool, text, [...values], way);
    for (const [at, plan] of plans.entries()) {
      const body = async () => {
        this.runs[at]! += 1;
        return made(plan, ask, (below) => this.#functions[below]!());
      };
      this.#functions.push(cached(body, { cache, keyPrefix: plan.name }));
    }
  }

  call(at: number): Promise<unknown> {
    return this.#functions[at]!();
  }
}

async function asked(pool: CachedPool, text: string, values: unknown[], way: Way): Promise<unknown[]> {
  if (way === 'configured') return (await pool.query(text, values)).rows;
  if (way === 'asked') return (await pool.cache('1h').query(text, values)).rows;
  if (way === 'unkept') return (await pool.query({ text, values, cache: false })).rows;
  const client = await pool.connect();
  try {
    return (await client.query(text, values)).rows;
  } finally {
    client.release();
  }
}
