import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readInvalidatedTags, readNamespace } from './arguments.js';
import { writeNothing } from './replies.js';

export function invalidateTags(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const tags = readInvalidatedTags(request);
  request.close();
  session.answer(id, namespace.invalidateTags(tags), writeNothing);
}
