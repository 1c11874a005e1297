import type { CacheAdapter } from '../../shared/cache.js';
import { CacheError } from '../../shared/errors.js';

/** An adapter, or what makes one when it is first asked for. */
export type AdapterSource = CacheAdapter | (() => CacheAdapter);

const sources = new Map<string, AdapterSource>();
const made = new Map<string, CacheAdapter>();

/**
 * Makes a cache known by name in this process, for `getAdapter(name)` and `cached({ cache: name })`.
 * @param name non-empty and not taken yet
 * @param source an adapter, or a function that makes one; it is called once, on first use
 * @throws CacheError ERR_INVALID_ARGUMENT
 */
export function registerAdapter(name: string, source: AdapterSource): void {
  if (typeof name !== 'string' || name === '') {
    throw new CacheError('ERR_INVALID_ARGUMENT', 'the name of an adapter is a non-empty string');
  }
  if (sources.has(name))
    throw new CacheError('ERR_INVALID_ARGUMENT', `an adapter named '${name}' is registered already`);
  if (typeof source !== 'function') checkAdapter(source, `the adapter '${name}'`);
  sources.set(name, source);
}

/**
 * The adapter of a name: the same one every time.
 * @throws CacheError ERR_INVALID_ARGUMENT where the name is unknown, or its function made no adapter. What that
 *   function throws reaches the caller, and the next call tries again.
 */
export function getAdapter(name: string): CacheAdapter {
  const known = made.get(name);
  if (known !== undefined) return known;
  const source = sources.get(name);
  if (source === undefined) {
    const names = listAdapters().map((other) => `'${other}'`);
    throw new CacheError(
      'ERR_INVALID_ARGUMENT',
      `no adapter named '${name}' is registered (${names.length === 0 ? 'none is' : `there are ${names.join(', ')}`})`,
    );
  }
  const adapter = checkAdapter(typeof source === 'function' ? source() : source, `the adapter '${name}'`);
  made.set(name, adapter);
  return adapter;
}

/** The registered names, sorted. */
export function listAdapters(): string[] {
  return [...sources.keys()].sort();
}

/** @throws CacheError ERR_INVALID_ARGUMENT for what cannot be a cache */
export function checkAdapter(candidate: unknown, what: string): CacheAdapter {
  const methods = candidate as Partial<Record<'get' | 'set' | 'delete' | 'getOrSet', unknown>> | null | undefined;
  const isAdapter = (['get', 'set', 'delete', 'getOrSet'] as const).every(
    (name) => typeof methods?.[name] === 'function',
  );
  if (!isAdapter)
    throw new CacheError('ERR_INVALID_ARGUMENT', `${what} is not a cache: get, set, delete, getOrSet are needed`);
  return candidate as CacheAdapter;
}
