import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { redact, redactDeep, secretsOf } from '../../daemon/redact.js';

const test = suite('redact');
const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 31));
const settings = { seed, numRuns: 500 };
console.log(`seed ${seed}`);

/** Letters that occur in nothing else of these texts, with everything that a password may hold between them. */
const password = fc
  .array(fc.constantFrom('Q', 'Z', '@', ':', '/', '?', '#', '%', '&', '=', "'", '"', '\\', '+', '$', 'é', '.', '*'), {
    minLength: 2,
    maxLength: 20,
  })
  .map((letters) => `QZ${letters.join('')}ZQ`);
const around = fc.constantFrom('', ' ', 'could not connect to ', '"', "'", '(', 'a@b ', '\n');

test('takes a percent-encoded password out of any URL in any text', () => {
  fc.assert(
    fc.property(password, around, around, (secret, before, after) => {
      const encoded = encodeURIComponent(secret);
      for (const url of [
        `postgres://u:${encoded}@h/d`,
        `postgres://:${encoded}@/d?host=/run`,
        `redis://u:${encoded}@h`,
      ]) {
        const clean = redact(`${before}${url}${after}`);
        assert.not.ok(clean.includes(encoded), clean);
        assert.ok(clean.includes('***@'), clean);
      }
    }),
    settings,
  );
});

test('takes a password out of a URL that has it as it is, whatever it holds', () => {
  fc.assert(
    fc.property(password, around, (secret, before) => {
      const clean = redact(`${before}postgres://u:${secret}@h/d failed`);
      assert.not.ok(clean.includes(secret), clean);
    }),
    settings,
  );
});

test('takes password=… out of queries, of libpq strings and of JSON', () => {
  fc.assert(
    fc.property(password, (secret) => {
      const encoded = encodeURIComponent(secret);
      const quoted = `'${secret.replace(/['\\]/g, '\\$&')}'`;
      const json = JSON.stringify(secret);
      for (const [text, hidden] of [
        [`postgres://h/d?user=u&password=${encoded}&sslmode=x`, encoded],
        [`postgres://h/d?sslpassword=${encoded}`, encoded],
        [`host=h password=${quoted} dbname=d`, quoted],
        [`{"user":"u","password":${json},"port":1}`, json],
      ] as const) {
        assert.not.ok(redact(text).includes(hidden), redact(text));
      }
      assert.match(redact(`?password=${encoded}&sslmode=x`), '&sslmode=x');
    }),
    settings,
  );
});

test('takes a known password out wherever it stands, as written and decoded', () => {
  fc.assert(
    fc.property(password, around, around, (secret, before, after) => {
      const url = `postgres://u:${encodeURIComponent(secret)}@h/d`;
      const secrets = [
        ...secretsOf(url, {}),
        ...secretsOf(undefined, { PGPASSWORD: `${secret}2` }),
        ...secretsOf(`postgres://h/d?password=${encodeURIComponent(`${secret}3`)}`, {}),
      ];
      for (const form of [secret, encodeURIComponent(secret), `${secret}2`, `${secret}3`]) {
        const clean = redact(`${before}${form}${after}`, secrets);
        assert.not.ok(clean.includes(form), clean);
        const deep = JSON.stringify(redactDeep({ [form]: [form, { a: form }], password: 'short' }, secrets));
        assert.not.ok(deep.includes(JSON.stringify(form).slice(1, -1)) || deep.includes('short'), deep);
      }
    }),
    settings,
  );
});

test('leaves text without passwords as it is', () => {
  for (const text of [
    'postgres://u@h:5432/d?sslmode=require',
    'postgres:///d?host=/run/postgresql',
    'password authentication failed for user "u"',
    'http://localhost:8080/path, mail a@b.example',
    'connect ECONNREFUSED 127.0.0.1:5432',
  ]) {
    assert.is(redact(text), text);
  }
});

test('is done soon with a text made to keep it busy', () => {
  const startedAt = performance.now();
  redact('://'.repeat(20_000));
  redact(`${'a'.repeat(100_000)} password=${"'\\".repeat(20_000)}`);
  assert.ok(performance.now() - startedAt < 20_000);
});

test.run();
