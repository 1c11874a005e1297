import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readFlags, readGrace, readKey, readMeasure, readNamespace } from './arguments.js';
import { nearOutcomeWriter, writeNamedOutcome, writeOutcome } from './outcome.js';

export function load(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const key = readKey(request);
  const graceMs = readGrace(request);
  const beta = readMeasure(request, 'beta');
  request.close();
  const inherits = (flags & FLAG.inherits) !== 0;
  const isNamed = (flags & FLAG.names) !== 0;
  const cluster = (flags & FLAG.cluster) !== 0;
  const ask = { fromTable: (flags & FLAG.fromTable) !== 0, cluster, graceMs, beta, inherits };
  const plain = isNamed ? writeNamedOutcome : writeOutcome;
  const write = flags & FLAG.near && !isNamed ? nearOutcomeWriter(session, namespace, key) : plain;
  session.answer(id, namespace.load(key, session, ask), write);
}
