import * as assert from 'uvu/assert';
import { type Behaviour, said } from './site.js';

const DIGITS = '0123456789';

export const ANSWERING: readonly Behaviour[] = [
  {
    name: 'HEAD is answered from GET',
    handler: () => said('max-age=60', DIGITS),
    async check(site) {
      await site.get('/');
      const head = await site.send('HEAD', '/');
      assert.equal([head.status, head.text, head.headers['content-length'], head.cache], [200, '', '10', 'HIT']);
    },
  },
  {
    name: 'a page without an ETag gets one, and 304 where the client has it',
    handler: () => said('max-age=60', DIGITS),
    async check(site) {
      const { etag } = (await site.get('/')).headers;
      assert.type(etag, 'string');
      const same = await site.get('/', { 'if-none-match': `"other", ${etag}` });
      assert.equal([same.status, same.text, same.headers.etag], [304, '', etag]);
      assert.is(same.headers['cache-control'], 'max-age=60');
      assert.is(same.headers['content-type'], undefined);
      assert.is((await site.get('/', { 'if-none-match': '"other"' })).status, 200);
      assert.is(site.seen.length, 1);
    },
  },
  {
    name: 'a condition is answered on a miss too, and the whole is stored',
    handler: () => said('max-age=60', DIGITS, { etag: '"v1"' }),
    async check(site) {
      assert.is((await site.get('/', { 'if-none-match': '"v1"' })).status, 304);
      const whole = await site.get('/');
      assert.equal([whole.status, whole.text, whole.cache], [200, DIGITS, 'HIT']);
    },
  },
  {
    name: 'a condition is answered where nothing is stored, too',
    handler: () => said('private', DIGITS, { etag: '"v1"' }),
    async check(site) {
      const same = await site.get('/', { 'if-none-match': '"v1"' });
      assert.equal([same.status, same.text], [304, '']);
    },
  },
  {
    name: 'If-Modified-Since',
    handler: (_, site) => said('max-age=60', DIGITS, { 'last-modified': site.date(-60_000) }),
    async check(site) {
      await site.get('/');
      assert.is((await site.get('/', { 'if-modified-since': site.date(-50_000) })).status, 304);
      assert.is((await site.get('/', { 'if-modified-since': site.date(-70_000) })).status, 200);
      const both = { 'if-modified-since': site.date(-50_000), 'if-none-match': '"other"' };
      assert.is((await site.get('/', both)).status, 200, 'If-None-Match counts more');
    },
  },
  {
    name: 'ranges of a whole body',
    handler: () => ({
      headers: { 'cache-control': 'max-age=60', etag: '"v1"', 'content-type': 'application/x-digits' },
      body: Buffer.from(DIGITS),
    }),
    async check(site) {
      await site.get('/');
      const range = async (value: string, others = {}) => {
        const { status, text, headers } = await site.get('/', { range: value, ...others });
        return [status, text, headers['content-range']];
      };
      assert.equal(await range('bytes=2-4'), [206, '234', 'bytes 2-4/10']);
      assert.equal(await range('bytes=7-'), [206, '789', 'bytes 7-9/10']);
      assert.equal(await range('bytes=-2'), [206, '89', 'bytes 8-9/10']);
      assert.equal(await range('bytes=5-99'), [206, '56789', 'bytes 5-9/10']);
      assert.equal(await range('bytes=10-'), [416, '', 'bytes */10']);
      assert.equal(await range('bytes=4-2'), [200, DIGITS, undefined], 'malformed');
      assert.equal(await range('lines=1-2'), [200, DIGITS, undefined], 'another unit');
      assert.equal(await range('bytes=0-5,3-7'), [200, DIGITS, undefined], 'overlapping');
      assert.equal(await range('bytes=1-1', { 'if-range': '"v1"' }), [206, '1', 'bytes 1-1/10']);
      assert.equal(await range('bytes=1-1', { 'if-range': '"v2"' }), [200, DIGITS, undefined]);
      const several = await site.get('/', { range: 'bytes=0-1, 8-' });
      assert.is(several.status, 206);
      const boundary = /^multipart\/byteranges; boundary=(\w+)$/.exec(String(several.headers['content-type']))?.[1];
      const part = (place: string, text: string) =>
        `\r\n--${boundary}\r\ncontent-type: application/x-digits\r\ncontent-range: bytes ${place}/10\r\n\r\n${text}`;
      assert.is(several.text, `${part('0-1', '01')}${part('8-9', '89')}\r\n--${boundary}--\r\n`);
      assert.is(site.seen.length, 1);
    },
  },
  {
    name: 'a range of a page that is not stored goes to the handler as it is',
    handler: ({ headers }) => ({
      status: 206,
      headers: { 'content-range': 'bytes 1-1/10' },
      body: String(headers.range),
    }),
    async check(site) {
      assert.is((await site.get('/', { range: 'bytes=1-1' })).text, 'bytes=1-1');
    },
  },
  {
    name: 'Cache-Status says what happened',
    handler: () => said('max-age=60', DIGITS),
    async check(site) {
      assert.is((await site.get('/')).headers['cache-status'], 'pgcached; fwd=uri-miss; stored');
      site.pass(5000);
      assert.is((await site.get('/')).headers['cache-status'], 'pgcached; hit; ttl=55');
    },
  },
  {
    name: 'fields of the connection are not kept, nor those that it names',
    handler: () => ({
      headers: {
        'cache-control': 'max-age=60',
        connection: 'x-hop',
        'x-hop': '1',
        'x-end': '2',
        'proxy-authenticate': 'x',
      },
      body: DIGITS,
    }),
    async check(site) {
      await site.get('/');
      const { headers } = await site.get('/');
      assert.equal([headers['x-hop'], headers['x-end'], headers['proxy-authenticate']], [undefined, '2', undefined]);
    },
  },
];
