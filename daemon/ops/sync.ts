import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readNamespace } from './arguments.js';
import { writeNothing } from './replies.js';

export function sync(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  request.close();
  session.answer(id, namespace.sync(), writeNothing);
}
