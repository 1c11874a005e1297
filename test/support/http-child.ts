import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { cacheMiddleware } from '../../client/http/express.js';
import { connect } from '../../client/index.js';

// A process of an application whose page takes a second: argv[2] is the socket. Tells its port, and each computation.

const PAGE_MS = 1000;

const cache = connect({ socket: process.argv[2] as string });
const app = express();
app.use(cacheMiddleware({ cache, ttl: 60 }));
app.get('/page', (_req, res) => {
  process.send?.('computed');
  setTimeout(() => res.send('page'), PAGE_MS);
});
await cache.ready();
const server = createServer(app).listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
process.once('disconnect', () => process.exit());
