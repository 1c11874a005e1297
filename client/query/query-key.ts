import { createHash } from 'node:crypto';
import type pg from 'pg';
import { RAW_TYPES } from './raw-result.js';
import type { QueryRequest } from './request.js';
import { type DriverClient, isIdle, type Session, sessionOf } from './session.js';

/** Whether queries mean the same and get the same there, in rows and in text. */
export function isSameSession(one: Session, other: Session): boolean {
  return !one.isStandby && !one.hasTemporary && one.server === other.server && one.settings === other.settings;
}

/** What the driver is given for a result that is to be kept. */
export function driverQuery({ text, parameters, name, queryTimeoutMs }: QueryRequest): pg.QueryArrayConfig {
  const config = {
    text,
    rowMode: 'array' as const,
    types: RAW_TYPES as unknown as pg.CustomTypesConfig,
    ...(parameters === undefined ? {} : { values: parameters.map(({ sent }) => sent) }),
    ...(name === undefined ? {} : { name }),
    ...(queryTimeoutMs === undefined ? {} : { query_timeout: queryTimeoutMs }),
  };
  return config;
}

/** What the driver is given for a result that goes to the caller as it is. */
export function directQuery(request: QueryRequest): pg.QueryConfig {
  const { text, parameters, rowMode, types, name, queryTimeoutMs } = request;
  const config = {
    text,
    ...(parameters === undefined ? {} : { values: parameters.map(({ sent }) => sent) }),
    ...(rowMode === undefined ? {} : { rowMode }),
    ...(types === undefined ? {} : { types: types as unknown as pg.CustomTypesConfig }),
    ...(name === undefined ? {} : { name }),
    ...(queryTimeoutMs === undefined ? {} : { query_timeout: queryTimeoutMs }),
  };
  return config;
}

/** Of the text, what it is sent with, and the session. What the rows are made to be is each caller's own affair. */
export function keyOf({ text, parameters = [] }: QueryRequest, { settings }: Session): string {
  const values = parameters.map(({ sent }) => (Buffer.isBuffer(sent) ? { buffer: sent.toString('base64') } : sent));
  const digest = createHash('sha256')
    .update(JSON.stringify([settings, text, values]))
    .digest('base64url');
  return `query ${digest}`;
}

/** Whether what runs on the connection now runs outside transactions, in the session that was proven. */
export const isProven = async (client: DriverClient, session: Session): Promise<boolean> =>
  isIdle(client) && isSameSession(await sessionOf(client), session);
