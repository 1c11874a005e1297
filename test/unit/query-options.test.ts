import pg from 'pg';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { connect } from '../../client/index.js';
import { cachedPool } from '../../client/query/index.js';
import { throwsCode } from '../support/errors.js';

// gate: cost=1 timeout=60

const test = suite('options of cachedPool');
const cache = connect({ socket: '/nonexistent/pgcached.sock' });

const refused = (say: RegExp, options: unknown, pool: unknown = new pg.Pool()): void => {
  const error = throwsCode('ERR_INVALID_ARGUMENT', () =>
    cachedPool(pool as pg.Pool, options as { cache: typeof cache }),
  );
  assert.match(error.message, say);
};

test('a mistake is told with what to write in its place', () => {
  refused(/tables is an object such as \{ products: \{ cacheTtl/, { cache, tables: ['books'] });
  refused(/tables is an object/, { cache, tables: 'books' });
  refused(/tables\.books is an object such as \{ cacheTtl/, { cache, tables: { books: '5m' } });
  refused(/tables\.books is an object/, { cache, tables: { books: null } });
  refused(/ttl is not an option of this call; there are cacheTtl/, { cache, tables: { books: { ttl: '5m' } } });
  refused(/table is not an option.*tables/, { cache, table: {} });
  refused(/adaptive is true or false, not 1/, { cache, adaptive: 1 });
  refused(/this is a Client/, { cache }, new pg.Client());
  refused(/takes a Pool of pg/, { cache }, 'postgres:///app');
  refused(/connect\(\)/, {});
});

test.after(() => cache.close());
test.run();
