import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { writeJson } from './replies.js';

export function status(session: Session, id: number, request: WireReader): void {
  request.close();
  session.answer(id, session.context.status(), writeJson);
}
