import type { WireReader } from '../../shared/wire-reader.js';
import type { WireWriter } from '../../shared/wire-writer.js';
import type { LoadOutcome } from '../namespace.js';
import type { Session } from '../session.js';
import { readFromTable, readKey, readNamespace } from './arguments.js';
import { writeLoad, writeLoadFailure, writeMiss, writeValue } from './replies.js';

export function load(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const fromTable = readFromTable(request);
  const key = readKey(request);
  request.close();
  session.answer(id, namespace.load(key, session, fromTable), writeOutcome);
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
