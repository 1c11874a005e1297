import type pg from 'pg';
import { type WatchedTable, watchedTables } from '../../../shared/table/watch.js';
import type { WatchProblem } from '../../../shared/table/watch-catalog.js';
import type { Config } from '../../config.js';
import { type Finding, findingsOf } from './finding.js';

const MEANING: Readonly<Record<WatchProblem, string>> = {
  'missing-trigger': 'a trigger is missing: some changes are not seen',
  'disabled-trigger': 'a trigger is disabled, or does not fire in every session: some changes are not seen',
  'key-changed': 'the primary key is another one: every change counts as one of all rows',
  'unwatched-relative': 'a partition, child or parent is not watched: changes made through it are not seen',
  'foreign-relative': 'a partition or child is a foreign table: changes made on its server are not seen',
};

/** Which tables are watched, and which of them not wholly. */
export async function checkWatched(client: pg.Client, { table }: Config): Promise<Finding[]> {
  const { ok, warn } = findingsOf('watched tables');
  const tables = await watchedTables(client, { table });
  if (tables.length === 0) return [ok('none')];
  const nameOf = (one: WatchedTable) => `${one.schema}.${one.table}`;
  const findings = tables.flatMap((one) =>
    one.problems.map((problem) =>
      warn(
        `${nameOf(one)}: ${MEANING[problem]}`,
        problem === 'foreign-relative'
          ? `give its answers a short life, or run pgcached unwatch ${nameOf(one)}`
          : `run pgcached watch ${nameOf(one)}`,
      ),
    ),
  );
  const whole = tables.filter(({ problems }) => problems.length === 0);
  return whole.length === 0 ? findings : [ok(whole.map(nameOf).join(', ')), ...findings];
}
