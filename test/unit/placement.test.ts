import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadConfig } from '../../daemon/config.js';
import { databasesOf } from '../../daemon/databases.js';
import { Follower } from '../../daemon/follower.js';
import { newIdentity } from '../../daemon/identity.js';
import type { LoadAsk, Namespace } from '../../daemon/namespace.js';
import { Placement } from '../../daemon/placement.js';
import { Stores } from '../../daemon/stores.js';
import type { CacheError } from '../../shared/errors.js';
import { LIMIT } from '../../shared/protocol.js';
import { HandClock, SmallTable } from '../support/small-table.js';

/** Namespaces of a daemon: so many, and those that nobody uses make room. */
const test = suite('placement');

const ASK: LoadAsk = { fromTable: false, graceMs: 0, beta: 0, cluster: false };
const MINUTE_MS = 60_000;

async function world() {
  const clock = new HandClock();
  const database = new SmallTable(clock).database();
  const config = loadConfig({
    options: { databaseUrl: 'postgres://u@h/d', namespaces: { local: { tiers: 'memory' } } },
  });
  const follower = new Follower({
    database,
    clock,
    staleBoundMs: 1000,
    pollIntervalMs: 30_000,
    apply: () => {},
    reset: () => {},
    onSight: () => {},
  });
  await follower.look();
  const stores = new Stores(config, {
    database,
    clock,
    identity: newIdentity(),
    follower,
    onWritten: () => {},
    onSuperseded: () => {},
    defer: (run) => setImmediate(run),
    random: () => 0.5,
    newId: () => 'id',
  });
  const session = { name: 'session-1', opened: [] as Namespace[] };
  const [node] = databasesOf(config);
  const placement = new Placement({ config, clock, shards: [{ node: node!, stores }], openings: () => [session] });
  const names = Array.from({ length: LIMIT.namespacesMax }, (_, at) => `n${at}`);
  const refusal = () => {
    try {
      placement.open('another');
      return undefined;
    } catch (error) {
      return error as CacheError;
    }
  };
  return { clock, placement, session, names, refusal };
}

test('when all are in use, no more are opened, and the error names who holds them', async () => {
  const { clock, placement, session, names, refusal } = await world();
  for (const name of names) session.opened.push(placement.open(name));
  await clock.pass(10 * MINUTE_MS);
  const error = refusal();
  assert.is(error?.code, 'ERR_OVERLOADED');
  assert.match(String(error?.message), `${LIMIT.namespacesMax} namespaces are in use already`);
  assert.match(String(error?.message), `session-1 has ${LIMIT.namespacesMax} open`);
});

test('one that nobody has open makes room after a minute, and is there again when it is asked for', async () => {
  const { clock, placement, session, names, refusal } = await world();
  const [first, ...rest] = names.map((name) => placement.open(name));
  session.opened.push(...rest);
  assert.is(refusal()?.code, 'ERR_OVERLOADED', 'it may be on its way to a connection');
  await clock.pass(MINUTE_MS + 1);
  assert.is(refusal(), undefined);
  assert.is(refusal(), undefined, 'it is open now');
  assert.equal(Object.keys(placement.describe()).includes('n0'), false);
  session.opened.push(placement.open('another'));
  session.opened.shift();
  await clock.pass(MINUTE_MS + 1);
  assert.is.not(placement.open('n0'), first);
  assert.equal(Object.keys(placement.describe()).includes('n1'), false, 'its place was needed');
});

test('one of memory alone is kept, and so is one where a load or a read is out', async () => {
  const { clock, placement, session, names, refusal } = await world();
  const local = placement.open('local');
  const [busy, ...rest] = names.slice(1).map((name) => placement.open(name));
  session.opened.push(...rest);
  const holder = { name: 'one' };
  const outcome = await busy!.load('k', holder, ASK);
  assert.is(outcome.kind, 'load');
  await clock.pass(MINUTE_MS + 1);
  assert.is(refusal()?.code, 'ERR_OVERLOADED');
  assert.is(placement.open('local'), local);
  busy!.release(holder);
  assert.is(refusal(), undefined);
  assert.is(placement.open('local'), local);
});

test.run();
