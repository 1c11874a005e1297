import { WATCH_TABLES_MAX, type WatchedTable, watchedTables, watchTables } from '../../../shared/table/watch.js';
import type { Call, Command } from '../command.js';
import { UsageError } from '../exit.js';
import { printable } from '../output.js';
import { withPool } from '../with-pool.js';
import { DATABASE_OPTION_NAMES } from './migrate.js';

export const watch: Command = {
  name: 'watch',
  summary: 'let commits to these tables invalidate; without TABLE: list them',
  operands: '[TABLE…]',
  operandsMin: 0,
  operandsMax: WATCH_TABLES_MAX,
  details:
    'Installs triggers on the tables, their partitions and inheritance children, and drops what is cached of them. Run it again after a changed primary key, an attached partition, or anything else that changed the tables without their triggers. Needs the role that owns the tables.',
  own: ['json', 'rowsMax'],
  options: DATABASE_OPTION_NAMES,
  async run(call) {
    const { operands, own, output } = call;
    const rowsMax = rowsMaxOf(call);
    const tables = await withPool(call, (pool, { table, logged }) =>
      operands.length === 0
        ? watchedTables(pool, { table })
        : watchTables(pool, operands, { table, logged, invalidate: true, ...rowsMax }),
    );
    if (own.json) output.json(tables);
    else if (tables.length === 0) output.line('no table is watched');
    else for (const one of tables) output.line(printable(describe(one)));
    return 'ok';
  },
};

function rowsMaxOf({ own }: Call): { rowsMax?: number } {
  if (own.rowsMax === undefined) return {};
  const rowsMax = Number(own.rowsMax);
  if (!/^\d+$/.test(String(own.rowsMax))) throw new UsageError('--rows-max must be a whole number from 0');
  return { rowsMax };
}

function describe({ schema, table, key, namesRows, rowsMax, problems, relatives = [] }: WatchedTable): string {
  const how = namesRows ? `by row (${key.join(', ')}), up to ${rowsMax} a statement` : 'as a whole';
  const wrong = problems.length === 0 ? '' : `: ${problems.join(', ')}`;
  const which = relatives.length === 0 ? '' : ` (${relatives.map((one) => `${one.schema}.${one.table}`).join(', ')})`;
  return `${schema}.${table}  ${how}${wrong}${which}`;
}
