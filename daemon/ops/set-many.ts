import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readGrace, readKeys, readNamespace, readTags, readTtl, readValues } from './arguments.js';
import { writeNothing } from './replies.js';

export function setMany(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const keys = readKeys(request);
  const values = readValues(namespace, keys, request);
  const ttlMs = readTtl(request);
  const tags = readTags(request);
  const graceMs = readGrace(request);
  request.close();
  session.answer(id, namespace.setMany(keys, values, ttlMs, tags, graceMs), writeNothing);
}
