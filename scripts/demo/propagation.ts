import { setTimeout as sleep } from 'node:timers/promises';
import type { Application } from './application.js';
import type { Place } from './cities.js';
import { Histogram } from './histogram.js';

const PAUSE_BETWEEN_MS = 40;
/** Time for the watcher to begin to watch. */
const WATCH_MS = 2;
/** Places that hardly anybody else visits: the last quarter. */
const QUIET_SHARE = 0.25;

/** How long a write on one server takes to be seen on another, measured again and again. */
export class Propagation {
  /** From the commit of the row to the end of the first read on the other server that gave the new version. */
  readonly delays = new Histogram();
  /** Writes that were not seen within seconds. */
  unseen = 0;

  async measureUntil(stop: AbortSignal, applications: readonly Application[], places: readonly Place[]): Promise<void> {
    const pairs = applications.flatMap((writer) =>
      applications.filter((watcher) => watcher.server !== writer.server).map((watcher) => [writer, watcher] as const),
    );
    for (let turn = 0; !stop.aborted; turn++) {
      const [writer, watcher] = pairs[turn % pairs.length]!;
      const place = places[places.length - 1 - Math.floor(Math.random() * places.length * QUIET_SHARE)]!;
      await this.#measure(writer, watcher, place.id);
      await sleep(PAUSE_BETWEEN_MS);
    }
  }

  async #measure(writer: Application, watcher: Application, city: number): Promise<void> {
    const { version } = await watcher.call('warm', { city });
    const seen = watcher.call('until', { city, above: version });
    await sleep(WATCH_MS);
    const [written, found] = await Promise.all([writer.call('write', { city }), seen]);
    if (found === undefined) this.unseen += 1;
    else if (written.version === version + 1) this.delays.record(found.seenNs - written.committedNs);
  }
}
