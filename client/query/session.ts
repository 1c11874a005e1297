import { createHash } from 'node:crypto';
import type pg from 'pg';
import type { TypeParsers } from './raw-result.js';

/** Settings on which the text of a result depends. */
const SETTINGS = [
  'search_path',
  'TimeZone',
  'timezone_abbreviations',
  'DateStyle',
  'IntervalStyle',
  'extra_float_digits',
  'bytea_output',
  'client_encoding',
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'default_text_search_config',
  'standard_conforming_strings',
  'backslash_quote',
  'transform_null_equals',
  'array_nulls',
  'xmlbinary',
  'xmloption',
  'quote_all_identifiers',
  'row_security',
];

const SESSION_SQL = `
  SELECT pg_catalog.pg_is_in_recovery() AS "isStandby", pg_catalog.pg_my_temp_schema() <> 0 AS "hasTemporary",
    pg_catalog.concat_ws(' ', (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()),
      extract(epoch FROM pg_catalog.pg_postmaster_start_time()), pg_catalog.inet_server_addr(), pg_catalog.inet_server_port()) AS server,
    pg_catalog.json_build_array(current_user, session_user, pg_catalog.current_schemas(true),
      (SELECT pg_catalog.json_agg(pg_catalog.json_build_array(name, setting) ORDER BY name)
        FROM pg_catalog.pg_settings WHERE name = ANY ($1::text[])))::text AS settings`;

/** A connection as Postgres sees it. */
export interface Session {
  readonly isStandby: boolean;
  readonly hasTemporary: boolean;
  /** The run of the server, and the database. */
  readonly server: string;
  /** A digest of who asks and of all settings that a result depends on: sessions with the same get the same results. */
  readonly settings: string;
  readonly types: TypeParsers;
}

/** The driver's client, with what its types leave out. */
export type DriverClient = pg.PoolClient & { readonly _types?: TypeParsers };

/** What is known of the sessions of connections; of one on which something else than queries was run, nothing. */
const sessions = new WeakMap<object, Session>();

/** The connection's session may have changed: settings, temporary tables. */
export function forgetSession(client: object): void {
  sessions.delete(client);
}

/** What is known without a look. */
export const knownSession = (client: object): Session | undefined => sessions.get(client);

/** Looks at the session, unless nothing can have changed since the last look. */
export async function sessionOf(client: DriverClient): Promise<Session> {
  const known = sessions.get(client);
  if (known !== undefined) return known;
  const { rows } = await client.query({ text: SESSION_SQL, values: [SETTINGS] });
  const { isStandby, hasTemporary, server, settings } = rows[0] as Record<string, string> & {
    isStandby: boolean;
    hasTemporary: boolean;
  };
  const session: Session = {
    isStandby,
    hasTemporary,
    server: server ?? '',
    settings: createHash('sha256')
      .update(settings ?? '')
      .digest('base64url'),
    types: client._types ?? (client as TypeParsers),
  };
  sessions.set(client, session);
  return session;
}

/** Whether the connection is the JavaScript driver's, in no transaction. */
export function isIdle(client: DriverClient): boolean {
  return client.getTransactionStatus() === 'I';
}
