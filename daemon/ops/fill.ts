import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readNamespace, readTags, readToken, readTtl, readValue } from './arguments.js';
import { writeOutcome } from './load.js';

export function fill(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const token = readToken(request);
  const value = readValue(namespace, request);
  const ttlMs = readTtl(request);
  const tags = readTags(request);
  request.close();
  session.answer(id, namespace.fill(token, session, value, ttlMs, tags), writeOutcome);
}
