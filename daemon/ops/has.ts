import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readFlags, readKey, readNamespace } from './arguments.js';
import { writeBoolean } from './replies.js';

export function has(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const key = readKey(request);
  request.close();
  session.answer(id, namespace.has(key, (flags & FLAG.fromTable) !== 0), writeBoolean);
}
