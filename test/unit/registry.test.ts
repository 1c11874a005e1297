import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { LocMemCache } from '../../client/backends/loc-mem-cache.js';
import { getAdapter, listAdapters, registerAdapter } from '../../client/backends/registry.js';
import { throwsCode } from '../support/errors.js';

test('an adapter is found again under its name', () => {
  const cache = new LocMemCache();
  registerAdapter('ready', cache);
  assert.is(getAdapter('ready'), cache);
});

test('a function makes its adapter on first use, once', () => {
  let made = 0;
  registerAdapter('lazy', () => {
    made++;
    return new LocMemCache();
  });
  assert.is(made, 0);
  assert.is(getAdapter('lazy'), getAdapter('lazy'));
  assert.is(made, 1);
});

test('what a function throws reaches the caller, and the next call tries again', () => {
  let tries = 0;
  registerAdapter('second-time', () => {
    if (++tries === 1) throw new Error('not yet');
    return new LocMemCache();
  });
  assert.throws(() => getAdapter('second-time'), /not yet/);
  assert.instance(getAdapter('second-time'), LocMemCache);
});

test('names are listed, sorted', () => {
  registerAdapter('a-first', new LocMemCache());
  const names = listAdapters();
  assert.equal(names, [...names].sort());
  assert.ok(names.includes('a-first') && names.includes('lazy'));
});

test('an unknown name is an error that lists the known ones', () => {
  const error = throwsCode('ERR_INVALID_ARGUMENT', () => getAdapter('nowhere'));
  assert.match(error.message, /'nowhere'.*'lazy'/);
  throwsCode('ERR_INVALID_ARGUMENT', () => getAdapter('__proto__'));
});

test('names that are taken or empty and things that are no caches are refused', () => {
  registerAdapter('taken', new LocMemCache());
  throwsCode('ERR_INVALID_ARGUMENT', () => registerAdapter('taken', new LocMemCache()));
  throwsCode('ERR_INVALID_ARGUMENT', () => registerAdapter('', new LocMemCache()));
  throwsCode('ERR_INVALID_ARGUMENT', () => registerAdapter('map', new Map() as never));
  throwsCode('ERR_INVALID_ARGUMENT', () => registerAdapter('none', null as never));
  registerAdapter('wrong', () => ({}) as never);
  throwsCode('ERR_INVALID_ARGUMENT', () => getAdapter('wrong'));
});

test.run();
