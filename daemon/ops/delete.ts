import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readKey, readNamespace } from './arguments.js';
import { writeBoolean } from './replies.js';

export function remove(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const key = readKey(request);
  request.close();
  session.answer(id, namespace.delete(key), writeBoolean);
}
