/** Directives by name in lower case; the values of one that comes more than once all stand here. */
export class Directives {
  readonly #values: ReadonlyMap<string, readonly (string | true)[]>;

  constructor(values: ReadonlyMap<string, readonly (string | true)[]>) {
    this.#values = values;
  }

  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** Whether it stands without an argument: `no-cache`, not `no-cache="a"`. */
  isBare(name: string): boolean {
    return this.#values.get(name)?.includes(true) ?? false;
  }

  /** The field names of `no-cache="a, b"`. */
  fields(name: string): string[] {
    const given = this.#values.get(name) ?? [];
    return given.flatMap((value) => (value === true ? [] : value.split(',').map((one) => one.trim().toLowerCase())));
  }

  /**
   * Seconds; of several the fewest, and none at all for what is no number: RFC 9111 §4.2.1 would have such a response stale.
   * @returns undefined where the directive is missing
   */
  seconds(name: string): number | undefined {
    const given = this.#values.get(name);
    if (given === undefined) return undefined;
    const seconds = (value: string | true) => (value !== true && /^\d+$/.test(value) ? Number(value) : 0);
    return given.reduce((least, value) => Math.min(least, seconds(value)), 2 ** 31);
  }
}

const TOKEN = /[!#$%&'*+\-.^_`|~0-9A-Za-z]+/y;
const QUOTED = /"((?:[^"\\]|\\.)*)"/y;
const UNQUOTED = /[^\s,"]+/y;
const SPACES = /[ \t]*/y;

/** Directives that hold without their argument where that cannot be read. */
const RESTRICTING = new Set(['private', 'no-cache', 'no-store']);

/**
 * RFC 9111 §5.2, forgiving: what cannot be read is left out, up to the next comma, but not `private` and its like. A quoted
 * string is one argument, whatever stands in it; where one has no end, quotes hide nothing: another field may have followed.
 */
export function parseCacheControl(text: string | undefined): Directives {
  const values = new Map<string, (string | true)[]>();
  if (text === undefined) return new Directives(values);
  const isClosed = text.includes('"') ? closesQuotes(text) : true;
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  while (at < text.length) {
    take(SPACES);
    const name = take(TOKEN)?.[0].toLowerCase();
    let value: string | true = true;
    if (name !== undefined && text[at] === '=') {
      at++;
      value = (isClosed ? take(QUOTED)?.[1]?.replace(/\\(.)/g, '$1') : undefined) ?? take(UNQUOTED)?.[0] ?? '';
    }
    take(SPACES);
    const isWhole = at >= text.length || text[at] === ',';
    if (name !== undefined) {
      if (RESTRICTING.has(name) && (!isWhole || value === '')) value = true;
      if (isWhole || value === true) add(values, name, value);
    }
    const comma = isClosed ? -1 : text.indexOf(',', at);
    at = isClosed ? nextMember(text, at) : comma === -1 ? text.length : comma + 1;
  }
  return new Directives(values);
}

function add(values: Map<string, (string | true)[]>, name: string, value: string | true): void {
  const given = values.get(name);
  if (given === undefined) values.set(name, [value]);
  else given.push(value);
}

function closesQuotes(text: string): boolean {
  let isQuoted = false;
  for (let at = 0; at < text.length; at++) {
    if (isQuoted && text[at] === '\\') at++;
    else if (text[at] === '"') isQuoted = !isQuoted;
  }
  return !isQuoted;
}

/** Just after the next comma that stands in no quoted string. */
function nextMember(text: string, from: number): number {
  let isQuoted = false;
  for (let at = from; at < text.length; at++) {
    if (isQuoted && text[at] === '\\') at++;
    else if (text[at] === '"') isQuoted = !isQuoted;
    else if (text[at] === ',' && !isQuoted) return at + 1;
  }
  return text.length;
}

/** One member of a Dictionary of RFC 8941, as far as directives need it: a flag, a whole number, a token or a string. */
const MEMBER =
  /^[a-z*][a-z0-9_\-.*]*(?:=(?:\?[01]|-?\d{1,15}|"(?:[^"\\]|\\["\\])*"|[A-Za-z*][\w!#$%&'*+\-.^`|~:/]*))?$/;

/**
 * A targeted field (RFC 9213 §2.1), which is a Dictionary and strict: one that does not parse is ignored, all of it.
 * @returns undefined where the field is missing, empty, or no Dictionary
 */
export function parseTargeted(text: string | undefined): Directives | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  const values = new Map<string, (string | true)[]>();
  for (let at = 0; at < text.length; ) {
    const end = nextMember(text, at);
    const raw = text.slice(at, text[end - 1] === ',' ? end - 1 : end).trim();
    const member = raw.split(';', 1)[0]!.trim();
    if (!MEMBER.test(member)) return undefined;
    const equals = member.indexOf('=');
    const name = equals === -1 ? member : member.slice(0, equals);
    const value = equals === -1 ? '?1' : member.slice(equals + 1);
    if (value === '?0') values.delete(name);
    else values.set(name, [value === '?1' ? true : value.replace(/^"|"$/g, '')]);
    at = end;
  }
  return new Directives(values);
}
