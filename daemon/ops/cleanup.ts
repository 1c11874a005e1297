import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readNamespace } from './arguments.js';
import { writeNumber } from './replies.js';

export function cleanup(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  request.close();
  session.answer(id, namespace.cleanup(), writeNumber);
}
