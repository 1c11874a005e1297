/**
 * Published ketama vectors, from the files that the npm package `hashring` ships with its tests.
 *
 * - libmemcached.json: the 99 vectors of libmemcached's own tests (github.com/awesomized/libmemcached,
 *   test/fixtures/ketama.hpp, `ketama_test_cases`) for its eight weighted servers.
 * - ketama.txt, pylibmc.txt: what libketama's Python binding and pylibmc answered for the keys 0 to 99,999.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** The servers of libmemcached's tests; its default port is left out of a server's name there. */
export const LIBMEMCACHED_WEIGHTS: Readonly<Record<string, number>> = {
  '10.0.1.1': 600,
  '10.0.1.2': 300,
  '10.0.1.3': 200,
  '10.0.1.4': 350,
  '10.0.1.5': 1000,
  '10.0.1.6': 800,
  '10.0.1.7': 950,
  '10.0.1.8': 100,
};

/** libmemcached's test of the wrap: a key beyond the last point belongs to the first. */
export const LIBMEMCACHED_BEYOND_THE_LAST = { key: 'VDEAAAAA', hash: 0xfffcd1b5 } as const;

export type KetamaVector = readonly [key: string, hash: number, point: number, server: string];

export function libmemcachedVectors(): readonly KetamaVector[] {
  return JSON.parse(fixture('libmemcached.json')) as KetamaVector[];
}

/** The `key server` lines of a recording. */
export function recordedAnswers(file: 'ketama.txt' | 'pylibmc.txt'): [key: string, server: string][] {
  return fixture(file)
    .trim()
    .split('\n')
    .map((line) => line.split(' ') as [string, string]);
}

function fixture(file: string): string {
  const home = dirname(createRequire(import.meta.url).resolve('hashring'));
  return readFileSync(join(home, 'tests', 'fixtures', file), 'utf8');
}
