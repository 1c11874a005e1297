import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { WireWriter } from '../../shared/wire-writer.js';
import type { LoadOutcome, Namespace } from '../namespace.js';
import type { Session, WriteReply } from '../session.js';
import { readFlags, readKey, readNamespace } from './arguments.js';
import { nearValueWriter, writeLoad, writeLoadFailure, writeMiss, writeValue } from './replies.js';

export function load(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const key = readKey(request);
  request.close();
  const write = flags & FLAG.near ? nearOutcomeWriter(session, namespace, key) : writeOutcome;
  session.answer(id, namespace.load(key, session, (flags & FLAG.fromTable) !== 0), write);
}

/** Also the reply to `fill`. */
export function writeOutcome(writer: WireWriter, id: number, outcome: LoadOutcome): void {
  switch (outcome.kind) {
    case 'value':
      writeValue(writer, id, outcome.bytes);
      break;
    case 'load':
      writeLoad(writer, id, outcome.token);
      break;
    case 'nothing':
      writeMiss(writer, id);
      break;
    case 'failed':
      writeLoadFailure(writer, id, outcome.error);
      break;
  }
}

function nearOutcomeWriter(session: Session, namespace: Namespace, key: string): WriteReply<LoadOutcome> {
  const writeNearValue = nearValueWriter(session, namespace, key);
  return (writer, id, outcome) => {
    if (outcome.kind === 'value') writeNearValue(writer, id, outcome.bytes);
    else writeOutcome(writer, id, outcome);
  };
}
