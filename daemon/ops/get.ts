import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readFromTable, readKey, readNamespace } from './arguments.js';
import { writeValue } from './replies.js';

export function get(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const fromTable = readFromTable(request);
  const key = readKey(request);
  request.close();
  session.answer(id, namespace.get(key, fromTable), writeValue);
}
