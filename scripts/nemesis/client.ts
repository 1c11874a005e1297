import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from '../../client/index.js';
import { Accounts } from './accounts.js';
import * as keys from './keys.js';
import type { ClientSetup, FromClient, ToClient } from './messages.js';
import { type Ground, Operations, readMany } from './operations.js';
import { Random } from './random.js';
import { Recorder } from './recorder.js';
import { Source } from './source.js';

/** A client process of the nemesis: `client.js SETUP`. Ends when its parent is gone. */
const REPORT_MS = 500;
const PAUSE_MS = 6;
const CALL_LIMIT_MS = 4_000;
const RECOVERY_LIMIT_MS = 40_000;

const setup = JSON.parse(process.argv[2]!) as ClientSetup;
const { slot, life, round, socket, databaseUrl, near, degrades, seed } = setup;
const common = { socket, near, timeoutMs: CALL_LIMIT_MS } as const;
const cache = connect({ ...common, onUnavailable: degrades ? 'degrade' : 'throw' });
const ground: Ground = {
  cache,
  strict: connect({ ...common, onUnavailable: 'throw', namespace: 'strict' }),
  loads: new Source(databaseUrl),
  recorder: new Recorder(setup.file),
  accounts: new Accounts(databaseUrl, cache),
  slot,
  life,
  round,
  lives: setup.lives,
};
let isFinishing = false;

process.on('disconnect', () => process.exit());
process.on('message', (message: ToClient) => {
  if ('lives' in message) ground.lives = message.lives;
  else isFinishing = true;
});

function report(more: Partial<FromClient> = {}): void {
  const { operations, codes } = ground.recorder;
  const { hits, misses, bypasses } = ground.accounts.pool.cacheStats;
  const queries = { hits, misses, bypasses };
  process.send!({ operations, codes: Object.fromEntries(codes), queries, ...more } satisfies FromClient);
}

async function loop(number: number): Promise<void> {
  const random = new Random(seed + number);
  const operations = new Operations(ground, number, random, new Source(databaseUrl));
  while (!isFinishing) {
    await operations.next();
    await sleep(random.below(PAUSE_MS));
  }
}

const isUp = (): Promise<boolean> =>
  ground.strict.get(keys.counterKey(round, 0)).then(
    () => true,
    () => false,
  );

/** When the faults are over, everything can be read again. */
async function recovers(): Promise<boolean> {
  const all = ground.lives.flatMap((one, at) => keys.registersOfSlot(at, one));
  all.push(...keys.sourceKeys(round));
  const endMs = performance.now() + RECOVERY_LIMIT_MS;
  while (performance.now() < endMs) {
    // A client that degrades answers in any case: only the other one tells.
    if ((await isUp()) && (await readMany(ground, all)) && (await ground.accounts.readAll(ground.recorder)))
      return true;
    await sleep(100);
  }
  return false;
}

const timer = setInterval(report, REPORT_MS);
await Promise.all(Array.from({ length: keys.LOOPS }, (_, number) => loop(number)));
clearInterval(timer);
report({ recovered: await recovers() });
