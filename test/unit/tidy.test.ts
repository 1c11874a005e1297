import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ERROR_ADVICE } from '../../shared/errors.js';
import { functionSpans, importsOf, loadedBy, projectFiles, projectRoot, readSource } from '../support/source.js';

const FILE_LINES_MAX = 300;
const FUNCTION_LINES_MAX = 69;
/** The reviewed release; node-ipc's other releases have carried malware more than once. */
const NODE_IPC = {
  version: '14.0.0',
  integrity: 'sha512-d5+aogND4Gk6aQkW5KCibliM4Mn12+isHXt8wFghO4Bn0gBSnev3TXJWQ4eEnzrlh5gCG+nwQEZwyayeDtQxQA==',
};
const NODE_IPC_BANNED = /^(9\.1\.6|9\.2\.[23]|10\.1\.[123]|11\..*|12\.0\.1)$/;

const test = suite('tidy');
const files = projectFiles();
const isCode = (path: string): boolean => /^(shared|client|daemon|scripts)\/.*\.ts$/.test(path);
const code = files.filter(isCode);

/** An empty list reads better in a failure than a boolean. */
function none(problems: readonly string[]): void {
  assert.equal(problems, []);
}

test('finds the sources', () => {
  assert.ok(code.includes('shared/errors.ts') && code.includes('scripts/gate.ts'));
  assert.ok(files.every((path) => !path.startsWith('node_modules/') && !path.startsWith('dist/')));
});

test(`no source file has more than ${FILE_LINES_MAX} lines`, () => {
  const long = code.filter((path) => readSource(path).trimEnd().split('\n').length > FILE_LINES_MAX);
  none(long);
});

test(`no function has more than ${FUNCTION_LINES_MAX} lines`, () => {
  const spans = code.flatMap((path) => functionSpans(readSource(path)).map((span) => ({ path, ...span })));
  assert.ok(
    spans.length > code.length,
    `${spans.length} functions in ${code.length} files: the scanner does not see them`,
  );
  none(
    spans.filter((one) => one.lines > FUNCTION_LINES_MAX).map((one) => `${one.path}:${one.line} ${one.lines} lines`),
  );
});

test('the function scanner sees all forms, and no blocks of other kinds', () => {
  const source = [
    'export async function first(): Promise<void> {',
    '  if (a) {',
    '  }',
    '}',
    'const second = (a: number) => {',
    '  return `a',
    '    b`;',
    '};',
    'class Third {',
    '  method(',
    '    long: string,',
    '  ): Record<string, number> {',
    '    for (;;) {',
    '    }',
    '  }',
    '}',
  ].join('\n');
  assert.equal(functionSpans(source), [
    { line: 1, lines: 4 },
    { line: 5, lines: 3 },
    { line: 10, lines: 6 },
  ]);
});

test('the import scanner sees all forms', () => {
  const source = [
    "import type { A } from 'a';",
    "import b, {\n  c,\n} from './b.js';",
    "export * from 'd/e';",
    "import 'f';",
    "const g = await import('g');",
  ].join('\n');
  assert.equal(
    importsOf(source).map(({ from, typeOnly }) => `${from}${typeOnly ? ' (type)' : ''}`),
    ['a (type)', './b.js', 'd/e', 'f', 'g'],
  );
});

test('shared loads neither client nor daemon, and none of the packages of the daemon', () => {
  const banned = /^(client\/|daemon\/|(pg|pg-listen|piscina|pino|node-ipc)$)/;
  const shared = code.filter((path) => path.startsWith('shared/'));
  none(
    shared.flatMap((path) =>
      [...loadedBy(path)].filter((one) => banned.test(one)).map((one) => `${path} loads ${one}`),
    ),
  );
});

test('the client loads neither the daemon nor its packages, and pg only where the import says so', () => {
  const takesPg = /^client\/(database|query)(\.ts$|\/)/;
  const client = code.filter((path) => path.startsWith('client/'));
  const problems = client.flatMap((path) => {
    const banned = takesPg.test(path)
      ? /^(daemon\/|(pg-listen|piscina|pino)$)/
      : /^(daemon\/|(pg|pg-listen|piscina|pino)$)/;
    return [...loadedBy(path)].filter((one) => banned.test(one)).map((one) => `${path} loads ${one}`);
  });
  none(problems);
});

test('the daemon does not load the client, except in its command', () => {
  const daemon = code.filter((path) => path.startsWith('daemon/') && !path.startsWith('daemon/cli/'));
  none(daemon.filter((path) => [...loadedBy(path)].some((one) => one.startsWith('client/'))));
});

test('node-ipc is the reviewed release, and no other', () => {
  const manifest = JSON.parse(readSource('package.json')) as { dependencies: Record<string, string> };
  assert.is(manifest.dependencies['node-ipc'], NODE_IPC.version);
  const lock = JSON.parse(readSource('package-lock.json')) as {
    packages: Record<string, { version?: string; integrity?: string }>;
  };
  const found = Object.entries(lock.packages).filter(([path]) => path.endsWith('node_modules/node-ipc'));
  assert.is(found.length, 1);
  for (const [, { version = '', integrity }] of found) {
    assert.not.match(version, NODE_IPC_BANNED);
    assert.equal({ version, integrity }, NODE_IPC);
  }
});

test('what npm warns of on Node 20 is what the docs say', () => {
  interface Locked {
    readonly dev?: boolean;
    readonly engines?: { readonly node?: string };
  }
  const { packages } = JSON.parse(readSource('package-lock.json')) as { packages: Record<string, Locked> };
  const asks = (range: string) => range.split('||').every((part) => Number(/\d+/.exec(part)?.[0] ?? 0) > 20);
  const warned = Object.entries(packages)
    .filter(([path, { dev, engines }]) => path !== '' && dev !== true && asks(engines?.node ?? '0'))
    .map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length));
  const [, said = ''] =
    /## npm warns EBADENGINE\n\n[^:]*: ([^.]*) ask for/.exec(readSource('docs/troubleshooting.md')) ?? [];
  assert.equal(warned.sort(), [...said.matchAll(/`([\w-]+)`/g)].map(([, name]) => name).sort());
});

test('no test is left out or alone', () => {
  const tests = files.filter((path) => path.endsWith('.test.ts'));
  none(tests.filter((path) => /^\s*\w+\.(only|skip)\(\s*['"`]/m.test(readSource(path))));
});

test('nothing is left for later, and no path of somebody’s machine', () => {
  const words = new RegExp(`\\b(${['TO', 'FIX'].map((head, at) => head + ['DO', 'ME'][at]).join('|')})\\b`);
  const machine = /(^|[\s"'`(=:])\/(Users|root|work)\/\w|\/tmp\/wt\b/m;
  const text = files.filter((path) =>
    /(\.(ts|js|mjs|json|md|sh|service|socket|conf|yml)|^scripts\/[\w-]+|^\.ci\/run)$/.test(path),
  );
  none(
    text.filter((path) => words.test(readSource(path))).map((path) => `${path}: ${words.exec(readSource(path))?.[0]}`),
  );
  none(
    text
      .filter((path) => machine.test(readSource(path)))
      .map((path) => `${path}: ${machine.exec(readSource(path))?.[0]}`),
  );
});

/** As GitHub makes the anchor of a heading. */
function anchorsOf(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.*)$/gm)].map((match) =>
    match[1]!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replace(/\s/g, '-'),
  );
}

test('all links between documents resolve, with their anchors', () => {
  const problems: string[] = [];
  for (const path of files.filter((one) => one.endsWith('.md'))) {
    const prose = readSource(path).replace(/```[\s\S]*?```/g, '');
    for (const [, link = ''] of prose.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const [file = '', anchor] = link.split('#');
      const target = file === '' ? path : normalize(join(dirname(path), file));
      const broken = !existsSync(join(projectRoot, target));
      if (broken || (anchor && !anchorsOf(readSource(target)).includes(anchor))) problems.push(`${path}: ${link}`);
    }
  }
  none(problems);
});

test('docs/errors.md has each error of the table with its advice, in its order, and no other', () => {
  const rows = [...readSource('docs/errors.md').matchAll(/^\| `(ERR_\w+)` +\| (.+?) +\| (.+?) +\|$/gm)];
  const documented = rows.map(([, name, , advice]) => `${name}: ${advice}`);
  assert.equal(
    documented,
    Object.entries(ERROR_ADVICE).map(([name, advice]) => `${name}: ${advice}`),
  );
});

test('a limit or default has one home', () => {
  const homes = new Map<string, string[]>();
  for (const path of code) {
    for (const [, name = ''] of readSource(path).matchAll(
      /^(?:export )?const ([A-Z][A-Z0-9_]+)(?:: number)? = [\d_.*+\s()]+;$/gm,
    )) {
      homes.set(name, [...(homes.get(name) ?? []), path]);
    }
  }
  assert.ok(homes.size > 0);
  none([...homes].filter(([, paths]) => paths.length > 1).map(([name, paths]) => `${name}: ${paths.join(', ')}`));
});

test.run();
