import * as assert from 'uvu/assert';
import { type Behaviour, said } from './site.js';

export const VARIANTS: readonly Behaviour[] = [
  {
    name: 'Vary: each variant is kept',
    handler: ({ headers }) => said('max-age=60', `in ${headers['accept-language']}`, { vary: 'Accept-Language' }),
    async check(site) {
      for (const language of ['de', 'fr', 'it', 'de', 'fr', 'it']) {
        assert.is((await site.get('/', { 'accept-language': language })).text, `in ${language}`);
      }
      assert.is((await site.get('/')).text, 'in undefined');
      assert.is(site.seen.length, 4);
    },
  },
  {
    name: 'Vary: Accept-Encoding in few spellings, as the handler sees it',
    handler: ({ headers }) => said('max-age=60', `[${headers['accept-encoding']}]`, { vary: 'accept-encoding' }),
    async check(site) {
      const text = async (value: string) => (await site.get('/', { 'accept-encoding': value })).text;
      assert.is(await text('gzip, deflate, br'), '[br, deflate, gzip]');
      assert.is(await text('br;q=1.0, GZIP;q=0.2, x-1;q=1, deflate'), '[br, deflate, gzip]');
      assert.is(await text('gzip;q=0, br'), '[br]');
      assert.is(await text('identity'), '[undefined]');
      assert.is(site.seen.length, 3);
    },
  },
  {
    name: 'variantsMax: further variants pass by',
    options: { variantsMax: 2 },
    handler: ({ headers }) => said('max-age=60', `${headers['x-v']}`, { vary: 'x-v' }),
    async check(site) {
      for (let i = 0; i < 20; i++) assert.is((await site.get('/', { 'x-v': `v${i}` })).text, `v${i}`);
      assert.ok(site.cache.count() <= 3, `${site.cache.count()} entries`);
      assert.is((await site.get('/', { 'x-v': 'v1' })).cache, 'HIT', 'those that were first stay');
    },
  },
  {
    name: 'varyHeaders: the key holds them, whatever the response says',
    options: { ttl: 60, varyHeaders: ['X-Theme'] },
    handler: ({ headers }) => ({ body: `${headers['x-theme']}` }),
    async check(site) {
      for (const theme of ['dark', 'light', 'dark']) assert.is((await site.get('/', { 'x-theme': theme })).text, theme);
      assert.is(site.seen.length, 2);
    },
  },
  {
    name: 'key: what it leaves out makes no difference',
    options: { ttl: 60, key: ({ url }) => (url === '/never' ? undefined : url.replace(/[?&]utm_[^&]*/g, '')) },
    handler: ({ url }) => ({ body: url }),
    async check(site) {
      await site.get('/a?utm_source=x');
      assert.is((await site.get('/a?utm_source=y')).text, '/a?utm_source=x');
      await site.get('/never');
      assert.is((await site.get('/never')).cache, 'BYPASS');
    },
  },
];
