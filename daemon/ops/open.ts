import { CacheError } from '../../shared/errors.js';
import { NAMESPACE_PATTERN, STATUS } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { WireWriter } from '../../shared/wire-writer.js';
import type { Namespace } from '../namespace.js';
import type { Session } from '../session.js';

interface Opened {
  readonly number: number;
  readonly namespace: Namespace;
}

export function open(session: Session, id: number, request: WireReader): void {
  const name = request.str('namespace');
  request.close();
  if (!NAMESPACE_PATTERN.test(name)) {
    throw new CacheError('ERR_INVALID_NAMESPACE', `${JSON.stringify(name)} is not a name for a namespace`);
  }
  const namespace = session.context.namespaces(name);
  const opened =
    namespace instanceof Promise ? namespace.then((made) => number(session, made)) : number(session, namespace);
  session.answer(id, opened, writeOpened);
}

function number(session: Session, namespace: Namespace): Opened {
  const known = session.opened.indexOf(namespace);
  if (known !== -1) return { number: known, namespace };
  const limit = session.context.limits.namespacesPerConnectionMax;
  if (session.opened.length >= limit) {
    throw new CacheError('ERR_OVERLOADED', `this connection has opened ${limit} namespaces`);
  }
  return { number: session.opened.push(namespace) - 1, namespace };
}

function writeOpened(writer: WireWriter, id: number, { number, namespace }: Opened): void {
  writer.begin(6, id).uint(STATUS.ok).uint(number).uint(namespace.maxValueBytes);
  if (namespace.invalidateFunction === undefined) writer.nil();
  else writer.str(namespace.invalidateFunction);
  if (namespace.place === undefined) writer.nil();
  else writer.str(namespace.place);
  writer.end();
}
