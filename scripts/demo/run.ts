import { setTimeout as sleep } from 'node:timers/promises';
import { OPTIONS } from '../../daemon/options.js';
import type { Application } from './application.js';
import { Children } from './children.js';
import type { Place } from './cities.js';
import type { Acknowledged } from './messages.js';
import { Propagation } from './propagation.js';
import { type DemoServer, Ground, startApplications, startServers } from './servers.js';
import { type Summary, summarize, summarizeServer } from './summary.js';
import { type Crowd, DAILY, RUSH, visit } from './visitors.js';

/** How often whoever looks on is told how it goes. */
const SHOW_EVERY_MS = 500;
/** Also warms everything up: what is read then is checked, but its latency is not counted. */
const RUSH_MS = 3_000;
const END_NOTICE_MS = 500;
const NS_PER_MS = 1e6;
const KEYS_PER_LOOK = 1_000;

export interface Audience {
  /** A step of the way there. */
  step(text: string): void;
  /** How it goes, again and again. */
  progress(summary: Summary): void;
}

/** Everything that runs. */
interface Stage {
  readonly places: readonly Place[];
  readonly servers: readonly DemoServer[];
  readonly applications: readonly Application[];
  readonly ports: readonly number[];
}

/**
 * The course of the demo. Leaves nothing behind, however it ends.
 * @param halt ends it early; its reason is what is thrown
 * @throws what went wrong: a process that ended, the reason of `halt`
 */
export async function runDemo(
  options: { seconds: number; port: number },
  audience: Audience,
  halt: AbortController,
): Promise<Summary> {
  const children = new Children((error) => halt.abort(error));
  const halted = new Promise<never>((_, reject) => {
    halt.signal.addEventListener('abort', () => reject(halt.signal.reason), { once: true });
  });
  halted.catch(() => {});
  const preparing = Ground.prepare();
  const servers: DemoServer[] = [];
  try {
    audience.step('starting a Postgres');
    const ground = await Promise.race([preparing, halted]);
    audience.step('loading the cities');
    const places = await Promise.race([ground.load(), halted]);
    audience.step('starting two daemons and four applications');
    servers.push(...startServers(ground, children));
    await Promise.race([Promise.all(servers.map(({ client }) => client.ready())), halted]);
    const applications = startApplications(ground, servers, children, options.port, (from, writes) =>
      passOn(from, writes, applications),
    );
    const ports = await Promise.race([Promise.all(applications.map(({ ready }) => ready)), halted]);
    const urls = applications.map(({ name }, at) => `${name} http://127.0.0.1:${ports[at]}/`);
    audience.step(`${places.length.toLocaleString('en')} cities; ${urls.join('  ')}`);
    const stage: Stage = { places, servers, applications, ports };
    return await Promise.race([perform(stage, options.seconds, audience, halt.signal), halted]);
  } catch (error) {
    // What uses a process that died may notice before its end is told, which explains more.
    if (!halt.signal.aborted) await Promise.race([halted, sleep(END_NOTICE_MS)]);
    throw error;
  } finally {
    halt.abort(new Error('the demo has ended'));
    await Promise.all(servers.map(({ client }) => client.close()));
    await children.end();
    const ground = await preparing.catch(() => undefined);
    await ground?.remove();
  }
}

/** What one process was told is done, all others are to see: on its host from then on, elsewhere within the bound. */
function passOn(from: Application, writes: readonly Acknowledged[], all: readonly Application[]): void {
  for (const application of all) {
    if (application === from) continue;
    const isNear = application.server === from.server;
    const graceNs = isNear ? 0 : OPTIONS.staleBoundMs.default * NS_PER_MS;
    const reason = isNear ? 'host' : 'bound';
    application.demand(writes.map(({ key, version, atNs }) => ({ key, version, fromNs: atNs + graceNs, reason })));
  }
}

async function perform(stage: Stage, seconds: number, audience: Audience, halt: AbortSignal): Promise<Summary> {
  const { places, applications, ports } = stage;
  const visits = (crowd: Crowd, until: AbortSignal): Promise<unknown> =>
    Promise.all(ports.map((port) => visit(port, places, crowd, until)));
  audience.step('a rush: everybody reads and writes a few cities');
  await visits(RUSH, AbortSignal.any([halt, AbortSignal.timeout(RUSH_MS)]));
  await Promise.all(applications.map((application) => application.call('measure', null)));
  const propagation = new Propagation();
  const beganMs = performance.now();
  const end = AbortSignal.any([halt, AbortSignal.timeout(seconds * 1000)]);
  const show = async (): Promise<void> => {
    while (!end.aborted) {
      await sleep(SHOW_EVERY_MS);
      const figures = applications.map((application) => application.figures);
      if (figures.some((one) => one === undefined)) continue;
      const servers = await statistics(stage);
      const elapsedS = (performance.now() - beganMs) / 1000;
      const counters = { keys: 0, increments: 0, wrong: 0 };
      audience.progress(
        summarize(elapsedS, places.length, servers, applications, figures as never, propagation, counters),
      );
    }
  };
  await Promise.all([visits(DAILY, end), propagation.measureUntil(end, applications, places), show()]);
  halt.throwIfAborted();
  return conclude(stage, seconds, propagation);
}

/** When all is quiet and the bound has passed, everything written is read once more, and every view counted. */
async function conclude(stage: Stage, seconds: number, propagation: Propagation): Promise<Summary> {
  const { places, applications } = stage;
  const servers = await statistics(stage);
  await Promise.all(applications.map((application) => application.call('flush', null)));
  await sleep(OPTIONS.staleBoundMs.default);
  const reports = await Promise.all(applications.map((application) => application.call('finish', null)));
  const counters = await checkCounters(
    stage,
    reports.flatMap(({ increments }) => increments),
  );
  const figures = reports.map((report) => report.figures);
  return summarize(seconds, places.length, servers, applications, figures, propagation, counters);
}

function statistics({ servers }: Stage): Promise<Summary['servers'][number][]> {
  return Promise.all(servers.map(async ({ name, client }) => summarizeServer(name, await client.stats())));
}

/** Every view that was counted by any process, and no other, must be in the counter, on every server. */
async function checkCounters(
  { servers }: Stage,
  acknowledged: readonly [key: string, count: number][],
): Promise<Summary['counters']> {
  const wanted = new Map<string, number>();
  for (const [key, count] of acknowledged) wanted.set(key, (wanted.get(key) ?? 0) + count);
  const keys = [...wanted.keys()];
  let wrong = 0;
  for (const { client } of servers) {
    for (let from = 0; from < keys.length; from += KEYS_PER_LOOK) {
      const some = keys.slice(from, from + KEYS_PER_LOOK);
      const found = await client.getMany<number>(some);
      wrong += some.filter((key) => found.get(key) !== wanted.get(key)).length;
    }
  }
  return { keys: keys.length, increments: [...wanted.values()].reduce((sum, count) => sum + count, 0), wrong };
}
