import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readArguments } from '../../daemon/cli/arguments.js';
import type { Command } from '../../daemon/cli/command.js';
import { COMMAND_OPTION_NAMES } from '../../daemon/cli/command-options.js';
import { outline } from '../../daemon/cli/commands/status.js';
import { ratesOf } from '../../daemon/cli/commands/top.js';
import { COMMANDS } from '../../daemon/cli/commands.js';
import { EXIT, exitOf, tellError, UsageError } from '../../daemon/cli/exit.js';
import { helpOf, overview } from '../../daemon/cli/help.js';
import { Output } from '../../daemon/cli/output.js';
import { bytesText, type DaemonState } from '../../daemon/cli/state.js';
import { environmentOf, flagOf, OPTION_NAMES, optionOf } from '../../daemon/options.js';
import { showDefault } from '../../daemon/show-option.js';
import { readBytes, showBytes } from '../../daemon/values.js';
import { GENERATED, withGenerated } from '../../scripts/docs.js';
import { CacheError } from '../../shared/errors.js';
import { nearest } from '../../shared/nearest.js';

const test = suite('command');

function command(name: string): Command {
  return COMMANDS.find((candidate) => candidate.name === name)!;
}

test('the daemon and doctor take every option of the configuration, dev all but those of the database', () => {
  assert.equal(command('doctor').options, OPTION_NAMES);
  assert.equal([...command('daemon').options, 'dataDir'].sort(), [...OPTION_NAMES].sort());
  const missing = OPTION_NAMES.filter((name) => !command('dev').options.includes(name));
  assert.equal(missing, ['databaseUrl', 'databaseUrlFile', 'databaseWeights', 'placement', 'pooler', 'listenUrl']);
});

test('help tells flag, variable and default of every option that a command takes, and every exit code', () => {
  for (const each of COMMANDS) {
    const help = helpOf(each);
    const flat = help.replace(/\s+/g, ' ');
    for (const name of each.options) {
      assert.match(flat, flagOf(name));
      assert.match(flat, environmentOf(name));
      assert.match(flat, `default: ${showDefault(name).replaceAll('`', '')}`);
      assert.match(flat, optionOf(name).help);
    }
    for (const name of each.own) assert.match(help, flagOf(name));
    for (const { code, meaning } of Object.values(EXIT)) assert.match(help, `${code}  ${meaning}`);
    assert.match(overview(COMMANDS), each.summary);
    for (const line of help.split('\n')) assert.ok(line.length <= 100, line);
  }
});

/** A daemon that has answered so much since it began. */
function state(pid: number, counts: Readonly<Record<string, number>>): DaemonState {
  const tier = { hits: 0, misses: 0, sets: 0, evictions: 0, expirations: 0, invalidations: 0, bytes: 1500, entries: 3 };
  const of = (hits: number) => ({ ...tier, hits, misses: hits / 4, hitRate: 0.8, tiers: {} });
  return { pid, fresh: true, namespaces: Object.fromEntries(Object.entries(counts).map(([name, n]) => [name, of(n)])) };
}

test('top shows what happened in between, a second, the busiest namespace first', () => {
  const rates = ratesOf(state(7, { a: 100, b: 40 }), state(7, { a: 100, b: 80, c: 8 }), 2);
  const seen = rates.map(({ namespace, hits, misses, hitRate }) => [namespace, hits, misses, hitRate]);
  assert.equal(seen, [
    ['b', 20, 5, 0.8],
    ['c', 4, 1, 0.8],
    ['a', 0, 0, undefined],
  ]);
  assert.is(ratesOf(state(7, { a: 100 }), state(8, { a: 8 }), 2)[0]!.hits, 4, 'a daemon that began anew');
});

test('status shows a line a namespace', () => {
  const lines = outline(state(7, { orders: 100 }));
  assert.is(lines[0], 'pid    7');
  assert.match(lines.at(-1)!, /^orders +3 +1\.5 kB +100 +25 +80\.0 %/);
  assert.equal([0, 999, 1000, 999_949, 999_950, 2.5e13].map(bytesText), [
    '0 B',
    '999 B',
    '1.0 kB',
    '999.9 kB',
    '1.0 MB',
    '25.0 TB',
  ]);
});

test('the documentation holds what the code says', () => {
  for (const { file, marker, text } of GENERATED) {
    const document = readFileSync(file, 'utf8');
    const isCurrent = withGenerated(document, marker, text()) === document;
    assert.ok(isCurrent, `${file} is out of date: npm run docs`);
  }
});

test('every option has a flag and a variable of its own, none of them taken by the command line', () => {
  const flags = [...OPTION_NAMES, ...COMMAND_OPTION_NAMES].map(flagOf);
  assert.is(new Set(flags).size, flags.length);
  assert.is(flagOf('databaseUrl'), '--database-url');
  assert.is(environmentOf('staleBoundMs'), 'PGCACHED_STALE_BOUND_MS');
});

test('reads operands and options in any order, negative numbers as operands', () => {
  const read = (name: string, ...args: string[]) => readArguments(command(name), args);
  assert.equal(read('incr', 'key', '-15', '-n', 'x').operands, ['key', '-15']);
  assert.equal(read('incr', '--json', 'key').own, { json: true });
  assert.equal(read('set', '--ttl=5m', 'k', '--', '--v').operands, ['k', '--v']);
  assert.equal(read('set', 'k', 'v', '--ttl', '5m').own, { ttl: '5m' });
  assert.equal(read('daemon', '--logged', '--no-pooler').flags, { logged: true, pooler: 'false' });
  assert.equal(read('daemon', '--logged=false').flags, { logged: 'false' });
  assert.equal(read('daemon', '--table', 'a', '--table', 'b').flags, { table: 'b' });
  const urls = ['--database-url', 'a', '--database-url=b', '--database-url', 'c'];
  assert.equal(read('daemon', ...urls).flags, { databaseUrl: ['a', 'b', 'c'] });
  assert.equal(read('get', '--help').own, { help: true });
});

test('refuses wrong arguments, and says what was meant', () => {
  const refused = (text: string, name: string, ...args: string[]): void => {
    assert.throws(
      () => readArguments(command(name), args),
      (error: Error) => error instanceof UsageError && error.message.includes(text),
      args.join(' '),
    );
  };
  refused('did you mean --namespace?', 'get', 'k', '--namespce', 'x');
  refused('did you mean --stale-bound-ms?', 'daemon', '--stale-bound');
  refused('needs a value', 'set', 'k', 'v', '--ttl');
  refused('takes no value', 'get', 'k', '--json=yes');
  refused('takes no value', 'daemon', '--no-logged=false');
  refused('too few', 'set', 'k');
  refused('too many', 'status', 'now');
  refused('--yes is not an option of pgcached get', 'get', 'k', '--yes');
});

test('suggests only what is near', () => {
  const names = COMMANDS.map(({ name }) => name);
  assert.equal(
    ['stauts', 'doktor', 'del', 'GET', 'frobnicate'].map((name) => nearest(name, names)),
    ['status', 'doctor', 'delete', 'get', undefined],
  );
});

test('tells errors without their code, and gives each an exit code', () => {
  const error = new CacheError('ERR_UNAVAILABLE', 'nobody answers');
  assert.match(tellError(error), /^nobody answers\n {2}start the daemon/);
  assert.not.match(tellError(error), 'ERR_');
  assert.is(exitOf(error), 'unavailable');
  assert.is(exitOf(new CacheError('ERR_INVALID_TTL', 'x')), 'usage');
  assert.is(exitOf(new CacheError('ERR_NOT_A_COUNTER', 'x')), 'failed');
  assert.is(exitOf(new UsageError('x')), 'usage');
  assert.is(exitOf(new Error('x')), 'failed');
});

test('shows values so that they neither steer a terminal nor change in a pipe', () => {
  const shown = (value: unknown, isTTY: boolean): string => {
    let text = '';
    const stream = { isTTY, write: (part: string) => (text += part) };
    new Output(stream, stream, true).value(value);
    return text;
  };
  assert.is(shown('a\x1b[2Jb', true), 'a\\u001b[2Jb\n');
  assert.is(shown('a\x1b[2Jb', false), 'a\x1b[2Jb\n');
  assert.is(shown(new Map([['a', { b: [1n] }]]), false), "Map(1) { 'a' => { b: [ 1n ] } }\n");
  assert.is(shown(null, false), 'null\n');
});

test('writes every size so that it reads it back', () => {
  for (const bytes of [1, 1023, 1024, 1025, 64 * 2 ** 20, 2 ** 40, 3 * 2 ** 30]) {
    assert.is(readBytes(showBytes(bytes).replace(' bytes', '')), bytes);
  }
});

test.run();
