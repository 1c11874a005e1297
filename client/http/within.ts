import { AsyncLocalStorage } from 'node:async_hooks';

interface Within {
  readonly key: string;
  readonly outer: Within | undefined;
}

const computing = new AsyncLocalStorage<Within>();

/** Runs the handler that computes the page of this key. */
export function computingPage<T>(key: string, run: () => Promise<T>): Promise<T> {
  return computing.run({ key, outer: computing.getStore() }, run);
}

/** Whether what asks for a page is part of its computation, as one cache is behind another: it would wait for itself. */
export function isWithinPage(key: string): boolean {
  for (let within = computing.getStore(); within !== undefined; within = within.outer) {
    if (within.key === key) return true;
  }
  return false;
}
