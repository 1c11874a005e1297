import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Config, describeConfig, loadConfig, resolveConfig, type Sources } from '../../daemon/config.js';
import { databasesOf, urlsOf } from '../../daemon/databases.js';
import { secretsOf } from '../../daemon/redact.js';
import { CacheError } from '../../shared/errors.js';

const folder = mkdtempSync(join(tmpdir(), 'pgcached-config-'));
const test = suite('config');
test.after(() => rmSync(folder, { recursive: true }));

let files = 0;
function file(content: unknown): string {
  const path = join(folder, `${++files}.json`);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

/** Loads what must be refused, and checks each text that the message must hold. */
function refused(sources: Sources, ...texts: (string | RegExp)[]): void {
  try {
    loadConfig(sources);
  } catch (error) {
    assert.instance(error, CacheError);
    assert.is((error as CacheError).code, 'ERR_INVALID_CONFIG');
    for (const text of texts) assert.match((error as Error).message, text);
    return;
  }
  assert.unreachable(`accepted ${JSON.stringify(sources)}`);
}

test('has the documented defaults when nothing is given', () => {
  const config = loadConfig({ environment: { HOME: '/people/ann' } });
  const { workers, ...rest } = config;
  assert.ok(workers === 1 || workers === 2);
  assert.equal(rest, {
    config: undefined,
    databaseUrl: undefined,
    databaseUrlFile: undefined,
    databaseWeights: undefined,
    placement: 'spread',
    pooler: false,
    listenUrl: undefined,
    socket: '/run/pgcached/pgcached.sock',
    socketMode: '660',
    socketGroup: undefined,
    table: 'hyper_cache',
    logged: false,
    defaultTtl: 300,
    maxBytes: 64 * 1024 * 1024,
    maxEntries: 1_000_000,
    maxValueBytes: 8 * 1024 * 1024,
    poolSize: 4,
    staleBoundMs: 1000,
    pollIntervalMs: 250,
    loadTimeoutMs: 30_000,
    trimIntervalMs: 30_000,
    trimLagMs: 60_000,
    statementTimeoutMs: 5000,
    connectTimeoutMs: 5000,
    drainTimeoutMs: 10_000,
    stateDir: '/people/ann/.local/state/pgcached',
    dataDir: resolve('.pgcached'),
    namespaces: {},
    logLevel: 'info',
  });
});

test('is frozen, namespaces included', () => {
  const config = loadConfig({ options: { namespaces: { sessions: { defaultTtl: 60 } } } });
  assert.throws(() => Object.assign(config, { table: 'other' }), TypeError);
  assert.throws(() => Object.assign(config.namespaces, { more: {} }), TypeError);
  assert.throws(() => Object.assign(config.namespaces.sessions!, { table: 'x' }), TypeError);
});

test('takes flags before the environment before the file before the default', () => {
  const config = file({ maxEntries: 3, workers: 3, poolSize: 3 });
  const environment = { PGCACHED_MAX_ENTRIES: '2', PGCACHED_WORKERS: '2', PGCACHED_CONFIG: config };
  const loaded = loadConfig({ flags: { maxEntries: '1' }, environment });
  assert.equal([loaded.maxEntries, loaded.workers, loaded.poolSize, loaded.table], [1, 2, 3, 'hyper_cache']);
});

test('comes out of itself unchanged, so that a Config may be given where options are taken', () => {
  const once = loadConfig({
    flags: { databaseUrl: 'postgres://a@h/d', maxBytes: '1gb', defaultTtl: '5m', socketMode: '0600', logged: true },
    environment: { PGCACHED_NAMESPACES: '{"s":{"maxBytes":"2mb","defaultTtl":"1h"}}', XDG_RUNTIME_DIR: '/run/user/1' },
  });
  assert.equal(resolveConfig(once, {}), once);
  const environment = { PGCACHED_DATABASE_URL_FILE: file('postgres://u@h/d') };
  const fromFile = loadConfig({ environment });
  assert.equal(resolveConfig(fromFile, environment), fromFile);
});

test('reads sizes, durations, switches and modes as people write them', () => {
  const flags = { maxBytes: '1.5g', maxValueBytes: '512k', defaultTtl: '1.5h', staleBoundMs: '2s', logged: 'true' };
  const loaded = loadConfig({ flags: { ...flags, pooler: true, socketMode: '0600', trimLagMs: '0' } });
  assert.equal(
    [loaded.maxBytes, loaded.maxValueBytes, loaded.defaultTtl, loaded.staleBoundMs, loaded.trimLagMs],
    [1.5 * 2 ** 30, 512 * 1024, 5400, 2000, 0],
  );
  assert.equal([loaded.logged, loaded.pooler, loaded.socketMode], [true, true, '600']);
  assert.is(loadConfig({ environment: { PGCACHED_DEFAULT_TTL: 'Infinity' } }).defaultTtl, Infinity);
  assert.is(loadConfig({ environment: { PGCACHED_LOGGED: '0' } }).logged, false);
});

test('refuses what is not of the kind or in the range of an option, and names flag, variable or file', () => {
  refused({ flags: { maxEntries: '0' } }, '--max-entries', 'at least 1');
  refused({ flags: { maxEntries: '1.5' } }, '--max-entries', 'whole number', '"1.5"');
  refused({ flags: { workers: '65' } }, '--workers', 'at most 64');
  refused({ environment: { PGCACHED_MAX_BYTES: '5 parsecs' } }, 'PGCACHED_MAX_BYTES', 'size');
  refused({ environment: { PGCACHED_LOGGED: 'maybe' } }, 'PGCACHED_LOGGED', 'true or false');
  refused({ environment: { PGCACHED_LOG_LEVEL: 'loud' } }, 'PGCACHED_LOG_LEVEL', 'trace, debug');
  const path = file({ poolSize: [] });
  refused({ flags: { config: path } }, `poolSize in ${path}`, 'whole number');
  refused({ options: { maxBytes: '1kb' } }, 'maxBytes must be at least 1mb');
  for (const defaultTtl of ['0', '-1', 'NaN', '5 parsecs', '']) refused({ flags: { defaultTtl } }, '--default-ttl');
  for (const defaultTtl of [0, -1, Number.NaN]) refused({ options: { defaultTtl } }, 'defaultTtl');
  for (const socketMode of ['888', '66', '06600', 'rw-']) refused({ flags: { socketMode } }, '--socket-mode', 'octal');
  for (const table of ['a b', 'A', '"x"', 'a.b.c', '1a', 'x'.repeat(41), '.x'])
    refused({ flags: { table } }, '--table');
  assert.is(loadConfig({ flags: { table: `app.${'x'.repeat(40)}` } }).table, `app.${'x'.repeat(40)}`);
});

test('refuses unknown names from every source, and suggests the nearest', () => {
  refused({ flags: { maxByte: '1' } }, '--max-byte is not', 'did you mean --max-bytes');
  refused({ environment: { PGCACHED_DATABASE_ULR: 'x' } }, 'PGCACHED_DATABASE_ULR', 'PGCACHED_DATABASE_URL');
  refused({ flags: { config: file({ sokcet: '/x' }) } }, 'sokcet in ', 'did you mean socket in ');
  refused({ options: { stalebound: 1 } as object }, 'stalebound is not', 'staleBoundMs');
  refused({ flags: { __proto__x: 1, constructor: 'x' } }, 'is not an option');
});

test('refuses values that do not go together', () => {
  refused({ flags: { staleBoundMs: '400' } }, 'pollIntervalMs (250)', 'staleBoundMs (400)');
  assert.is(loadConfig({ flags: { staleBoundMs: '400', pollIntervalMs: '200' } }).pollIntervalMs, 200);
  refused({ flags: { maxBytes: '1mb' } }, 'maxValueBytes', 'maxBytes');
  refused({ flags: { socket: `/${'s'.repeat(107)}` } }, '108 bytes', '107');
  assert.ok(loadConfig({ flags: { socket: `/${'s'.repeat(106)}` } }));
});

test('says what is wrong with the config file itself', () => {
  refused({ flags: { config: '/nowhere/at/all.json' } }, '/nowhere/at/all.json', 'ENOENT');
  refused({ flags: { config: file('{"table": ') } }, 'not JSON');
  refused({ flags: { config: file([]) } }, 'one JSON object');
});

test('checks namespaces by field', () => {
  const sessions = { table: 's', defaultTtl: '1h', maxBytes: '2mb', maxEntries: 5, tiers: 'table', storage: 'packed' };
  assert.equal(loadConfig({ options: { namespaces: { sessions } } }).namespaces.sessions, {
    ...sessions,
    defaultTtl: 3600,
    maxBytes: 2 * 1024 * 1024,
  } as unknown as Config['namespaces'][string]);
  refused({ options: { namespaces: { s: { tier: 'table' } } } }, 's.tier is unknown', 'did you mean tiers');
  refused({ options: { namespaces: { s: { tiers: 'l1' } } } }, 's.tiers must be one of');
  refused({ options: { namespaces: { 'No-Good': {} } } }, 'No-Good');
  refused({ options: { namespaces: { a: { table: 't' }, b: { table: 't' } } } }, 'a and b have the same table');
  refused({ options: { namespaces: { a: { table: 'hyper_cache' } } } }, 'the table of the default one');
  refused({ environment: { PGCACHED_NAMESPACES: '{' } }, 'PGCACHED_NAMESPACES', 'JSON');
  refused({ options: { namespaces: [] } }, 'namespaces');
});

test('finds the socket and the state folder as the host has them', () => {
  assert.is(
    loadConfig({ environment: { XDG_RUNTIME_DIR: '/run/user/7' } }).socket,
    '/run/user/7/pgcached/pgcached.sock',
  );
  assert.is(loadConfig({ environment: { XDG_RUNTIME_DIR: 'relative' } }).socket, '/run/pgcached/pgcached.sock');
  assert.is(
    loadConfig({ environment: { STATE_DIRECTORY: '/var/lib/a:/var/lib/b', HOME: '/h' } }).stateDir,
    '/var/lib/a',
  );
  assert.is(loadConfig({ environment: { XDG_STATE_HOME: '/state' } }).stateDir, '/state/pgcached');
  assert.is(loadConfig({ flags: { socket: 'x.sock' } }).socket, resolve('x.sock'));
});

test('takes the database URL from a flag, the environment, a file, a credential or the config file, in that order', () => {
  const url = (name: string): string => `postgres://u@${name}/d`;
  const credentials = mkdtempSync(join(folder, 'credentials-'));
  writeFileSync(join(credentials, 'database-url'), `${url('credential')}\n`);
  const config = file({ databaseUrl: url('config') });
  const inFile = file(`  ${url('file')}  \nmore`);
  const environment = { CREDENTIALS_DIRECTORY: credentials, PGCACHED_CONFIG: config };
  const found = (sources: Sources): Config['databaseUrl'] => loadConfig(sources).databaseUrl;
  assert.is(found({ environment: { PGCACHED_CONFIG: config } }), url('config'));
  assert.is(found({ environment }), url('credential'));
  const more = { ...environment, PGCACHED_DATABASE_URL_FILE: inFile };
  assert.is(found({ environment: more }), url('file'));
  assert.is(found({ flags: { databaseUrl: url('flag') }, environment: more }), url('flag'));
  refused({ flags: { databaseUrl: url('a'), databaseUrlFile: inFile } }, '--database-url and --database-url-file');
  refused({ flags: { databaseUrlFile: '/nowhere' } }, '--database-url-file', '/nowhere', 'ENOENT');
  refused({ flags: { databaseUrlFile: file('') } }, 'is empty');
  assert.is(found({ environment: { CREDENTIALS_DIRECTORY: mkdtempSync(join(folder, 'empty-')) } }), undefined);
});

test('tells a credential that is there but cannot be read from one that is not there', () => {
  const credentials = mkdtempSync(join(folder, 'locked-'));
  writeFileSync(join(credentials, 'database-url'), 'postgres://u@h/d');
  chmodSync(join(credentials, 'database-url'), 0);
  const environment = { CREDENTIALS_DIRECTORY: credentials };
  if (process.getuid?.() === 0) assert.is(loadConfig({ environment }).databaseUrl, 'postgres://u@h/d');
  else refused({ environment }, 'the credential database-url', 'EACCES');
});

test('accepts the URLs that libpq and node-pg accept, and refuses several hosts in one', () => {
  const accepted = [
    'postgres://u:p%40@h:5432/d',
    'postgresql://h/d?sslmode=require',
    'postgres:///db?host=/var/run/postgresql',
    'postgres://u:p@/db?host=/var/run/postgresql',
    'postgres://u@%2Fvar%2Frun%2Fpostgresql/db',
    'postgres://u@[::1]/db?application_name=a,b',
    'socket:/var/run/postgresql?db=x',
  ];
  for (const databaseUrl of accepted) assert.is(loadConfig({ flags: { databaseUrl } }).databaseUrl, databaseUrl);
  assert.is(loadConfig({ options: { databaseUrl: [accepted[0]!] } }).databaseUrl, accepted[0]);
  refused({ flags: { databaseUrl: 'postgres://a,b/d' } }, 'several hosts');
  for (const databaseUrl of [
    'mysql://h/d',
    'localhost',
    '',
    'host=a password=sesame',
    'postgres://u:secret@h:port/d',
  ]) {
    refused({ flags: { databaseUrl } }, '--database-url');
  }
});

test('never shows a password: in errors or in the description', () => {
  for (const databaseUrl of [
    'mysql://u:sesame@h/d',
    'postgres://u:sesame@h:port/d',
    ['postgres://u:sesame@h/d', 'sesame'],
  ]) {
    assert.throws(
      () => loadConfig({ flags: { databaseUrl } }),
      (error: Error) => !error.message.includes('sesame'),
    );
  }
  const broken = file('{"databaseUrl": "postgres://u:sesame@h/d",, }');
  assert.throws(
    () => loadConfig({ flags: { config: broken } }),
    (error: Error) => !error.message.includes('sesame') && !String(error.cause).includes('sesame'),
  );
  const described = describeConfig(
    loadConfig({ options: { databaseUrl: 'postgres://u:sesame@h/d', defaultTtl: Infinity } }),
  );
  assert.is(described.databaseUrl, 'postgres://u:***@h/d');
  assert.is(described.defaultTtl, 'Infinity');
  assert.not.match(JSON.stringify(described), 'sesame');
});

test('derives the types of the configuration from the table', () => {
  const config: Config = loadConfig({});
  const types: [number, boolean, string, string | readonly string[] | undefined, string | undefined] = [
    config.maxBytes,
    config.logged,
    config.socket,
    config.databaseUrl,
    config.stateDir,
  ];
  assert.is(types.length, 5);
  // @ts-expect-error an option that may be absent has no length for certain
  const length = (): number => config.socketGroup.length;
  assert.type(length, 'function');
});

test('listens where listenUrl says, at the database itself, or nowhere through a pooler', () => {
  const listens = (options: object) => databasesOf(loadConfig({ options })).map(({ listen }) => listen?.url);
  const [a, b] = ['postgres://u@pool-a/x', 'postgres://u@pool-b/x'];
  assert.equal(listens({ databaseUrl: a }), [a]);
  assert.equal(listens({ databaseUrl: a, pooler: true }), [undefined]);
  assert.equal(listens({ databaseUrl: a, pooler: true, listenUrl: 'postgres://u@a/x' }), ['postgres://u@a/x']);
  const direct = ['postgres://u@a/x', 'postgres://u@b/x'];
  assert.equal(listens({ databaseUrl: [a, b], pooler: true, listenUrl: direct }), direct);
  refused(
    { options: { databaseUrl: [a, b], listenUrl: 'postgres://u@a/x' } },
    'listenUrl names 1, the databases are 2',
  );
  const config = loadConfig({ options: { databaseUrl: a, listenUrl: 'postgres://u:sesame@a/x' } });
  assert.not.match(JSON.stringify(describeConfig(config)), 'sesame');
  assert.equal(secretsOf(urlsOf(config), {}), ['sesame']);
});

test.run();
