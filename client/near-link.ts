import { backoffMs } from '../shared/backoff.js';
import type { Clock } from '../shared/clock.js';
import { Channel } from './channel.js';
import type { Connection } from './connection.js';
import { type NearLimits, NearTier } from './near.js';
import { NEAR } from './near-ops.js';
import type { Push } from './push.js';
import type { Subscriber } from './subscriber.js';

/** How long the daemon may take to agree, and how long until it is asked again where it did not answer. */
const AGREE_TIMEOUT_MS = 5000;
const AGREE_AGAIN_MS = 1000;
/** An answer that took longer is asked for again: the time that it tells may be off by as much. */
const ROUND_TRIP_MS_MAX = 10;
const ASKED_MAX = 5;
/** Until the namespace is opened again where that was refused (too many are open) or was not answered in time. */
const OPEN_AGAIN = { firstMs: 500, maxMs: 30_000 };

/** The wire to one near tier: turns it on when the connection is made and off when it is lost, and brings it the pushes. */
export class NearLink implements Subscriber {
  readonly tier: NearTier;
  readonly #connection: Connection;
  readonly #channel: Channel;
  readonly #clock: Clock;
  #callOff: (() => void) | undefined;
  #refusals = 0;

  constructor(connection: Connection, namespace: string, limits: NearLimits) {
    this.#clock = connection.options.clock;
    this.tier = new NearTier(limits, () => this.#clock.now());
    this.#connection = connection;
    const opened = () => {
      this.#refusals = 0;
      this.#ask(ASKED_MAX);
    };
    this.#channel = new Channel(connection, namespace, AGREE_TIMEOUT_MS, opened, () => this.#openAgain());
    connection.subscribe(this);
  }

  connected(): void {}

  lost(): void {
    this.#callOff?.();
    this.tier.turnOff();
  }

  pushed(push: Push): void {
    // After its goodbye the daemon tells this connection of no drops any more.
    if (push.kind === 'goodbye') this.tier.turnOff();
    else if (push.kind === 'unknown' || push.ns !== this.#channel.number) return;
    else if (push.kind === 'drop') this.tier.drop(push.keys);
    else this.tier.fresh(push.untilMs);
  }

  close(): void {
    this.#callOff?.();
    this.#channel.call(NEAR, [this.tier, false, 0]).catch(() => {});
    this.#connection.flush();
    this.#connection.unsubscribe(this);
    this.#channel.close();
    this.tier.turnOff();
  }

  /** Nobody makes calls through this channel that would open it. */
  #openAgain(): void {
    const { epoch } = this.#connection;
    const isOver = () => this.#channel.closed || epoch !== this.#connection.epoch || this.#connection.state !== 'ready';
    if (isOver()) return;
    const open = () => {
      if (!isOver()) this.#channel.connected();
    };
    this.#callOff = this.#clock.after(backoffMs(OPEN_AGAIN, this.#refusals++), open);
  }

  #ask(left: number): void {
    const askedMs = this.tier.now();
    const { epoch } = this.#connection;
    const again = (times: number) => {
      if (times === 0 || this.#channel.closed || epoch !== this.#connection.epoch) return;
      this.#callOff = this.#clock.after(AGREE_AGAIN_MS, () => this.#ask(times));
    };
    this.#channel.call(NEAR, [this.tier, true, askedMs], epoch).then(
      () => {
        if (this.tier.now() - askedMs > ROUND_TRIP_MS_MAX) again(left - 1);
      },
      () => again(left),
    );
  }
}

interface Shared {
  readonly link: NearLink;
  users: number;
}

const links = new WeakMap<Connection, Map<string, Shared>>();

/** The clients of a process that use one namespace of one daemon share a near tier; the first one's limits hold. */
export function acquireNear(connection: Connection, namespace: string, limits: NearLimits): NearTier {
  const byNamespace = links.get(connection) ?? new Map<string, Shared>();
  links.set(connection, byNamespace);
  let shared = byNamespace.get(namespace);
  if (shared === undefined) {
    shared = { link: new NearLink(connection, namespace, limits), users: 0 };
    byNamespace.set(namespace, shared);
  }
  shared.users++;
  return shared.link.tier;
}

/** The near tier goes with its last user. */
export function releaseNear(connection: Connection, namespace: string): void {
  const byNamespace = links.get(connection);
  const shared = byNamespace?.get(namespace);
  if (shared === undefined || --shared.users > 0) return;
  byNamespace?.delete(namespace);
  shared.link.close();
}
