import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readFromTable, readKeys, readNamespace } from './arguments.js';
import { writeValues } from './replies.js';

export function getMany(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const fromTable = readFromTable(request);
  const keys = readKeys(request);
  request.close();
  session.answer(id, namespace.getMany(keys, fromTable), writeValues);
}
