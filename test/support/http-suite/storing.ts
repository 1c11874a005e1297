import * as assert from 'uvu/assert';
import { type Behaviour, type Site, type SiteAnswer, said } from './site.js';

/** What is asked twice: does the handler run twice? */
function asks(
  name: string,
  isStored: boolean,
  answer: (site: Site) => SiteAnswer,
  { options = { ttl: 60 }, headers = {} }: { options?: Behaviour['options']; headers?: Record<string, string> } = {},
): Behaviour {
  return {
    name,
    options: options ?? {},
    handler: (_, site) => answer(site),
    async check(site) {
      const first = await site.get('/page', headers);
      const second = await site.get('/page', headers);
      assert.is(second.text, first.text);
      assert.is(second.status, first.status);
      assert.is(site.seen.length, isStored ? 1 : 2, `the handler ran ${site.seen.length} times`);
      assert.is(second.cache, isStored ? 'HIT' : 'MISS');
      assert.equal(site.errors, []);
    },
  };
}

const page = (headers: SiteAnswer['headers'] = {}, status = 200) => ({ status, headers, body: 'page' });

export const STORING: readonly Behaviour[] = [
  asks('ttl: a response that says nothing lives for it', true, () => page()),
  asks('without a ttl a response that says nothing is not stored', false, () => page(), { options: {} }),
  asks(
    'a response without a ttl lives by its heuristic',
    true,
    (site) => page({ 'last-modified': site.date(-100_000), date: site.date() }),
    { options: {} },
  ),
  asks('max-age stores, whatever the ttl', true, () => said('max-age=5', 'page'), { options: {} }),
  asks('max-age=0 counts more than the ttl', false, () => said('max-age=0', 'page')),
  asks('s-maxage counts more than max-age', false, () => said('max-age=60, s-maxage=0', 'page')),
  asks('Expires stores', true, (site) => page({ date: site.date(), expires: site.date(9000) }), { options: {} }),
  asks('an Expires of the past does not, nor one that is no date', false, () => page({ expires: '0' })),
  asks('an Age as old as max-age does not', false, () => said('max-age=60', 'page', { age: '60' })),
  asks('no-store is not stored', false, () => said('no-store, max-age=60', 'page')),
  asks('private is not stored', false, () => said('private, max-age=60', 'page')),
  asks('Set-Cookie is not stored, even if it is public', false, () =>
    said('public, max-age=60', 'page', { 'set-cookie': 'a=1' }),
  ),
  asks('no-cache="set-cookie" stores the rest', true, () =>
    said('max-age=60, no-cache="set-cookie"', 'page', { 'set-cookie': 'a=1' }),
  ),
  asks('Vary: * is not stored', false, () => said('max-age=60', 'page', { vary: 'accept, *' })),
  asks('an event stream is not stored', false, () => page({ 'content-type': 'text/event-stream' })),
  asks('an error is not stored by a ttl', false, () => page({}, 500)),
  asks('a 404 is not stored by a ttl', false, () => page({}, 404)),
  asks('a 404 is stored where it says so', true, () => ({ ...said('max-age=60', 'no'), status: 404 })),
  asks('a 206 is not stored', false, () => ({
    ...said('max-age=60', 'pa', { 'content-range': 'bytes 0-1/9' }),
    status: 206,
  })),
  asks('CDN-Cache-Control counts more than Cache-Control', true, () =>
    said('no-store', 'page', { 'cdn-cache-control': 'max-age=60' }),
  ),
  asks('its own target counts more than CDN-Cache-Control', false, () =>
    said('max-age=60', 'page', { 'cdn-cache-control': 'max-age=60', 'pgcached-cache-control': 'no-store' }),
  ),
  asks('a targeted field that does not parse is ignored', true, () =>
    said('max-age=60', 'page', { 'cdn-cache-control': 'no-store,,=' }),
  ),
  asks('more tags than can be kept: not stored', false, () =>
    said('max-age=60', 'page', { 'surrogate-key': Array.from({ length: 64 }, (_, i) => `t${i}`).join(' ') }),
  ),
  asks('a longer body than maxBodyBytes is not stored', false, () => page(), { options: { ttl: 60, maxBodyBytes: 3 } }),
  asks('a body of just maxBodyBytes is', true, () => page(), { options: { ttl: 60, maxBodyBytes: 4 } }),
  asks('excluded paths are not', false, () => page(), { options: { ttl: 60, exclude: ['/nothing', /^\/pa/] } }),
].map((one) => (one.name === 'excluded paths are not' ? excluded(one) : one));

/** Excluded requests say so. */
function excluded(one: Behaviour): Behaviour {
  return {
    ...one,
    async check(site) {
      assert.is((await site.get('/page')).cache, 'BYPASS');
      assert.is((await site.get('/page')).cache, 'BYPASS');
      assert.is(site.seen.length, 2);
    },
  };
}
