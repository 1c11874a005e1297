import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readFlags, readKey, readNamespace } from './arguments.js';
import { nearValueWriter, writeValue } from './replies.js';

export function get(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const key = readKey(request);
  request.close();
  const write = flags & FLAG.near ? nearValueWriter(session, namespace, key) : writeValue;
  session.answer(id, namespace.get(key, (flags & FLAG.fromTable) !== 0), write);
}
