import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { cached } from '../../client/cached.js';
import { asyncCache } from '../support/async-cache.js';
import { throwsCode } from '../support/errors.js';

const cache = new LocMemCache();
const remote = asyncCache();

class Users {
  calls = 0;
  readonly label: string;
  constructor(label = 'users') {
    this.label = label;
  }

  @cached({ cache })
  find(id: number): string {
    this.calls++;
    return `${this.label}:${id}`;
  }

  @cached({ cache: remote, ttl: 60 })
  async load(id: number, _options?: { include_posts?: boolean }): Promise<string> {
    this.calls++;
    return `${this.label}:${id}`;
  }

  @cached({ cache, keyPrefix: 'total' })
  static total(): number {
    return ++totals;
  }

  @cached({ cache })
  static named(): number {
    return ++totals;
  }
}
let totals = 0;

class Admins extends Users {
  override find(id: number): string {
    return `admin ${super.find(id)}`;
  }
}

/** What a decorated method carries, which its declared type does not tell. */
function extras(method: unknown): { key(...args: unknown[]): string; invalidate(...args: unknown[]): unknown } {
  return method as never;
}

test('a method is computed once an argument, under Class.method, and sees its instance', () => {
  const users = new Users();
  assert.is(users.find(1), 'users:1');
  assert.is(users.find(1), 'users:1');
  assert.is(users.calls, 1);
  assert.is(cache.get('Users.find:1'), 'users:1');
  assert.is(extras(users.find).key(1), 'Users.find:1');
  assert.is(extras(users.find).invalidate(1), true);
  users.find(1);
  assert.is(users.calls, 2);
});

test('an asynchronous method works on an asynchronous cache', async () => {
  const users = new Users();
  assert.is(await users.load(1, { include_posts: true }), 'users:1');
  assert.is(await users.load(1, { include_posts: true }), 'users:1');
  assert.is(users.calls, 1);
  assert.is(remote.behind.ttl('Users.load:1:include_posts=true') !== undefined, true);
  assert.is(await extras(users.load).invalidate(1, { include_posts: true }), true);
});

test('a method inherited or called through super keeps the name of the class that holds it', () => {
  const admins = new Admins('them');
  assert.is(admins.find(9), 'admin them:9');
  assert.is(cache.get('Users.find:9'), 'them:9');
});

test('static methods work, named or with a prefix', () => {
  assert.is(Users.total(), Users.total());
  assert.is(Users.named(), Users.named());
  assert.is(cache.has('total'), true);
  assert.is(cache.has('Users.named'), true);
});

test('before there is an instance, the key of a method without a prefix is not known, and the error says so', () => {
  class Late {
    @cached({ cache })
    find(id: number): number {
      return id;
    }
  }
  const error = throwsCode('ERR_INVALID_ARGUMENT', () => extras(Late.prototype.find).key(1));
  assert.match(error.message, /keyPrefix/);
  new Late();
  assert.is(extras(Late.prototype.find).key(1), 'Late.find:1');
});

test('private methods and symbols need a prefix, and have their way with one', () => {
  throwsCode('ERR_INVALID_ARGUMENT', () => {
    class Secret {
      @cached({ cache })
      #hidden(): number {
        return 1;
      }
      reveal(): number {
        return this.#hidden();
      }
    }
    return new Secret();
  });
  let calls = 0;
  const symbol = Symbol('s');
  class Open {
    @cached({ cache, keyPrefix: 'open.hidden' })
    #hidden(n: number): number {
      calls++;
      return n;
    }
    @cached({ cache, keyPrefix: 'open.symbol' })
    [symbol](): number {
      return this.#hidden(5);
    }
  }
  assert.is(new Open()[symbol](), 5);
  assert.is(new Open()[symbol](), 5);
  assert.is(calls, 1);
  assert.is(cache.get('open.hidden:5'), 5);
});

test('two classes of one name in one cache do not share results in silence', () => {
  const make = (answer: number) =>
    class Twin {
      @cached({ cache })
      find(): number {
        return answer;
      }
    };
  const One = make(1);
  const Two = make(2);
  assert.is(new One().find(), 1);
  assert.is(new One().find(), 1);
  throwsCode('ERR_INVALID_ARGUMENT', () => new Two());
});

test('anything but a method is refused', () => {
  const decorator = cached({ cache }) as unknown as (...args: unknown[]) => unknown;
  for (const kind of ['getter', 'field', 'class', 'accessor']) {
    throwsCode('ERR_INVALID_ARGUMENT', () => decorator(() => 1, { kind, name: 'x' }));
  }
  throwsCode('ERR_INVALID_ARGUMENT', () => decorator({}, 'field'));
  throwsCode('ERR_INVALID_ARGUMENT', () => decorator({}, 'getter', { get: () => 1 }));
});

test.run();
