import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readGrace, readKey, readNamespace } from './arguments.js';
import { writeOutcome } from './outcome.js';

export function stale(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const key = readKey(request);
  const graceMs = readGrace(request);
  request.close();
  session.answer(id, namespace.stale(key, graceMs), writeOutcome);
}
