import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readFlags, readGrace, readKey, readMeasure, readNamespace } from './arguments.js';
import { nearOutcomeWriter, writeOutcome } from './outcome.js';

export function load(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const key = readKey(request);
  const graceMs = readGrace(request);
  const beta = readMeasure(request, 'beta');
  request.close();
  const ask = { fromTable: (flags & FLAG.fromTable) !== 0, cluster: (flags & FLAG.cluster) !== 0, graceMs, beta };
  const write = flags & FLAG.near ? nearOutcomeWriter(session, namespace, key) : writeOutcome;
  session.answer(id, namespace.load(key, session, ask), write);
}
