import { parentPort, workerData } from 'node:worker_threads';
import type { ThreadMessage } from './parallel.js';
import { type SearchOptions, search } from './search.js';

const say = (message: ThreadMessage) => parentPort?.postMessage(message);

const progress = (schedules: number) => say({ kind: 'progress', schedules });
say({ kind: 'end', result: await search({ ...(workerData as SearchOptions), progress }) });
