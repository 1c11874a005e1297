import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import {
  readFlags,
  readGrace,
  readInheritedNames,
  readMeasure,
  readNamespace,
  readTags,
  readToken,
  readTtl,
  readValue,
} from './arguments.js';
import { writeNamedOutcome, writeOutcome } from './outcome.js';

export function fill(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const token = readToken(request);
  const value = readValue(namespace, request);
  const ttlMs = readTtl(request);
  const tags = readTags(request);
  const graceMs = readGrace(request);
  const deltaMs = readMeasure(request, 'deltaMs');
  const names = readInheritedNames(namespace, request);
  request.close();
  const terms = { ttlMs, tags, names, graceMs, deltaMs, once: (flags & FLAG.once) !== 0 };
  const write = flags & FLAG.names ? writeNamedOutcome : writeOutcome;
  session.answer(id, namespace.fill(token, session, value, terms), write);
}
