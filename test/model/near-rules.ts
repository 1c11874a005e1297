import type { Namespace } from '../../daemon/namespace.js';
import type { NearSource } from '../../daemon/near-source.js';
import type { Stores } from '../../daemon/stores.js';
import type { World } from './world.js';

/** The namespaces as sessions see them where rules of the near tiers are left out on the daemon's side. */
export function nearRules(stores: Stores, world: World, without: ReadonlySet<string>): (name: string) => Namespace {
  const made = new Map<string, Namespace>();
  return (name) => {
    let namespace = made.get(name);
    if (namespace === undefined) {
      namespace = lax(stores.open(name), world, without);
      made.set(name, namespace);
    }
    return namespace;
  };
}

function lax(namespace: Namespace, world: World, without: ReadonlySet<string>): Namespace {
  const near = namespace.near as NearSource;
  const all = new Set<{ readonly lost: string[]; tell(): void }>();
  const laxNear: NearSource = {
    get nowMs() {
      return near.nowMs;
    },
    get freshUntilMs() {
      return without.has('the bound of near tiers') ? Number.MAX_SAFE_INTEGER : near.freshUntilMs;
    },
    join: (onLoss) => {
      const isLate = without.has('drops before what is said next');
      const share = near.join(isLate ? () => world.after(world.delayMs(), onLoss) : onLoss);
      const { keep, takeLost, leave } = share;
      if (without.has('only who keeps is told')) {
        const mine = { lost: [] as string[], tell: onLoss };
        all.add(mine);
        share.takeLost = () => {
          const lost = takeLost();
          for (const other of typeof lost === 'object' ? all : []) {
            if (other === mine) continue;
            other.lost.push(...(lost as readonly string[]));
            other.tell();
          }
          return lost === 'all' ? lost : [...(lost ?? []), ...mine.lost.splice(0)];
        };
        share.leave = () => {
          all.delete(mine);
          leave();
        };
      }
      const asFound = without.has('kept near is decided as the reply is written');
      share.keep = (key, bytes) => keep(key, bytes) ?? (asFound ? Number.POSITIVE_INFINITY : undefined);
      return share;
    },
  };
  return new Proxy(namespace, {
    get(target, name) {
      if (name === 'near') return laxNear;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
