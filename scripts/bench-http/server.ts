import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import pg from 'pg';
import { expressSite } from './express-server.js';
import { fastifySite } from './fastify-server.js';
import type { Site } from './site.js';

/** One server process: the contender that it is started for, on a port that it tells its parent. Ends with its parent. */
const site = JSON.parse(process.argv[2] ?? '{}') as Site;
const [framework, name = ''] = site.contender.split('/');
const pool = new pg.Pool({ connectionString: site.databaseUrl, max: 4, idleTimeoutMillis: 0 }); // a backend that ends takes its CPU time along
pool.on('error', () => {}); // Postgres may stop first

process.on('disconnect', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0)); // in order, so that a profile is written

if (framework === 'express') {
  const server = createServer(expressSite(name, site, pool));
  server.listen(0, '127.0.0.1', () => tellPort((server.address() as AddressInfo).port));
} else {
  const app = await fastifySite(name, site, pool);
  await app.listen({ port: 0, host: '127.0.0.1' });
  tellPort((app.server.address() as AddressInfo).port);
}

function tellPort(port: number): void {
  process.send?.(port);
}
