import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { parseCacheControl, parseTargeted } from '../../client/http/cache-control.js';
import { isNotModified } from '../../client/http/conditional.js';
import { parseHttpDate } from '../../client/http/http-date.js';
import { parseRanges } from '../../client/http/ranges.js';
import { fieldKind } from '../../client/http/request-fields.js';
import { normalHost, tagsOf } from '../../client/http/tags.js';
import { normalEncodings, selecting } from '../../client/http/vary.js';

const test = suite('http: hostile fields');

/** Far more than a server takes, so that time by the square of the length is minutes. */
const LENGTH = 150_000;
const CPU_MS_MAX = 5000;

const HOSTILE = [
  'a',
  ' ',
  ',',
  '"',
  '\\"',
  'a="',
  'a=","',
  'a,',
  'W/"',
  '"a",',
  ' ,',
  '-',
  '0-',
  'bytes=',
  '-user-',
  '=',
  ';q=',
]
  .map((piece) => piece.repeat(Math.ceil(LENGTH / piece.length)))
  .flatMap((text) => [text, `x${text}x`, `bytes=${text}`, `"${text}`]);

const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  'Cache-Control': parseCacheControl,
  'CDN-Cache-Control': parseTargeted,
  Vary: (text) => selecting({ method: 'GET', url: '/', host: '', headers: { x: text } }, 'x'),
  'Accept-Encoding': normalEncodings,
  Range: (text) => parseRanges(text, 100),
  Date: (text) => parseHttpDate(text, 0),
  Host: normalHost,
  'Surrogate-Key': (text) => tagsOf([['surrogate-key', text]]),
  'If-None-Match': (text) =>
    isNotModified(
      { method: 'GET', url: '/', host: '', headers: { 'if-none-match': text } },
      { etag: '"b"', modifiedMs: Number.NaN },
      0,
    ),
  'the name of a field': fieldKind,
};

for (const [name, parse] of Object.entries(PARSERS)) {
  test(`${name}: no text takes time by the square of its length`, () => {
    const before = process.cpuUsage();
    for (const text of HOSTILE) parse(text);
    const { user, system } = process.cpuUsage(before);
    const ms = (user + system) / 1000;
    assert.ok(ms < CPU_MS_MAX, `${ms} ms`);
  });
}

test('a directive that stands there a hundred thousand times counts with its least', () => {
  const { seconds } = { seconds: parseCacheControl(`${'max-age=9,'.repeat(100_000)}max-age=1`).seconds('max-age') };
  assert.is(seconds, 1);
});

test('which fields name a user, place a request, or take it past the cache', () => {
  const kinds = {
    user: ['authorization', 'proxy-authorization', 'x-api-key', 'remote-user', 'x-ssl-client-cert', 'x-amzn-oidc-data'],
    keyed: ['x-forwarded-host', 'forwarded', ':authority'],
    passed: ['upgrade', 'if-match', 'x-http-method-override'],
    plain: ['accept', 'user-agent', 'cookie', 'host', 'x-forwarded-for', 'sec-ch-ua', 'x-request-id', 'traceparent'],
  };
  for (const [kind, names] of Object.entries(kinds)) for (const name of names) assert.is(fieldKind(name), kind, name);
});

test.run();
