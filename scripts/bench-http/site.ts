/** What a server process of the benchmark is told on its command line. */
export interface Site {
  /** A contender's, such as `express/pgcached`. */
  readonly contender: string;
  readonly databaseUrl: string;
  /** The daemon's. */
  readonly socket: string;
  readonly redisSocket: string | undefined;
}
