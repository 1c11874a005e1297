/** README, documentation and code say the same. */
import { existsSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { PgCachedClient } from '../../client/client.js';
import * as client from '../../client/index.js';
import { COMMANDS } from '../../daemon/cli/commands.js';
import { connectionsOf, LOOK_CONNECTIONS, MAIN_CONNECTIONS } from '../../daemon/connection-options.js';
import { DEFAULT_TIMEOUT_MS, DEFAULT_TTL_SECONDS, LIMIT } from '../../shared/protocol.js';
import { projectFiles, readSource } from '../support/source.js';

const test = suite('docs');

const readme = readSource('README.md');
const pages = projectFiles().filter((path) => /^docs\/[^/]+\.md$/.test(path));
const manifest = JSON.parse(readSource('package.json')) as {
  engines: { node: string };
  exports: Record<string, string | { default: string }>;
  scripts: Record<string, string>;
};

/** An empty list reads better in a failure than a boolean. */
function none(problems: readonly string[]): void {
  assert.equal(problems, []);
}

/** The names of an interface's calls. */
function callsOf(source: string, name: string): string[] {
  const body = new RegExp(`export interface ${name} [^]*?\n}`).exec(source)?.[0] ?? '';
  return [...new Set([...body.matchAll(/^ {2}(\w+)[<(]/gm)].map((match) => match[1]!))];
}

test('each page of the documentation is linked from the README', () => {
  assert.ok(pages.length > 5);
  none(pages.filter((path) => !readme.includes(`](${path})`)).map((path) => `${path}: add a link to README.md`));
});

test('each call of the cache interface has a heading in docs/cache.md', () => {
  const calls = callsOf(readSource('shared/cache.ts'), 'Cache');
  assert.ok(calls.length >= 19 && calls.includes('getOrSet') && calls.includes('close'), calls.join());
  const headings = new Set([...readSource('docs/cache.md').matchAll(/^### (\w+)$/gm)].map((match) => match[1]!));
  none(calls.filter((call) => !headings.has(call)));
  none([...headings].filter((heading) => !calls.includes(heading)));
});

test('each method of the client that the interface lacks is told of in docs/cache.md', () => {
  const known = new Set([...callsOf(readSource('shared/cache.ts'), 'Cache'), 'constructor']);
  const own = Object.getOwnPropertyNames(PgCachedClient.prototype).filter((name) => !known.has(name));
  const text = readSource('docs/cache.md');
  assert.ok(own.includes('ready'), own.join());
  none(own.filter((name) => !new RegExp(`\`${name}[(\`]`).test(text)));
});

test('each entry point of the package is told of in the README', () => {
  const entries = Object.entries(manifest.exports).filter(([, target]) => typeof target !== 'string');
  assert.ok(entries.length >= 2);
  const names = entries.map(([path]) => `pgcached${path.slice(1)}`);
  none(names.filter((name) => !readme.includes(`| \`${name}\` |`)));
});

test('each thing that the client exports is in the README', () => {
  const row = /^\| `pgcached` \|.*$/m.exec(readme)?.[0] ?? '';
  const named = new Set([...row.matchAll(/`(\w+)`/g)].map((match) => match[1]!).filter((name) => name !== 'pgcached'));
  const exported = Object.keys(client);
  assert.equal([...named].sort(), exported.sort());
});

test('each command is told of in docs/command.md and in the CHANGELOG', () => {
  const text = readSource('docs/command.md');
  const changes = readSource('CHANGELOG.md');
  none(
    COMMANDS.map(({ name }) => name).filter(
      (name) => !text.includes(`## ${name}\n`) || !changes.includes(`\`${name}\``),
    ),
  );
});

test('each npm script and each file that the README names is there', () => {
  const text = [readme, ...pages.map(readSource)].join('\n');
  const scripts = [...text.matchAll(/\bnpm run ([\w:-]+)/g)].map((match) => match[1]!);
  none(scripts.filter((name) => manifest.scripts[name] === undefined));
  const files = [...text.matchAll(/(?:\.\/|sudo )(scripts\/[\w-]+)/g)].map((match) => match[1]!);
  assert.ok(files.includes('scripts/start'));
  none(files.filter((path) => !existsSync(path)));
});

test('the README names the test command, and continuous integration runs it', () => {
  assert.match(readme, /^Tests: `\.\/scripts\/test`/m);
  assert.match(readSource('.ci/run'), /^exec \.\/scripts\/test "\$@"$/m);
});

test('versions and defaults are those of the code', () => {
  const node = /(\d+)/.exec(manifest.engines.node)![1]!;
  const postgres =
    Number(/SERVER_VERSION_MIN = ([\d_]+)/.exec(readSource('daemon/cli/checks/database.ts'))![1]!.replace('_', '')) /
    10_000;
  assert.ok(readme.includes(`Node ${node} or later`) && readme.includes(`PostgreSQL ${postgres} or later`));
  const cache = readSource('docs/cache.md');
  assert.match(cache, new RegExp(`\\| \`timeoutMs\` \\| ${DEFAULT_TIMEOUT_MS} \\|`));
  assert.match(cache, new RegExp(`${DEFAULT_TTL_SECONDS} seconds unless`));
});

test('docs/troubleshooting.md reckons connections as the daemon opens them', () => {
  assert.ok(
    readSource('docs/troubleshooting.md').includes(
      `workers × (2 × poolSize + ${LOOK_CONNECTIONS}) + ${MAIN_CONNECTIONS}`,
    ),
  );
  assert.is(connectionsOf({ workers: 3, poolSize: 5 }), 3 * (2 * 5 + LOOK_CONNECTIONS) + MAIN_CONNECTIONS);
});

test('docs/architecture.md has each limit of the protocol with its value, and no other', () => {
  const rows = [...readSource('docs/architecture.md').matchAll(/^\| `(\w+)` \| ([\d,]+) \| .+ \|$/gm)];
  const documented = rows.map(([, name = '', value = '']) => [name, Number(value.replaceAll(',', ''))]);
  assert.equal(documented, Object.entries(LIMIT));
});

test('docs/architecture.md names no file that is not there', () => {
  let wing = '';
  const missing: string[] = [];
  for (const line of readSource('docs/architecture.md').split('\n')) {
    wing = /^\*\*([\w/]+)\*\*$/.exec(line)?.[1] ?? wing;
    const rooms =
      line.startsWith('| `') && wing !== '' ? [...line.split('|')[1]!.matchAll(/`([^`*]+\.ts|\w+\/)`/g)] : [];
    for (const [, room = ''] of rooms) if (!existsSync(`${wing}/${room}`)) missing.push(`${wing}/${room}`);
    if (line.startsWith('## ') && line !== '## The rooms') wing = '';
  }
  none(missing);
});

test.run();
