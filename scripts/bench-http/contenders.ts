export type Framework = 'express' | 'fastify';

/** Who shares the pages that a contender keeps. */
export type Sharing = 'nobody' | 'process' | 'processes';

interface Row {
  readonly framework: Framework;
  readonly what: string;
  readonly sharing: Sharing;
  readonly needsRedis?: true;
}

/** What stands in front of the page, or in its place. Appended, a row needs its branch in express-server.ts or fastify-server.ts. */
export const CONTENDERS = {
  'express/uncached': { framework: 'express', sharing: 'nobody', what: 'the page, rendered for each request' },
  'express/pgcached': {
    framework: 'express',
    sharing: 'processes',
    what: 'pgcached/express over a client of the daemon',
  },
  'express/pgcached-near': { framework: 'express', sharing: 'processes', what: 'the same with the near tier on' },
  'express/apicache': { framework: 'express', sharing: 'process', what: 'apicache, in memory' },
  'express/apicache-redis': {
    framework: 'express',
    sharing: 'processes',
    needsRedis: true,
    what: 'apicache, in Redis',
  },
  'express/constant': {
    framework: 'express',
    sharing: 'nobody',
    what: 'a handler that sends a constant of the same length',
  },
  'express/constant-end': {
    framework: 'express',
    sharing: 'nobody',
    what: 'the same past res.send, which makes an ETag each time: res.end(buffer)',
  },
  'fastify/uncached': { framework: 'fastify', sharing: 'nobody', what: 'the page, rendered for each request' },
  'fastify/pgcached': {
    framework: 'fastify',
    sharing: 'processes',
    what: 'pgcached/fastify over a client of the daemon',
  },
  'fastify/pgcached-near': { framework: 'fastify', sharing: 'processes', what: 'the same with the near tier on' },
  'fastify/caching-redis': {
    framework: 'fastify',
    sharing: 'processes',
    needsRedis: true,
    what: '@fastify/caching with a store in Redis, which the handler asks for its page',
  },
  'fastify/constant': {
    framework: 'fastify',
    sharing: 'nobody',
    what: 'a handler that sends a constant of the same length',
  },
} as const satisfies Record<string, Row>;

export type ContenderName = keyof typeof CONTENDERS;
export const CONTENDER_NAMES = Object.keys(CONTENDERS) as ContenderName[];
export const contenderOf = (name: ContenderName): Row => CONTENDERS[name];
export const isOurs = (name: ContenderName): boolean => name.includes('/pgcached');
/** The constant that a contender is held against. */
export const constantOf = (name: ContenderName): ContenderName => `${contenderOf(name).framework}/constant`;
