import { STATUS } from '../../shared/protocol.js';
import type { WireWriter } from '../../shared/wire-writer.js';
import type { Namespace } from '../namespace.js';
import type { Packed } from '../packed.js';
import type { Session, WriteReply } from '../session.js';

export function writeNothing(writer: WireWriter, id: number): void {
  writer.begin(2, id).uint(STATUS.ok).end();
}

export function writeBoolean(writer: WireWriter, id: number, value: boolean): void {
  writer.begin(3, id).uint(STATUS.ok).bool(value).end();
}

export function writeNumber(writer: WireWriter, id: number, value: number): void {
  writer.begin(3, id).uint(STATUS.ok).number(value).end();
}

export function writeNumberOrMiss(writer: WireWriter, id: number, value: number | undefined): void {
  if (value === undefined) writeMiss(writer, id);
  else writeNumber(writer, id, value);
}

export function writeJson(writer: WireWriter, id: number, value: object): void {
  writer.begin(3, id).uint(STATUS.ok).str(JSON.stringify(value)).end();
}

export function writeValue(writer: WireWriter, id: number, value: Packed | undefined): void {
  if (value === undefined) writeMiss(writer, id);
  else writer.begin(3, id).uint(STATUS.ok).bin(value).end();
}

export function writeValues(writer: WireWriter, id: number, values: readonly (Packed | undefined)[]): void {
  writer.begin(3, id).uint(STATUS.ok).bins(values).end();
}

/** A value, and until when the session's near tier may keep it, which is decided as it is written. */
export function nearValueWriter(session: Session, namespace: Namespace, key: string): WriteReply<Packed | undefined> {
  return (writer, id, value) => {
    if (value === undefined) {
      writeMiss(writer, id);
      return;
    }
    const untilMs = session.near.keep(namespace, key, value);
    writer.begin(4, id).uint(STATUS.ok).bin(value).numberOrNil(untilMs).end();
  };
}

export function nearValuesWriter(
  session: Session,
  namespace: Namespace,
  keys: readonly string[],
): WriteReply<readonly (Packed | undefined)[]> {
  return (writer, id, values) => {
    const untilsMs = values.map((value, i) =>
      value === undefined ? undefined : session.near.keep(namespace, keys[i] as string, value),
    );
    writer.begin(4, id).uint(STATUS.ok).bins(values).numbersOrNils(untilsMs).end();
  };
}

export function writeMiss(writer: WireWriter, id: number): void {
  writer.begin(2, id).uint(STATUS.miss).end();
}
