import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readGrace, readKey, readNamespace, readTags, readTtl, readValue } from './arguments.js';
import { writeBoolean } from './replies.js';

export function add(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const key = readKey(request);
  const value = readValue(namespace, request);
  const ttlMs = readTtl(request);
  const tags = readTags(request);
  const graceMs = readGrace(request);
  request.close();
  session.answer(id, namespace.add(key, value, ttlMs, tags, graceMs), writeBoolean);
}
