import { STATUS } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { WireWriter } from '../../shared/wire-writer.js';
import type { NearSource } from '../near-source.js';
import type { Session } from '../session.js';
import { writeMiss } from './replies.js';

export function near(session: Session, id: number, request: WireReader): void {
  const number = request.uint('ns');
  const namespace = session.namespace(number);
  const on = request.bool('on');
  request.close();
  if (on) session.near.turnOn(number, namespace);
  else session.near.turnOff(namespace);
  session.answer(id, namespace.near, writeNear);
}

function writeNear(writer: WireWriter, id: number, source: NearSource | undefined): void {
  if (source === undefined) writeMiss(writer, id);
  else writer.begin(4, id).uint(STATUS.ok).number(source.nowMs).number(source.freshUntilMs).end();
}
