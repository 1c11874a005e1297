import { manyRowsTag, rowTag, TABLES_NAMESPACE, tableTag } from '../table-tags.js';
import { durably } from './core-sql.js';
import { NOTIFY_SETTING } from './invalidate-sql.js';
import { anyName, type CoreNames, literal, tagName } from './names.js';
import { NEW_ROWS, OLD_ROWS, ROW_ID_BYTES, rowIdOf, tableKey } from './watch-key-sql.js';

/** Beyond this share of Postgres's queue of notifications the triggers leave the wake-up to the daemons' polls: a full queue fails commits. */
const NOTIFY_QUEUE_SHARE_MAX = 0.5;
/** Longer, the note of what a transaction has logged is begun anew, and some names are logged twice. */
const NOTED_BYTES_MAX = 8192;

/**
 * The tags of shared/table-tags.ts as SQL: the same functions write them, with a mark in place of the names. A mark is
 * taken apart again at the single place where it stands.
 */
const MARK = { schema: '\u0001', table: '\u0002', id: '\u0003' } as const;
function asSql(tag: string, expressions: Readonly<Record<string, string>>): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the marks are such characters because no name has them
  const pieces = tagName(TABLES_NAMESPACE, tag).split(/([\u0001-\u0003])/);
  return pieces
    .filter((piece) => piece !== '')
    .map((piece) => expressions[piece] ?? literal(piece))
    .join(' || ');
}

/** The log's names of a table, its rows and one row as SQL, of SQL that gives schema, table and the row's id. */
export function tagsAsSql(schema: string, table: string, id = 'NULL') {
  const expressions = { [MARK.schema]: schema, [MARK.table]: table, [MARK.id]: id };
  return {
    table: asSql(tableTag(MARK), expressions),
    manyRows: asSql(manyRowsTag(MARK), expressions),
    row: asSql(rowTag(MARK, MARK.id), expressions),
  };
}

/**
 * Whether to NOTIFY with the change. A transaction that did so can't be prepared, and the application's must not fail for
 * the cache: where transactions can be prepared at all, only who asks for it ('on') gets it, the others wait for the poll.
 */
export const mayNotify = `
      (CASE current_setting('${NOTIFY_SETTING}', true) WHEN 'off' THEN false WHEN 'on' THEN true
        ELSE current_setting('max_prepared_transactions') = '0' END)
      AND pg_notification_queue_usage() < ${NOTIFY_QUEUE_SHARE_MAX}`;

/**
 * What a transaction has logged is noted in a setting local to it, which a savepoint takes back together with the rows. The
 * log itself is not asked: under SERIALIZABLE that read would make transactions conflict that have nothing in common.
 */
const notedSetting = (core: CoreNames) => literal(`pgcached.noted_${core.id}`);

/** With regular tables a commit that is told before it is safe could come to nothing, and its transaction's id be given out again. */
const durable = (logged: boolean) =>
  logged ? `IF current_setting('synchronous_commit') = 'off' THEN ${durably(logged)} END IF;` : '';

/** There is no cache any more whose freshness could suffer: the write goes on. */
const letGo = (core: CoreNames) => `
      IF to_regclass(${literal(core.log)}) IS NULL THEN
        RAISE WARNING 'pgcached: % is watched for a cache that is not there any more', TG_RELID::regclass
          USING HINT = 'Run pgcached unwatch, or DROP FUNCTION ... CASCADE of the functions of the triggers.';
        RETURN NULL;
      END IF;`;

/** Begins with what the transaction has noted so far; leaves where all rows of the table count as changed already. */
const recall = (core: CoreNames) => `
      v_xid := pg_current_xact_id()::text;
      v_noted := current_setting(${notedSetting(core)}, true);
      IF v_noted IS NULL OR NOT starts_with(v_noted, v_xid || ' ') OR length(v_noted) > ${NOTED_BYTES_MAX} THEN
        v_noted := v_xid || ' ';
        v_is_first := true;
      END IF;
      v_mark := TG_RELID || '/' || hashtextextended(TG_TABLE_SCHEMA || '.' || TG_TABLE_NAME, 0);
      IF strpos(v_noted, ' ' || v_mark || '* ') > 0 THEN RETURN NULL; END IF;`;

/** Logs `v_ids` as rows, or all rows where it is null; the table and the marker where the transaction has not yet. */
const record = (core: CoreNames, logged: boolean) => {
  const tags = tagsAsSql('TG_TABLE_SCHEMA', 'TG_TABLE_NAME', 'id');
  return `
      IF strpos(v_noted, ' ' || v_mark || ' ') = 0 THEN
        v_names := ARRAY[${tags.table}];
        v_noted := v_noted || v_mark || ' ';
      END IF;
      IF v_ids IS NULL THEN
        v_names := v_names || (${tags.manyRows});
        v_noted := v_noted || v_mark || '* ';
      END IF;
      IF v_is_first THEN v_names := v_names || ${literal(anyName(TABLES_NAMESPACE))}::text; END IF;
      INSERT INTO ${core.log} (name)
        SELECT ${tags.row} FROM (
          SELECT CASE WHEN octet_length(whole) <= ${ROW_ID_BYTES} THEN whole
            ELSE encode(sha256(convert_to(whole, 'UTF8')), 'hex') END AS id FROM unnest(v_ids) AS whole) AS ids
        UNION ALL SELECT unnest(v_names);
      IF v_names <> '{}' THEN PERFORM set_config(${notedSetting(core)}, v_noted, true); END IF;
      ${durable(logged)}
      IF v_is_first AND ${mayNotify} THEN
        PERFORM pg_notify(${literal(core.channel)}, '');
      END IF;
      RETURN NULL;`;
};

const DECLARED = `
      v_xid text;
      v_noted text;
      v_mark text;
      v_is_first boolean := false;
      v_names text[] := '{}';
      v_ids text[];`;

/** With its owner's rights, so that who writes a table needs none on the log; nothing is looked up but in the catalog. */
const AS_OWNER = 'LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp';

/**
 * The trigger of a watched table, for each statement. It has the number of rows beyond which they are not named, and the
 * primary key as it was when the table was watched: a value that is cached names rows by that key. Under another one,
 * or where rows can't be named, each change counts as that of all rows, until the table is watched again.
 *
 * To look the key up takes longer (150 µs) than all the rest. So a trigger of a table whose key is its first columns has the
 * oid of the key's index as well: as long as that is the primary key's, neither its columns nor their types have changed.
 */
function watchedFunction(core: CoreNames, logged: boolean): string {
  const ids = (shape: 'first' | 'two' | 'any') => {
    const of = (rows: string) => rowIdOf(shape, rows);
    if (shape === 'any') {
      const query = (...rows: string[]) => literal(rows.map(of).join(' UNION '));
      return `EXECUTE format('SELECT ARRAY(%s)', replace(
            CASE TG_OP WHEN 'INSERT' THEN ${query(NEW_ROWS)} WHEN 'DELETE' THEN ${query(OLD_ROWS)} ELSE ${query(NEW_ROWS, OLD_ROWS)} END,
            '$id$', v_key.id)) INTO v_ids;`;
    }
    return `CASE TG_OP
            WHEN 'INSERT' THEN v_ids := ARRAY(${of(NEW_ROWS)});
            WHEN 'DELETE' THEN v_ids := ARRAY(${of(OLD_ROWS)});
            ELSE v_ids := ARRAY(${of(NEW_ROWS)} UNION ${of(OLD_ROWS)});
          END CASE;`;
  };
  const count = (rows: string) => `SELECT count(*) INTO v_count FROM (SELECT FROM ${rows} LIMIT v_max + 1) AS counted;`;
  return `
    CREATE OR REPLACE FUNCTION ${core.fn('watched')}() RETURNS trigger ${AS_OWNER} AS $fn$
    #variable_conflict use_variable -- the rows that changed may well have a column of such a name
    DECLARE ${DECLARED}
      v_max int := TG_ARGV[0];
      v_count int;
      v_index oid := TG_ARGV[2];
      v_shape text;
      v_key record;
    BEGIN
      ${letGo(core)}
      IF TG_OP <> 'TRUNCATE' THEN
        IF TG_OP = 'DELETE' THEN ${count(OLD_ROWS)} ELSE ${count(NEW_ROWS)} END IF;
        IF v_count = 0 THEN RETURN NULL; END IF;
      END IF;
      ${recall(core)}
      IF v_count <= v_max THEN
        IF EXISTS (SELECT FROM pg_index WHERE indexrelid = v_index AND indrelid = TG_RELID AND indisprimary) THEN
          v_shape := TG_ARGV[3];
        ELSE
          ${tableKey('TG_RELID', 'v_key')}
          IF v_key.names IS NOT DISTINCT FROM TG_ARGV[1] AND v_key.is_nameable THEN v_shape := v_key.shape; END IF;
        END IF;
        CASE v_shape
        WHEN 'first' THEN ${ids('first')}
        WHEN 'two' THEN ${ids('two')}
        WHEN 'any' THEN ${ids('any')}
        ELSE NULL;
        END CASE;
      END IF;
      ${record(core, logged)}
    END $fn$;`;
}

/** What a subscription applies fires no statement's trigger, only those of rows: there, each change is one of all rows. */
function appliedFunction(core: CoreNames, logged: boolean): string {
  return `
    CREATE OR REPLACE FUNCTION ${core.fn('watched_applied')}() RETURNS trigger ${AS_OWNER} AS $fn$
    DECLARE ${DECLARED}
    BEGIN
      ${letGo(core)}
      ${recall(core)}
      ${record(core, logged)}
    END $fn$;`;
}

/**
 * For changes that no trigger sees: `SELECT hyper_cache_changed('products')`, with any table, view or materialized view.
 * What it logs takes effect if and when the transaction commits.
 */
function changedFunction(core: CoreNames): string {
  const tags = tagsAsSql('n.nspname', 'c.relname');
  return `
    CREATE OR REPLACE FUNCTION ${core.fn('changed')}(VARIADIC relations regclass[]) RETURNS void ${AS_OWNER} AS $fn$
    BEGIN
      INSERT INTO ${core.log} (name)
        SELECT name FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace,
          LATERAL (VALUES (${tags.table}), (${tags.manyRows})) AS tags(name)
        WHERE c.oid = ANY (relations)
        UNION ALL VALUES (${literal(anyName(TABLES_NAMESPACE))});
      IF ${mayNotify} THEN
        PERFORM pg_notify(${literal(core.channel)}, '');
      END IF;
    END $fn$;`;
}

/** The functions of watched tables' triggers. They belong to the cache, so that an upgrade reaches every trigger at once. */
export function watchFunctions(core: CoreNames, logged: boolean): string {
  return watchedFunction(core, logged) + appliedFunction(core, logged) + changedFunction(core);
}
