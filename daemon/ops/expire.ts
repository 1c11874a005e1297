import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readGivenTtl, readKey, readNamespace } from './arguments.js';
import { writeBoolean } from './replies.js';

export function expire(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const key = readKey(request);
  const ttlMs = readGivenTtl(request);
  request.close();
  session.answer(id, namespace.expire(key, ttlMs), writeBoolean);
}
