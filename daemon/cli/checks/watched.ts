import type pg from 'pg';
import { type WatchedTable, watchedTables } from '../../../shared/table/watch.js';
import type { WatchProblem } from '../../../shared/table/watch-catalog.js';
import type { TableName } from '../../../shared/table-tags.js';
import type { Config } from '../../config.js';
import { type Finding, findingsOf } from './finding.js';

const MEANING: Readonly<Record<WatchProblem, string>> = {
  'missing-trigger': 'a trigger is missing: some changes are not seen',
  'disabled-trigger': 'a trigger is disabled, or does not fire in every session: some changes are not seen',
  'key-changed': 'the primary key is another one: every change counts as one of all rows',
  'unwatched-relative': 'a partition, child or parent is not watched: changes made directly to it are not seen',
  'foreign-relative': 'a partition or child is a foreign table: changes made on its server are not seen',
};

/** Partitions and the like that are named. */
const RELATIVES_SHOWN = 5;

/** Which tables are watched, and which of them not wholly. */
export async function checkWatched(client: pg.Client, { table }: Config): Promise<Finding[]> {
  const { ok, warn } = findingsOf('watched tables');
  const tables = await watchedTables(client, { table });
  if (tables.length === 0) return [ok('none')];
  const nameOf = (one: TableName) => `${one.schema}.${one.table}`;
  const relatives = ({ relatives = [] }: WatchedTable) => {
    const more = relatives.length > RELATIVES_SHOWN ? `, and ${relatives.length - RELATIVES_SHOWN} more` : '';
    return relatives.length === 0 ? '' : ` (${relatives.slice(0, RELATIVES_SHOWN).map(nameOf).join(', ')}${more})`;
  };
  const findings = tables.flatMap((one) =>
    one.problems.map((problem) =>
      warn(
        `${nameOf(one)}: ${MEANING[problem]}${problem.endsWith('-relative') ? relatives(one) : ''}`,
        problem === 'foreign-relative'
          ? `give its answers a short life, or run pgcached unwatch ${nameOf(one)}`
          : `run pgcached watch ${nameOf(one)}`,
      ),
    ),
  );
  const whole = tables.filter(({ problems }) => problems.length === 0);
  return whole.length === 0 ? findings : [ok(whole.map(nameOf).join(', ')), ...findings];
}
