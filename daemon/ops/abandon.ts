import { FLAG } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { Session } from '../session.js';
import { readFlags, readNamespace, readToken } from './arguments.js';
import { writeNothing } from './replies.js';

export function abandon(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const token = readToken(request);
  const error = request.binOrNil('error');
  request.close();
  namespace.abandon(token, session, (flags & FLAG.passOn) !== 0 ? 'passed' : error);
  session.answer(id, undefined, writeNothing);
}
