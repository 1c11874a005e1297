import { FLAG, STATUS } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { WireWriter } from '../../shared/wire-writer.js';
import type { NamedValue } from '../namespace.js';
import type { Packed } from '../packed.js';
import type { Session } from '../session.js';
import { readFlags, readKey, readNamespace } from './arguments.js';
import { writeNames } from './outcome.js';
import { nearValueWriter, writeMiss, writeValue } from './replies.js';

export function get(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const key = readKey(request);
  request.close();
  const fromTable = (flags & FLAG.fromTable) !== 0;
  if ((flags & FLAG.names) === 0) {
    const write = flags & FLAG.near ? nearValueWriter(session, namespace, key) : writeValue;
    session.answer(id, namespace.get(key, fromTable), write);
  } else if (namespace.named === undefined) {
    session.answer(id, namespace.get(key, fromTable), (writer, to, bytes) => writeNamed(writer, to, bytes, undefined));
  } else {
    session.answer(id, namespace.named([key], fromTable), writeNamedValue);
  }
}

function writeNamedValue(writer: WireWriter, id: number, [found]: readonly (NamedValue | undefined)[]): void {
  writeNamed(writer, id, found?.bytes, found?.names);
}

function writeNamed(
  writer: WireWriter,
  id: number,
  bytes: Packed | undefined,
  names: readonly string[] | undefined,
): void {
  if (bytes === undefined) writeMiss(writer, id);
  else writeNames(writer.begin(4, id).uint(STATUS.ok).bin(bytes), names).end();
}
