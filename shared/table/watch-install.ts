import { type CoreNames, literal } from './names.js';
import type { Queryable } from './queryable.js';
import { argumentsFor, type EVENTS, type TableState, triggerName, triggersOf } from './watch-catalog.js';
import { NEW_ROWS, OLD_ROWS } from './watch-key-sql.js';

const identifier = (name: string) => `"${name.replaceAll('"', '""')}"`;
const qualified = ({ schema, table }: TableState) => `${identifier(schema)}.${identifier(table)}`;

/** Transition tables are to be had only by a trigger of one event. */
const REFERENCES: Readonly<Record<(typeof EVENTS)[number], string>> = {
  insert: `REFERENCING NEW TABLE AS ${NEW_ROWS}`,
  update: `REFERENCING OLD TABLE AS ${OLD_ROWS} NEW TABLE AS ${NEW_ROWS}`,
  delete: `REFERENCING OLD TABLE AS ${OLD_ROWS}`,
  truncate: '',
};

/** Drops the triggers of the cache on a table, whatever they are called by now. */
export async function dropTriggers(db: Queryable, state: TableState): Promise<void> {
  const text = state.triggers
    .map((name) => `DROP TRIGGER IF EXISTS ${identifier(name)} ON ${qualified(state)};`)
    .join('\n');
  if (text !== '') await db.query({ text });
}

/**
 * Makes the triggers of a table of this kind. Those of statements fire ALWAYS: also in a session that loads data as a replica
 * does. The one of rows fires there alone, since what a subscription applies is no statement.
 * @param table as SQL calls it; @param given the arguments of `argumentsFor` as SQL, joined by commas
 */
export function triggersSql(core: CoreNames, kind: string, table: string, given: string): string {
  const statements = Object.entries(REFERENCES).map(([event, references]) => {
    const name = identifier(triggerName(core, event));
    return `CREATE TRIGGER ${name} AFTER ${event} ON ${table} ${references}
        FOR EACH STATEMENT EXECUTE FUNCTION ${core.fn('watched')}(${given});
      ALTER TABLE ONLY ${table} ENABLE ALWAYS TRIGGER ${name};`;
  });
  const applied = triggerName(core, 'applied');
  if (triggersOf(core, kind).includes(applied)) {
    statements.push(`CREATE TRIGGER ${identifier(applied)} AFTER INSERT OR UPDATE OR DELETE ON ${table}
        FOR EACH ROW EXECUTE FUNCTION ${core.fn('watched_applied')}();
      ALTER TABLE ONLY ${table} ENABLE REPLICA TRIGGER ${identifier(applied)};`);
  }
  return statements.join('\n');
}

/** Installs the triggers of a table anew. */
export async function makeTriggers(db: Queryable, core: CoreNames, state: TableState, rowsMax: number): Promise<void> {
  const given = argumentsFor(state, rowsMax).map(literal).join(', ');
  await dropTriggers(db, state);
  await db.query({ text: triggersSql(core, state.kind, qualified(state), given) });
}
