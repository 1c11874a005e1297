import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';

/**
 * Reads the arguments of one request and sees to its reply. It may throw: a CacheError ERR_PROTOCOL closes the
 * connection, any other is the reply. No promise is made where the result is at hand.
 */
export type Handler = (session: Session, id: number, request: WireReader) => void;
