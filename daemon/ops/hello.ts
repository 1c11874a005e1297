import { CacheError } from '../../shared/errors.js';
import { PROTOCOL_VERSION, STATUS } from '../../shared/protocol.js';
import type { WireReader } from '../../shared/wire-reader.js';
import type { WireWriter } from '../../shared/wire-writer.js';
import type { Session } from '../session.js';
import type { SessionContext } from '../session-context.js';

/** The version is looked at before all else: another version may have other arguments. */
export function hello(session: Session, id: number, request: WireReader): void {
  if (session.greeted) throw new CacheError('ERR_PROTOCOL', 'hello a second time on one connection');
  const version = request.uint('version');
  if (version !== PROTOCOL_VERSION) {
    const release = request.left > 0 ? request.str('release') : 'unknown';
    throw new CacheError(
      'ERR_PROTOCOL',
      `the client speaks protocol ${version} (release ${release}), ` +
        `this daemon speaks protocol ${PROTOCOL_VERSION} (release ${session.context.release})`,
    );
  }
  request.str('release');
  request.close();
  session.greeted = true;
  session.answer(id, session.context, writeHello);
}

function writeHello(writer: WireWriter, id: number, { release, start }: SessionContext): void {
  writer.begin(5, id).uint(STATUS.ok).uint(PROTOCOL_VERSION).str(release).str(start).end();
}
