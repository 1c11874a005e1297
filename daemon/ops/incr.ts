import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readDelta, readKey, readNamespace, readTtl } from './arguments.js';
import { writeNumber } from './replies.js';

export function incr(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const key = readKey(request);
  const delta = readDelta(request);
  const ttlMs = readTtl(request);
  request.close();
  session.answer(id, namespace.incr(key, delta, ttlMs), writeNumber);
}
