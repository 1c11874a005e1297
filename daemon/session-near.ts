import { PUSH } from '../shared/protocol.js';
import type { WireWriter } from '../shared/wire-writer.js';
import type { Namespace } from './namespace.js';
import type { NearShare, NearSource } from './near-source.js';
import type { Packed } from './packed.js';

interface Kept {
  readonly number: number;
  readonly source: NearSource;
  readonly share: NearShare;
}

/** A session's near tiers, by namespace: what they were given, and the pushes that take it back. */
export class SessionNear {
  readonly #kept = new Map<Namespace, Kept>();
  readonly #onLoss: () => void;

  /** @param onLoss something is to be told: see `writeDrops` */
  constructor(onLoss: () => void) {
    this.#onLoss = onLoss;
  }

  turnOn(number: number, namespace: Namespace): void {
    if (namespace.near === undefined || this.#kept.has(namespace)) return;
    this.#kept.set(namespace, { number, source: namespace.near, share: namespace.near.join(this.#onLoss) });
  }

  turnOff(namespace: Namespace): void {
    const kept = this.#kept.get(namespace);
    this.#kept.delete(namespace);
    kept?.share.leave();
  }

  /** For a reply that is being written: until when its value may be kept; undefined for not at all. */
  keep(namespace: Namespace, key: string, bytes: Packed): number | undefined {
    return this.#kept.get(namespace)?.share.keep(key, bytes);
  }

  /** Writes what was lost. To be called before anything else is written: a reply may bring the key's next value. */
  writeDrops(writer: WireWriter): void {
    for (const { number, share } of this.#kept.values()) {
      const lost = share.takeLost();
      if (lost === undefined) continue;
      writer.begin(4, 0).uint(PUSH.drop).uint(number);
      if (lost === 'all') writer.nil();
      else writer.strs(lost);
      writer.end();
    }
  }

  /** @returns whether anything was written */
  writeFresh(writer: WireWriter): boolean {
    for (const { number, source } of this.#kept.values()) {
      writer.begin(4, 0).uint(PUSH.fresh).uint(number).number(source.freshUntilMs).end();
    }
    return this.#kept.size > 0;
  }

  close(): void {
    for (const namespace of [...this.#kept.keys()]) this.turnOff(namespace);
  }
}
