import type { Socket } from 'node:net';
import type { Link, LinkEvents } from '../../client/link.js';
import { Session } from '../../daemon/session.js';
import type { SessionContext } from '../../daemon/session-context.js';
import type { World } from './world.js';

/** One way of a connection: what is sent arrives in order, each message after a delay of its own or behind the one before it. */
class Way {
  readonly #world: World;
  #lastMs = 0;

  constructor(world: World) {
    this.#world = world;
  }

  send(arrive: () => void): void {
    this.#lastMs = Math.max(this.#lastMs, this.#world.nowMs + this.#world.delayMs());
    this.#world.at(this.#lastMs, arrive);
  }
}

/** What a session uses of a socket. */
const UNUSED = { writable: true, writableLength: 0, on: () => {}, pause: () => {}, resume: () => {} };

/** One connection of a process to its daemon: the client's real connection at one end, the daemon's real session at the other. */
export class Wire implements Link {
  readonly session: Session;
  readonly #toDaemon: Way;
  readonly #toClient: Way;
  readonly #events: LinkEvents;
  readonly #onClosed: (wire: Wire) => void;
  #daemonHears = true;
  #clientHears = true;

  constructor(world: World, name: string, context: SessionContext, events: LinkEvents, onClosed: (wire: Wire) => void) {
    this.#toDaemon = new Way(world);
    this.#toClient = new Way(world);
    this.#events = events;
    this.#onClosed = onClosed;
    const socket = {
      ...UNUSED,
      write: (bytes: Buffer) => this.#send(this.#toClient, bytes, (copy) => this.#clientHears && events.received(copy)),
      end: () => this.cut(),
      destroy: () => this.cut(),
    };
    this.session = new Session(name, socket as unknown as Socket, context);
    this.#toClient.send(() => this.#clientHears && events.connected());
  }

  write(bytes: Buffer): boolean {
    this.#send(this.#toDaemon, bytes, (copy) => this.#daemonHears && this.session.receive(copy));
    return true;
  }

  end(): void {
    this.destroy();
  }

  /** The process closes it: what it had sent before still arrives. */
  destroy(): void {
    if (!this.#clientHears) return;
    this.#clientHears = false;
    this.#toDaemon.send(() => this.#end());
    this.#events.closed(undefined);
  }

  /** It breaks: each side hears of it behind what is on its way to it. */
  cut(): void {
    this.#toDaemon.send(() => this.#end());
    this.#toClient.send(() => this.#lost());
  }

  /** The daemon is dead: it hears nothing any more, and the process hears of that. */
  die(): void {
    this.#end();
    this.#toClient.send(() => this.#lost());
  }

  /** As the kernel does, takes a copy: whoever sends writes over the bytes next. */
  #send(way: Way, bytes: Buffer, arrive: (copy: Buffer) => void): void {
    const copy = Buffer.from(bytes);
    way.send(() => arrive(copy));
  }

  #end(): void {
    if (!this.#daemonHears) return;
    this.#daemonHears = false;
    this.session.close();
    this.#onClosed(this);
  }

  #lost(): void {
    if (!this.#clientHears) return;
    this.#clientHears = false;
    this.#events.closed(undefined);
  }
}
