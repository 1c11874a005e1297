export { type PostgresProxy, postgresProxy } from '../../scripts/postgres-proxy.js';
