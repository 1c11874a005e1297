import { CacheError } from '../../shared/errors.js';
import { STATUS } from '../../shared/protocol.js';
import { writeError } from '../../shared/wire-error.js';
import type { WireWriter } from '../../shared/wire-writer.js';
import type { LoadOutcome, Names, Namespace } from '../namespace.js';
import type { Packed } from '../packed.js';
import type { Session, WriteReply } from '../session.js';
import { nearValueWriter, writeMiss, writeValue } from './replies.js';

const LOAD_FAILED = new CacheError('ERR_LOAD_FAILED', 'the load threw');

/** The reply to `load`, `fill` and `stale`. */
export function writeOutcome(writer: WireWriter, id: number, outcome: LoadOutcome): void {
  switch (outcome.kind) {
    case 'value':
      writeValue(writer, id, outcome.bytes);
      break;
    case 'load':
      binOrNil(writer.begin(5, id).uint(STATUS.load).number(outcome.token), outcome.stale).bool(false).end();
      break;
    case 'refresh':
      writer.begin(5, id).uint(STATUS.load).number(outcome.token).bin(outcome.bytes).bool(true).end();
      break;
    case 'stale':
      binOrNil(writer.begin(4, id).uint(STATUS.stale).bin(outcome.bytes), outcome.error).end();
      break;
    case 'nothing':
      writeMiss(writer, id);
      break;
    case 'failed':
      // The error is packed: for those who waited for it.
      writeError(writer.begin(5, id).uint(STATUS.error), LOAD_FAILED).bin(outcome.error).end();
      break;
  }
}

/** The same, with the names that what is returned has. */
export function writeNamedOutcome(writer: WireWriter, id: number, outcome: LoadOutcome): void {
  switch (outcome.kind) {
    case 'value':
      writeNames(writer.begin(4, id).uint(STATUS.ok).bin(outcome.bytes), outcome.names).end();
      break;
    case 'load': {
      const { token, stale } = outcome;
      binOrNil(writer.begin(6, id).uint(STATUS.load).number(token), stale).bool(false).nil().end();
      break;
    }
    case 'refresh': {
      const { token, bytes, names } = outcome;
      writeNames(writer.begin(6, id).uint(STATUS.load).number(token).bin(bytes).bool(true), names).end();
      break;
    }
    case 'stale':
      writeNames(
        binOrNil(writer.begin(5, id).uint(STATUS.stale).bin(outcome.bytes), outcome.error),
        outcome.names,
      ).end();
      break;
    default:
      writeOutcome(writer, id, outcome);
  }
}

/** Of the values the one that is current and not to be refreshed may be kept near. */
export function nearOutcomeWriter(session: Session, namespace: Namespace, key: string): WriteReply<LoadOutcome> {
  const writeNearValue = nearValueWriter(session, namespace, key);
  return (writer, id, outcome) => {
    if (outcome.kind === 'value') writeNearValue(writer, id, outcome.bytes);
    else writeOutcome(writer, id, outcome);
  };
}

export function writeNames(writer: WireWriter, names: Names | undefined): WireWriter {
  return names === undefined ? writer.nil() : writer.strs(names);
}

function binOrNil(writer: WireWriter, bytes: Packed | undefined): WireWriter {
  return bytes === undefined ? writer.nil() : writer.bin(bytes);
}
