import { type OutgoingMessage, ServerResponse } from 'node:http';
import type { HeaderPairs, Reply } from './types.js';

/** @returns the fields of a response as they would be sent, the several values of one apart */
export function headerPairs(res: OutgoingMessage): HeaderPairs {
  return res.getHeaderNames().flatMap((name) => {
    const value = res.getHeader(name);
    const values = Array.isArray(value) ? value : [value];
    return values.map((one) => [name.toLowerCase(), String(one)] as const);
  });
}

/**
 * Sends a reply; fields of the same name that were set before give way, others stay.
 * @returns whether middleware before the cache has given its client a cookie at the last moment
 */
export function sendReply(res: ServerResponse, { status, headers, body }: Reply): boolean {
  setFields(res, headers);
  res.statusCode = status;
  const before = String(res.getHeader('set-cookie') ?? '');
  if (hasLateFields(res)) res.writeHead(status);
  const isPersonal = String(res.getHeader('set-cookie') ?? '') !== before;
  if (body === undefined) res.end();
  else res.end(body);
  return isPersonal;
}

/** Whether somebody has put himself before `writeHead`, to set fields when the head goes out. */
export function hasLateFields(res: ServerResponse): boolean {
  return res.writeHead !== ServerResponse.prototype.writeHead;
}

/** Sets fields, several of a name as one list, in place of those that were set before. */
export function setFields(res: ServerResponse, headers: HeaderPairs): void {
  const byName = new Map<string, string[]>();
  for (const [name, value] of headers) {
    const values = byName.get(name);
    if (values === undefined) byName.set(name, [value]);
    else values.push(value);
  }
  for (const [name, values] of byName) res.setHeader(name, values.length === 1 ? values[0]! : values);
}
