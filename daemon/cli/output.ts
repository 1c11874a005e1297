import { inspect } from 'node:util';

export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/** Where a command writes: results to stdout, everything else to stderr; colours and care only on a terminal. */
export class Output {
  readonly #stdout: TextStream;
  readonly #stderr: TextStream;
  readonly #hasColours: boolean;

  constructor(stdout: TextStream, stderr: TextStream, noColour: boolean) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    this.#hasColours = this.isTerminal && !noColour;
  }

  line(text: string): void {
    this.#stdout.write(`${text}\n`);
  }

  json(data: unknown): void {
    this.line(JSON.stringify(data, jsonReplacer, 2) ?? 'null');
  }

  /** One of a stream of objects, each on a line of its own. */
  jsonLine(data: unknown): void {
    this.line(JSON.stringify(data, jsonReplacer));
  }

  get isTerminal(): boolean {
    return this.#stdout.isTTY === true;
  }

  /** A cached value as a person wants it: a string as it is, anything else as JavaScript shows it. */
  value(value: unknown): void {
    if (typeof value === 'string') {
      this.line(this.isTerminal ? printable(value) : value);
      return;
    }
    const options = { depth: null, colors: this.#hasColours, maxArrayLength: null, maxStringLength: null };
    this.line(inspect(value, options));
  }

  error(text: string): void {
    this.#stderr.write(`pgcached: ${text}\n`);
  }

  note(text: string): void {
    this.#stderr.write(`${text}\n`);
  }

  paint(text: string, colour: keyof typeof COLOURS): string {
    return this.#hasColours ? `\x1b[${COLOURS[colour]}m${text}\x1b[0m` : text;
  }
}

const COLOURS = { red: 31, green: 32, yellow: 33, grey: 90, bold: 1 } as const;

/** A stored value must not steer the terminal that shows it; line ends and tabs may stay. */
export function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is made visible
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, (found) => JSON.stringify(found).slice(1, -1));
}

/** What JSON has no form for, in the nearest one it has. */
function jsonReplacer(this: unknown, _key: string, value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (value instanceof Map) return [...value];
  if (value instanceof Set) return [...value];
  if (value instanceof RegExp) return String(value);
  if (value instanceof Error) return { name: value.name, message: value.message };
  if (ArrayBuffer.isView(value) && !Buffer.isBuffer(value)) {
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64');
  }
  return value;
}
