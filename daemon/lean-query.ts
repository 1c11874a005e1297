import type { Writable } from 'node:stream';
import type { Statement, TextRow } from '../shared/table/queryable.js';

/** What of the driver's connection a query object may use: pg-cursor and pg-query-stream use the same. */
interface DriverConnection {
  readonly stream: Writable;
  /** Texts by name, of the statements that this connection has prepared; the driver's client keeps it. */
  readonly parsedStatements: Record<string, string | undefined>;
}

/** A null, text as Postgres reads it, or what is sent in the binary format of its type. */
export type LeanValue = string | number | boolean | null | undefined | Uint8Array;

/** Execute (of the unnamed portal, all rows) and Sync, always the same. */
const EXECUTE_AND_SYNC = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0x53, 0, 0, 0, 4]);
const PARSE = 0x50;
const BIND = 0x42;
/** What a message has besides its texts and values. */
const PARSE_BYTES = 9;
const BIND_BYTES = 13;

/**
 * One statement through node-postgres with little around it: everything goes out in one write, nobody asks Postgres to
 * describe columns that the caller knows, and rows come as texts by position. The driver's own query object asks for the
 * description each time and makes an object a row from it: a third of what reading a row of the cache cost.
 * It is a Submittable, as the driver calls what `client.query` takes besides a text; the driver sees to the time limit
 * (it wraps `callback`) and to what is prepared on the connection (by `name` and `text`).
 */
export class LeanQuery {
  readonly name: string | undefined;
  readonly text: string;
  readonly #values: readonly LeanValue[];
  readonly #rows: TextRow[] = [];
  /** Called once, with the error or with the rows. */
  callback: (error: Error | null, rows?: TextRow[]) => void;

  /** Milliseconds, in the driver's own name for it; undefined where the connection's limit counts. */
  readonly query_timeout: number | undefined;

  constructor(statement: Statement, callback: (error: Error | null, rows?: TextRow[]) => void, timeoutMs?: number) {
    this.query_timeout = timeoutMs;
    this.name = statement.name;
    this.text = statement.text;
    this.#values = (statement.values ?? []) as readonly LeanValue[];
    this.callback = callback;
  }

  submit(connection: DriverConnection): Error | null {
    const isPrepared = this.name !== undefined && connection.parsedStatements[this.name] === this.text;
    if (connection.stream.writable)
      connection.stream.write(requestOf(this.name ?? '', isPrepared ? '' : this.text, this.#values));
    return null;
  }

  handleDataRow(message: { readonly fields: TextRow }): void {
    this.#rows.push(message.fields);
  }

  handleReadyForQuery(): void {
    this.callback(null, this.#rows);
  }

  handleError(error: Error): void {
    this.callback(error);
  }

  handleRowDescription(): void {}
  handleCommandComplete(): void {}
  handleEmptyQuery(): void {}
  handlePortalSuspended(): void {}
}

/**
 * Parse (unless the text is empty), Bind, Execute and Sync in one piece of memory. See "Message formats" in Postgres's
 * manual: a code, a length that counts itself, then the fields; texts end with a zero byte.
 */
function requestOf(name: string, text: string, values: readonly LeanValue[]): Buffer {
  const nameBytes = Buffer.byteLength(name);
  const textBytes = text === '' ? 0 : Buffer.byteLength(text);
  const parseBytes = text === '' ? 0 : PARSE_BYTES + nameBytes + textBytes;
  const given = values.map(asSent);
  const sizes = given.map(sizeOf);
  const bindBytes = BIND_BYTES + nameBytes + sizes.reduce((sum, size) => sum + 6 + Math.max(0, size), 0);
  const buffer = Buffer.allocUnsafe(parseBytes + bindBytes + EXECUTE_AND_SYNC.length);
  let at = 0;
  if (parseBytes > 0) {
    buffer[at] = PARSE;
    at = buffer.writeInt32BE(parseBytes - 1, at + 1);
    at = writeText(buffer, name, at);
    at = writeText(buffer, text, at);
    // The types of no parameters are told: Postgres infers them.
    at = buffer.writeInt16BE(0, at);
  }
  buffer[at] = BIND;
  at = buffer.writeInt32BE(bindBytes - 1, at + 1);
  // The unnamed portal.
  buffer[at++] = 0;
  at = writeText(buffer, name, at);
  at = buffer.writeInt16BE(given.length, at);
  for (const value of given) at = buffer.writeInt16BE(typeof value === 'object' && value !== null ? 1 : 0, at);
  at = buffer.writeInt16BE(given.length, at);
  for (let each = 0; each < given.length; each++) {
    const value = given[each];
    const size = sizes[each] as number;
    at = buffer.writeInt32BE(size, at);
    if (typeof value === 'string') at += buffer.write(value, at, size);
    else if (value !== null) {
      buffer.set(value as Uint8Array, at);
      at += size;
    }
  }
  // No formats of results: all are text.
  at = buffer.writeInt16BE(0, at);
  buffer.set(EXECUTE_AND_SYNC, at);
  return buffer;
}

function asSent(value: LeanValue): string | Uint8Array | null {
  if (typeof value === 'string' || value instanceof Uint8Array) return value;
  return value === null || value === undefined ? null : String(value);
}

/** −1 stands for null. */
function sizeOf(value: string | Uint8Array | null): number {
  if (value === null) return -1;
  return typeof value === 'string' ? Buffer.byteLength(value) : value.length;
}

function writeText(buffer: Buffer, text: string, at: number): number {
  const end = at + buffer.write(text, at);
  buffer[end] = 0;
  return end + 1;
}
