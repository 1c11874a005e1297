import { connect } from 'node:net';
import { Server } from '../../daemon/server.js';
import { MapNamespace } from './map-namespace.js';

// A process that tries to own the socket it is told, says how that went, and lets go of it when told so. The parent's
// messages: a path (to try), 'fd:4' (to listen on what it inherited), or null (to let go).

let server: Server | undefined;

process.on('message', async (path: string | null) => {
  if (path === null) {
    await server?.close();
    server = undefined;
    process.send?.('free');
    return;
  }
  const main = new MapNamespace();
  const log = { info: () => {}, warn: () => {}, error: () => {} };
  server = new Server({ namespaces: () => main, status: () => ({}), log, release: 'test', start: `${process.pid}` });
  try {
    if (path.startsWith('fd:')) {
      await server.listen({ fd: Number(path.slice(3)) });
      process.send?.('owner');
      return;
    }
    await server.listen({ path });
    await new Promise<void>((resolve, reject) => {
      const socket = connect({ path }, () => socket.end(resolve));
      socket.on('error', reject);
    });
    process.send?.('owner');
  } catch (error) {
    server = undefined;
    process.send?.((error as { code?: string }).code ?? String(error));
  }
});
process.once('disconnect', () => process.exit());
process.send?.('here');
