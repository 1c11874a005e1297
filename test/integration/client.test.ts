import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../client/index.js';
import { startTestServer } from '../support/transport.js';

test('smoke', async () => {
  const { path, server } = await startTestServer();
  const client = connect({ socket: path });
  assert.is(await client.get('a'), undefined);
  await client.set('a', { b: [1, null] });
  assert.equal(await client.get('a'), { b: [1, null] });
  assert.is(await client.getOrSet('x', () => 5), 5);
  await client.close();
  await server.close();
});
test.run();
