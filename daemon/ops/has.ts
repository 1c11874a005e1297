import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readFromTable, readKey, readNamespace } from './arguments.js';
import { writeBoolean } from './replies.js';

export function has(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const fromTable = readFromTable(request);
  const key = readKey(request);
  request.close();
  session.answer(id, namespace.has(key, fromTable), writeBoolean);
}
