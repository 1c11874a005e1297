import type { CacheError } from '../shared/errors.js';
import type { Push } from './push.js';

/** A user of the connection: told when it can be used, and when not any more. */
export interface Subscriber {
  connected(): void;
  lost(reason: CacheError): void;
  pushed?(push: Push): void;
}
