/** The little of `pg` that this folder uses, so that any pg Pool or Client will do and nothing here imports one. */
export interface Statement {
  readonly text: string;
  readonly values?: unknown[];
  /** Set where the statement is to be prepared once a connection. */
  readonly name?: string;
}

export type Row = Record<string, unknown>;

export interface Queryable {
  query(statement: Statement): Promise<{ rows: Row[] }>;
}

/** A connection out of a pool, an event emitter where it has errors to tell of beside those of its statements. */
export interface ClientLike extends Queryable {
  release(error?: Error | boolean): void;
  on?(event: 'error', listener: (error: Error) => void): unknown;
  removeListener?(event: 'error', listener: (error: Error) => void): unknown;
}

/** A row by position, each column as Postgres prints it. */
export type TextRow = readonly (string | null)[];

/** A driver that gives rows as texts, which is cheaper than objects. Its parameters are texts, and bytes for a binary one. */
export interface TextQueryable {
  rows(statement: Statement): Promise<readonly TextRow[]>;
}

/** What a statement goes through whose rows are texts: any pool, or what gives them so. */
export type Reader = Queryable | TextQueryable;

/** The items of an array as Postgres prints it. See "Array Input and Output Syntax" in its manual. */
export function parseTextArray(text: string): string[] {
  if (text === '{}') return [];
  // Most have nothing that needs quotes.
  if (!text.includes('"')) return text.slice(1, -1).split(',');
  const items: string[] = [];
  for (const [, quoted, plain] of text.slice(1, -1).matchAll(ARRAY_ITEM)) {
    items.push(quoted === undefined ? (plain as string) : quoted.replace(/\\(.)/gs, '$1'));
  }
  return items;
}

const ARRAY_ITEM = /"((?:[^"\\]|\\.)*)"|([^,]+)/gs;

/** @param columns of the statement, in order; all of them texts */
export async function textRowsOf(
  db: Reader,
  statement: Statement,
  columns: readonly string[],
): Promise<readonly TextRow[]> {
  if ('rows' in db) return db.rows(statement);
  const { rows } = await db.query(statement);
  return rows.map((row) => columns.map((column) => row[column] as string | null));
}

export interface PoolLike extends Queryable {
  connect(): Promise<ClientLike>;
}

/** Runs `work` in a transaction of its own; a connection on which ROLLBACK fails is thrown away. */
export async function transaction<T>(pool: PoolLike, work: (client: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: Error | undefined;
  try {
    await client.query({ text: 'BEGIN' });
    const result = await work(client);
    await client.query({ text: 'COMMIT' });
    return result;
  } catch (error) {
    await client.query({ text: 'ROLLBACK' }).catch((rollbackError: Error) => {
      broken = rollbackError;
    });
    throw error;
  } finally {
    client.release(broken);
  }
}
