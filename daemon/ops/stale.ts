import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readFlags, readGrace, readKey, readNamespace } from './arguments.js';
import { writeNamedOutcome, writeOutcome } from './outcome.js';

export function stale(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const key = readKey(request);
  const graceMs = readGrace(request);
  request.close();
  session.answer(id, namespace.stale(key, graceMs), flags & FLAG.names ? writeNamedOutcome : writeOutcome);
}
