import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readFlags, readKeys, readNamespace } from './arguments.js';
import { nearValuesWriter, writeValues } from './replies.js';

export function getMany(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const keys = readKeys(request);
  request.close();
  const values = namespace.getMany(keys, (flags & FLAG.fromTable) !== 0, (flags & FLAG.partial) !== 0);
  session.answer(id, values, flags & FLAG.near ? nearValuesWriter(session, namespace, keys) : writeValues);
}
