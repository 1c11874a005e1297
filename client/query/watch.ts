export {
  DEFAULT_WATCH_ROWS_MAX,
  type UnwatchOptions,
  unwatchTables,
  WATCH_TABLES_MAX,
  type WatchedTable,
  type WatchOptions,
  watchedTables,
  watchTables,
} from '../../shared/table/watch.js';
export type { WatchProblem } from '../../shared/table/watch-catalog.js';
