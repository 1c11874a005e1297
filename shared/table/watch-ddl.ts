import { TABLES_NAMESPACE } from '../table-tags.js';
import { type CoreNames, literal, namespaceName } from './names.js';
import type { Queryable } from './queryable.js';
import { RELATIVES_VARIABLES, watchRelatives } from './watch-relatives-sql.js';
import { mayNotify } from './watch-sql.js';

/** Definitions after which a query may mean something else, read other tables, or have another answer. */
const TAGS = (
  'ALTER TABLE|CREATE TABLE|CREATE TABLE AS|SELECT INTO|ALTER FOREIGN TABLE|CREATE FOREIGN TABLE|CREATE VIEW|ALTER VIEW|' +
  'CREATE MATERIALIZED VIEW|ALTER MATERIALIZED VIEW|REFRESH MATERIALIZED VIEW|CREATE RULE|ALTER RULE|CREATE POLICY|ALTER POLICY|' +
  'CREATE FUNCTION|ALTER FUNCTION|CREATE TYPE|ALTER TYPE|ALTER DOMAIN|CREATE OPERATOR|CREATE CAST|ALTER SCHEMA|ALTER COLLATION'
).split('|');
/** Objects that are of no consequence when they are dropped. */
const HARMLESS = ['index', 'sequence', 'statistics object', 'default value', 'toast table'];

const functionName = (core: CoreNames) => core.fn('definition_changed');
const triggerName = (core: CoreNames, suffix: string) => `"${core.table}_definitions_${suffix}"`;

/**
 * Logs, in the transaction that changes a definition, that everything made of queries is out of date. What it is about is not
 * followed: definitions change seldom. Temporary tables, and the cache's own objects, don't count. What came to
 * share rows with a watched table is watched.
 */
function changedFunction(core: CoreNames): string {
  const isOwn = (identity: string) =>
    `starts_with(${identity}, ${literal(`${core.schema}.${core.table}`)} || '_') OR ${identity} = ${literal(`${core.schema}.${core.table}`)}`;
  return `
    CREATE OR REPLACE FUNCTION ${functionName(core)}() RETURNS event_trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$
    DECLARE
      v_counts boolean;${RELATIVES_VARIABLES}
    BEGIN
      IF to_regclass(${literal(core.log)}) IS NULL THEN RETURN; END IF;
      IF TG_EVENT = 'sql_drop' THEN
        v_counts := EXISTS (SELECT FROM pg_event_trigger_dropped_objects() AS d WHERE NOT d.is_temporary
          AND d.object_type <> ALL (ARRAY[${HARMLESS.map(literal).join(', ')}]) AND NOT (${isOwn('d.object_identity')}));
      ELSE
        v_counts := EXISTS (SELECT FROM pg_event_trigger_ddl_commands() AS c
          WHERE c.schema_name IS DISTINCT FROM 'pg_temp' AND NOT (${isOwn('c.object_identity')}));
      END IF;
      IF NOT v_counts THEN RETURN; END IF;
      IF TG_EVENT = 'ddl_command_end' THEN${watchRelatives(core)}
      END IF;
      INSERT INTO ${core.log} (name) VALUES (${literal(namespaceName(TABLES_NAMESPACE))});
      IF ${mayNotify} THEN
        PERFORM pg_notify(${literal(core.channel)}, '');
      END IF;
    END $fn$;`;
}

/** Drops them, and their function. */
export async function dropDefinitionTriggers(db: Queryable, core: CoreNames): Promise<void> {
  await db.query({
    text: `DROP EVENT TRIGGER IF EXISTS ${triggerName(core, 'changed')};
      DROP EVENT TRIGGER IF EXISTS ${triggerName(core, 'dropped')};
      DROP FUNCTION IF EXISTS ${functionName(core)}();`,
  });
}

/** Installs event triggers for the whole database, which takes a superuser. What was there of them is made anew. */
export async function makeDefinitionTriggers(db: Queryable, core: CoreNames): Promise<void> {
  const tags = TAGS.map(literal).join(', ');
  await dropDefinitionTriggers(db, core);
  await db.query({
    text: `${changedFunction(core)}
      CREATE EVENT TRIGGER ${triggerName(core, 'changed')} ON ddl_command_end WHEN TAG IN (${tags}) EXECUTE FUNCTION ${functionName(core)}();
      CREATE EVENT TRIGGER ${triggerName(core, 'dropped')} ON sql_drop EXECUTE FUNCTION ${functionName(core)}();
      ALTER EVENT TRIGGER ${triggerName(core, 'changed')} ENABLE ALWAYS;
      ALTER EVENT TRIGGER ${triggerName(core, 'dropped')} ENABLE ALWAYS;
      INSERT INTO ${core.log} (name) VALUES (${literal(namespaceName(TABLES_NAMESPACE))});`,
  });
}
