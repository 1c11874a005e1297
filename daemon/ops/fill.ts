import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import {
  readFlags,
  readGrace,
  readMeasure,
  readNamespace,
  readTags,
  readToken,
  readTtl,
  readValue,
} from './arguments.js';
import { writeOutcome } from './outcome.js';

export function fill(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const once = (readFlags(request) & FLAG.once) !== 0;
  const token = readToken(request);
  const value = readValue(namespace, request);
  const ttlMs = readTtl(request);
  const tags = readTags(request);
  const graceMs = readGrace(request);
  const deltaMs = readMeasure(request, 'deltaMs');
  request.close();
  session.answer(id, namespace.fill(token, session, value, { ttlMs, tags, graceMs, deltaMs, once }), writeOutcome);
}
