import type { HeaderPairs } from './types.js';

/** The value of a field, several of a name joined by a comma as RFC 9110 §5.3 has it; undefined where there is none. */
export function field(headers: HeaderPairs, name: string): string | undefined {
  let joined: string | undefined;
  for (const [one, value] of headers) if (one === name) joined = joined === undefined ? value : `${joined}, ${value}`;
  return joined;
}

/** The members of a list such as `Vary`, in lower case, without the empty ones. */
export function listed(value: string | undefined): string[] {
  if (value === undefined) return [];
  return value
    .split(',')
    .map((member) => member.trim().toLowerCase())
    .filter((member) => member !== '');
}

/** RFC 9110 §7.6.1, and what proxies have made of it. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

/** The fields that belong to the message, not to the connection that it came by. */
export function endToEnd(headers: HeaderPairs): HeaderPairs {
  const named = new Set(listed(field(headers, 'connection')));
  return headers.filter(([name]) => !HOP_BY_HOP.has(name) && !named.has(name));
}

const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
/** Anything but control characters: what Node would refuse, or a client would read as the end of the field. */
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

/** Whether these fields can be sent as they stand; an entry of a store is somebody else's word. */
export function areSendable(headers: HeaderPairs): boolean {
  return headers.every(([name, value]) => NAME.test(name) && VALUE.test(value));
}

/** Fields with others put in the place of those of their names. */
export function withFields(headers: HeaderPairs, others: HeaderPairs): HeaderPairs {
  const names = new Set(others.map(([name]) => name));
  return [...headers.filter(([name]) => !names.has(name)), ...others];
}
