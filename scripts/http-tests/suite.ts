import type { IncomingMessage, ServerResponse } from 'node:http';

/** What is needed of the package http-cache-tests, which has no types. */
export interface Suite {
  readonly id: string;
  readonly name: string;
  readonly tests: readonly CacheTest[];
}

export interface CacheTest {
  readonly id: string;
  readonly name: string;
  /** Required where it is missing; `check` asks how a cache behaves and knows no wrong. */
  readonly kind?: 'required' | 'optimal' | 'check';
  readonly browser_only?: boolean;
  /** Tests without which this one says nothing. */
  readonly depends_on?: readonly string[];
}

export type OriginHandler = (segments: string[], req: IncomingMessage, res: ServerResponse) => void;
