import { type Logger, pino } from 'pino';
import type { LogLevel } from './options.js';
import { redactDeep } from './redact.js';

export type Log = Logger;

/** Where lines go: process.stderr, or anything that takes text. */
export interface LogStream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

export interface LogSettings {
  readonly level: LogLevel;
  /** Passwords that must not appear, wherever they stand: see secretsOf. */
  readonly secrets?: readonly string[];
  readonly stream?: LogStream;
  /** Colours on a terminal; default: unless NO_COLOR is set. */
  readonly colours?: boolean;
}

interface LogRecord {
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  readonly err?: { message?: string; stack?: string; code?: string };
  readonly [field: string]: unknown;
}

/**
 * A pino logger to stderr: JSON by the line, or short lines on a terminal. Passwords are taken out of each finished
 * line, so that none slips through a message, an error, its cause or a child's bindings.
 */
export function createLog({ level, secrets = [], stream = process.stderr, colours }: LogSettings): Log {
  const isPretty = stream.isTTY === true;
  const hasColours = isPretty && (colours ?? !process.env.NO_COLOR);
  const destination = {
    write(line: string): void {
      const record = redactDeep(JSON.parse(line) as LogRecord, secrets);
      stream.write(isPretty ? pretty(record, hasColours) : `${JSON.stringify(record)}\n`);
    },
  };
  return pino(
    { level, base: { name: 'pgcached', pid: process.pid }, serializers: { err: describeError } },
    destination,
  );
}

/**
 * Errors by named fields only: node-pg hangs whole clients on its errors, and a client knows its password.
 * A cause is followed a few steps.
 */
export function describeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return typeof error === 'object' ? String(error) : error;
  const { code, severity, syscall } = error as { code?: unknown; severity?: unknown; syscall?: unknown };
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  return {
    type: error.name,
    message: error.message,
    ...(typeof code === 'string' && { code }),
    ...(typeof severity === 'string' && { severity }),
    ...(typeof syscall === 'string' && { syscall }),
    stack: error.stack,
    ...(inner !== undefined && depth < 4 && { cause: describeError(inner, depth + 1) }),
  };
}

/**
 * Says a thing once: the returned function logs only when the state of a key is another than the last time.
 * @returns `onChange(key, state, message, level?)`, which tells whether it logged
 */
export function createChangeLog(log: Log) {
  const states = new Map<string, string>();
  return function onChange(
    key: string,
    state: string,
    message: string,
    details: { level?: 'info' | 'warn' | 'error'; err?: unknown } = {},
  ): boolean {
    if (states.get(key) === state) return false;
    states.set(key, state);
    const { level = 'info', ...fields } = details;
    log[level]({ [key]: state, ...fields }, message);
    return true;
  };
}

const LEVELS: Readonly<Record<number, readonly [label: string, colour: number]>> = {
  10: ['trace', 90],
  20: ['debug', 90],
  30: ['info', 32],
  40: ['warn', 33],
  50: ['error', 31],
  60: ['fatal', 31],
};

function pretty(record: LogRecord, hasColours: boolean): string {
  const { level, time, msg = '', err, name: _, pid: __, ...fields } = record;
  const [label, colour] = LEVELS[level] ?? ['log', 0];
  const paint = (text: string, code: number): string =>
    hasColours && text !== '' ? `\x1b[${code}m${text}\x1b[0m` : text;
  const details = Object.entries(fields).map(
    ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const parts = [
    paint(new Date(time).toTimeString().slice(0, 8), 90),
    paint(label.padEnd(5), colour),
    printable(msg),
    paint(printable(details.join(' ')), 90),
  ];
  const first = parts.filter((part) => part !== '').join(' ');
  const problem = err === undefined || err.message === msg ? '' : `: ${printable(err.message ?? String(err))}`;
  const stack = err?.stack !== undefined && level >= 60 ? `\n${err.stack}` : '';
  return `${first}${problem}${stack}\n`;
}

/** What others wrote must not steer the terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is taken out
  return text.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ');
}
