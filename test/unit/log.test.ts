import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createChangeLog, createLog, describeError, type LogSettings } from '../../daemon/log.js';

const test = suite('log');

function recorded(settings: Partial<LogSettings> = {}, isTTY = false) {
  const lines: string[] = [];
  const stream = { isTTY, write: (text: string) => lines.push(text) };
  const log = createLog({ level: 'info', stream, ...settings });
  return { log, lines, records: () => lines.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

test('writes one JSON object a line, from the level on', () => {
  const { log, lines, records } = recorded({ level: 'warn' });
  log.info('not this');
  log.warn({ socket: '/x' }, 'this');
  assert.is(lines.length, 1);
  assert.ok(lines[0]!.endsWith('\n'));
  const [record] = records();
  assert.equal([record!.level, record!.socket, record!.msg, record!.name], [40, '/x', 'this', 'pgcached']);
});

test('shows no password: in messages, fields, children, errors, causes or stacks', () => {
  const { log, lines } = recorded({ secrets: ['open sesame'] });
  const url = 'postgres://u:hunter2@h/d';
  log.warn(`cannot reach ${url}`);
  log.warn('cannot reach %s', url);
  log.warn({ url, nested: [{ password: 'hunter2' }] }, 'x');
  log.child({ url, hint: 'open sesame' }).warn('y');
  log.error(new Error(`no ${url}`, { cause: new AggregateError([new Error('it was open sesame')]) }));
  log.error({ err: Object.assign(new Error('idle'), { client: { password: 'hunter2', url } }) }, 'open sesame!');
  const text = lines.join('');
  assert.is(lines.length, 6);
  assert.not.match(text, 'hunter2');
  assert.not.match(text, 'sesame');
  assert.match(text, '***');
});

test('tells errors by code and cause, and nothing that hangs on them', () => {
  const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED', syscall: 'connect' });
  const told = describeError(Object.assign(new Error('no database', { cause }), { client: {} })) as Record<
    string,
    unknown
  >;
  assert.equal(Object.keys(told), ['type', 'message', 'stack', 'cause']);
  assert.is((told.cause as Record<string, unknown>).code, 'ECONNREFUSED');
  const cyclic: Error & { cause?: unknown } = new Error('round');
  cyclic.cause = cyclic;
  assert.ok(JSON.stringify(describeError(cyclic)).length < 20_000);
});

test('writes short lines on a terminal, and colours only where they are wanted', () => {
  const plain = recorded({ colours: false }, true);
  plain.log.info({ socket: '/x', n: 2 }, 'ready');
  assert.match(plain.lines[0]!, /^\d\d:\d\d:\d\d info {2}ready socket=\/x n=2\n$/);
  plain.log.error({ err: new Error('why\x1b[2J') }, 'what');
  assert.match(plain.lines[1]!, /error what: why \[2J\n$/);
  const coloured = recorded({ colours: true }, true);
  coloured.log.warn('careful');
  assert.match(coloured.lines[0]!, '\x1b[33mwarn');
  const piped = recorded({ colours: true }, false);
  piped.log.warn('careful');
  assert.not.match(piped.lines[0]!, '\x1b');
});

test('says a thing once until it changes', () => {
  const { log, records } = recorded();
  const onChange = createChangeLog(log);
  const said = [
    onChange('database', 'down', 'Postgres is away', { level: 'warn', err: new Error('gone') }),
    onChange('database', 'down', 'Postgres is away', { level: 'warn' }),
    onChange('listener', 'down', 'deaf'),
    onChange('database', 'up', 'Postgres is back'),
    onChange('database', 'up', 'Postgres is back'),
    onChange('database', 'down', 'Postgres is away'),
  ];
  assert.equal(said, [true, false, true, true, false, true]);
  assert.equal(
    records().map(({ level, database, listener, msg }) => [level, database ?? listener, msg]),
    [
      [40, 'down', 'Postgres is away'],
      [30, 'down', 'deaf'],
      [30, 'up', 'Postgres is back'],
      [30, 'down', 'Postgres is away'],
    ],
  );
});

test.run();
