import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readKeys, readNamespace } from './arguments.js';
import { writeValues } from './replies.js';

export function getMany(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = request.uint('flags');
  const keys = readKeys(request);
  request.close();
  session.answer(
    id,
    namespace.getMany(keys, (flags & FLAG.fromTable) !== 0, (flags & FLAG.partial) !== 0),
    writeValues,
  );
}
