/** Every js, ts and sql block of README.md and docs/*.md is run, and prints what it says; js and ts in a process of their own. */
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type TestServer, testServer } from '../support/daemon.js';
import { allBlocks, blocksOf, type DocBlock, fenceProblem, RUNNABLE } from '../support/doc-blocks.js';
import { type TestDatabase, testDatabase } from '../support/postgres.js';

const LIMIT_MS = 30_000;
const root = fileURLToPath(new URL('../../..', import.meta.url));
/** Inside the package, where `pgcached` is the package itself and its dependencies are found. */
const folder = join(root, 'dist', `docs-examples-${process.pid}`);
const test = suite('docs-examples');

const blocks = allBlocks(root);
const examples = blocks.filter(({ language }) => (RUNNABLE as readonly string[]).includes(language));
const needsDaemon = examples.some(
  ({ language, marks }) => (language === 'sql' || marks.includes('daemon')) && !marks.includes('no-run'),
);

let database: TestDatabase | undefined;
let server: TestServer | undefined;

test.before(async () => {
  mkdirSync(folder, { recursive: true });
  if (!needsDaemon) return;
  database = await testDatabase();
  server = await testServer(database.url);
  await server.client().count(); // the tables are there from here on
});
test.after(async () => {
  await server?.close();
  await database?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<Ended> {
  const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  const kept = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      kept[name] += text;
    });
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearTimeout(timer);
  return { code, ...kept };
}

/** What blocks marked `daemon` find in their environment. */
function daemonEnvironment(): NodeJS.ProcessEnv {
  if (server === undefined || database === undefined) throw new Error('there is no daemon for this example');
  return { ...process.env, PGCACHED_SOCKET: server.daemon.socketPath, DATABASE_URL: database.url };
}

/** What a block marked `postgres` finds in its environment. */
function postgresEnvironment(url: string): NodeJS.ProcessEnv {
  const { host, port, user = '', database: name = '' } = new pg.Client({ connectionString: url });
  return { ...process.env, PGHOST: host, PGPORT: String(port), PGUSER: user, PGDATABASE: name };
}

/** Runs the file as its block asks. @returns what it printed */
async function runMarked(block: DocBlock, file: string): Promise<string> {
  if (block.marks.includes('daemon')) return succeed(block.at, [file], daemonEnvironment());
  if (!block.marks.includes('postgres')) return succeed(block.at, [file]);
  const own = await testDatabase();
  try {
    return await succeed(block.at, [file], postgresEnvironment(own.url));
  } finally {
    await own.close();
  }
}

async function succeed(what: string, args: readonly string[], env?: NodeJS.ProcessEnv): Promise<string> {
  const { code, stdout, stderr } = await run(args, env);
  if (code !== 0) assert.unreachable(`${what}: ended with ${code ?? 'a signal, after too long'}\n${stdout}${stderr}`);
  return stdout;
}

/** Runs a block of SQL: one transaction, unless it says otherwise. @returns its rows, a line each, the columns parted by ` | ` */
async function runSqlBlock({ at, code }: DocBlock): Promise<string[]> {
  const client = new pg.Client({ connectionString: database!.url });
  client.on('error', () => {});
  await client.connect();
  try {
    const asText = { getTypeParser: () => (text: string) => text } as unknown as pg.CustomTypesConfig;
    const results = [await client.query({ text: code, rowMode: 'array', types: asText })].flat();
    return results.flatMap(({ rows }) =>
      (rows as string[][]).map((row) => row.map((cell) => cell ?? 'null').join(' | ')),
    );
  } catch (error) {
    throw new Error(`${at}: ${(error as Error).message}`);
  } finally {
    await client.end();
  }
}

/** @returns the JavaScript file of the block, compiled where it is TypeScript */
async function prepare(block: DocBlock): Promise<string> {
  const name = block.at.replace(/\W+/g, '-');
  if (block.language === 'js') {
    writeFileSync(join(folder, `${name}.js`), block.code);
  } else {
    writeFileSync(join(folder, `${name}.ts`), block.code);
    const flags = ['--ignoreConfig', '--strict', '--target', 'es2022', '--module', 'nodenext', '--skipLibCheck'];
    const compiler = join(root, 'node_modules/typescript/bin/tsc');
    await succeed(`${block.at} compiled`, [compiler, ...flags, '--types', 'node', join(folder, `${name}.ts`)]);
  }
  return join(folder, `${name}.js`);
}

test('the documentation has examples, and every fence says how it is tried', () => {
  assert.ok(examples.length >= 5, String(examples.length));
  assert.equal(
    blocks.flatMap((block) => fenceProblem(block)?.replace(/^/, `${block.at}: `) ?? []),
    [],
  );
});

test('fences of other kinds, which nothing would try, are noticed', () => {
  const problems = ['javascript', 'mjs', 'typescript', 'js skip', 'ts no-run later'].map((info) => {
    const [block] = blocksOf('page.md', `text\n\n\`\`\`${info}\nx();\n\`\`\`\n`);
    return fenceProblem(block!);
  });
  assert.ok(problems.every((problem) => problem !== undefined));
  const [fine] = blocksOf('page.md', 'text\n\n```js daemon\nprint(1); \n// → 1\n```\n');
  assert.is(fenceProblem(fine!), undefined);
  assert.equal([fine!.at, fine!.prints], ['page.md:3', ['1']]);
});

for (const block of examples) {
  const isRun = !block.marks.includes('no-run');
  test(`${block.at} ${isRun ? 'runs' : 'can be read'}`, async () => {
    if (block.language === 'sql') {
      if (isRun) assert.equal(await runSqlBlock(block), [...block.prints], block.at);
      return;
    }
    const file = await prepare(block);
    if (!isRun) {
      if (block.language === 'js') await succeed(`${block.at} checked`, ['--check', file]);
      return;
    }
    const printed = await runMarked(block, file);
    if (block.prints.length > 0) assert.equal(printed.trimEnd().split('\n'), [...block.prints], block.at);
  });
}

test.run();
