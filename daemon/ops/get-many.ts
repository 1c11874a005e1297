import { InheritedNames } from '../../shared/inherited-names.js';
import { FLAG, STATUS } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { WireWriter } from '../../shared/wire-writer.js';
import type { NamedValue, Names } from '../namespace.js';
import type { Packed } from '../packed.js';
import type { Session } from '../session.js';
import { readFlags, readKeys, readNamespace } from './arguments.js';
import { writeNames } from './outcome.js';
import { nearValuesWriter, writeValues } from './replies.js';

export function getMany(session: Session, id: number, request: WireReader): void {
  const namespace = readNamespace(session, request);
  const flags = readFlags(request);
  const keys = readKeys(request);
  request.close();
  const fromTable = (flags & FLAG.fromTable) !== 0;
  if (flags & FLAG.names && namespace.named !== undefined) {
    session.answer(id, namespace.named(keys, fromTable), writeNamedValues);
    return;
  }
  const values = namespace.getMany(keys, fromTable, (flags & FLAG.partial) !== 0);
  if (flags & FLAG.names) session.answer(id, values, (writer, to, found) => writeNamed(writer, to, found, undefined));
  else session.answer(id, values, flags & FLAG.near ? nearValuesWriter(session, namespace, keys) : writeValues);
}

/** Whoever asks makes one value of them all, so that the names of all together will do. */
function writeNamedValues(writer: WireWriter, id: number, found: readonly (NamedValue | undefined)[]): void {
  const names = new InheritedNames();
  for (const one of found) for (const name of one?.names ?? []) names.add(name);
  writeNamed(
    writer,
    id,
    found.map((one) => one?.bytes),
    names.list(),
  );
}

function writeNamed(
  writer: WireWriter,
  id: number,
  values: readonly (Packed | undefined)[],
  names: Names | undefined,
): void {
  writeNames(writer.begin(4, id).uint(STATUS.ok).bins(values), names).end();
}
