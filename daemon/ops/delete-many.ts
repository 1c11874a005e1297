import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readKeys, readNamespace } from './arguments.js';
import { writeNumber } from './replies.js';

export function deleteMany(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const keys = readKeys(request);
  request.close();
  session.answer(id, namespace.deleteMany(keys), writeNumber);
}
