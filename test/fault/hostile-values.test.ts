import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ErrorCode } from '../../shared/errors.js';
import { ERROR_CODES } from '../../shared/errors.js';
import { OP, STATUS } from '../../shared/protocol.js';
import { type TestServer, testServer } from '../support/daemon.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';
import { RawClient } from '../support/transport.js';

/** Bytes that no codec made: they cost whoever sent them an error, and nobody else anything. */
const test = suite<{ database: TestDatabase; server: TestServer }>('values that are none');

const NO_VALUE = Buffer.from([1, 1]);

test.before(async (context) => {
  context.database = await testDatabase();
  context.server = await testServer(context.database.url);
});

test.after(async (context) => {
  await context.server?.close();
  await context.database?.close();
});

test('a set of bytes that are no value is refused, and its batch mates and followers are stored', async ({
  server,
}) => {
  const honest = server.client({ onUnavailable: 'throw' });
  await honest.set('warm', 1);
  const raw = await RawClient.ready(server.daemon.socketPath);
  const values = [Buffer.from([7]), NO_VALUE, Buffer.from([8])];
  const from = performance.now();
  raw.send(
    [3, OP.setMany, 0, ['before', 'bad', 'after'], values, 60_000, null, 0],
    [4, OP.set, 0, 'bad', NO_VALUE, 60_000, null, 0],
  );
  await honest.set('mine', 'stored');
  await raw.until(() => raw.messages.length === 2);
  raw.close();
  for (const [id, status, code] of raw.messages) {
    const name: ErrorCode | undefined = ERROR_CODES[code as number];
    assert.is(status, STATUS.error, `request ${id}`);
    assert.is(name, 'ERR_INVALID_VALUE', `request ${id}`);
  }
  assert.equal(
    [...(await honest.getMany(['before', 'bad', 'after', 'mine']))],
    [
      ['before', 7],
      ['after', 8],
      ['mine', 'stored'],
    ],
  );
  assert.ok(performance.now() - from < 10_000, 'nobody waits for what can never be written');
});

test.run();
