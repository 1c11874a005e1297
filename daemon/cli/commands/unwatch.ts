import { unwatchTables, WATCH_TABLES_MAX } from '../../../shared/table/watch.js';
import type { Command } from '../command.js';
import { printable } from '../output.js';
import { withPool } from '../with-pool.js';
import { DATABASE_OPTION_NAMES } from './migrate.js';

export const unwatch: Command = {
  name: 'unwatch',
  summary: 'take the triggers from these tables',
  operands: 'TABLE…',
  operandsMin: 1,
  operandsMax: WATCH_TABLES_MAX,
  details:
    'Also from their partitions and inheritance children. What is cached of them is dropped, since nothing invalidates it any more.',
  own: ['json'],
  options: DATABASE_OPTION_NAMES,
  async run(call) {
    const { operands, own, output } = call;
    const tables = await withPool(call, (pool, { table }) => unwatchTables(pool, operands, { table }));
    if (own.json) output.json(tables);
    else if (tables.length === 0) output.line('none of them was watched');
    else for (const { schema, table } of tables) output.line(printable(`${schema}.${table} is not watched any more`));
    return 'ok';
  },
};
