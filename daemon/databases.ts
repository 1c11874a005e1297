import type { Config } from './config.js';
import { parseUrl } from './database-url.js';

/** One of the databases that a cache is spread over. */
export interface DatabaseNode {
  /** `host:port/database`: what the ring, the status and the option `database` of a namespace know it by. */
  readonly name: string;
  /** Undefined where Postgres's own environment says which. */
  readonly url: string | undefined;
  /** Where to LISTEN; undefined where a pooler is all that there is, which would take LISTEN without a word and deliver nothing. */
  readonly listen: { readonly url: string | undefined } | undefined;
  /** Its share, relative to the others' weights. */
  readonly weight: number;
}

type DatabaseOptions = Pick<Config, 'databaseUrl' | 'databaseWeights'> & Partial<Pick<Config, 'listenUrl' | 'pooler'>>;

/** Every URL that a configuration names, each of which may hold a password. */
export const urlsOf = ({ databaseUrl, listenUrl }: Pick<Config, 'databaseUrl' | 'listenUrl'>): readonly string[] =>
  [databaseUrl ?? [], listenUrl ?? []].flat();

/**
 * The databases of a configuration, in its order. A name holds neither user nor password nor any other parameter, so that
 * changing these moves no keys.
 * @throws Error where the weights or the URLs to listen at do not go with the URLs, or a database is there twice
 */
export function databasesOf(config: DatabaseOptions): readonly DatabaseNode[] {
  const urls = config.databaseUrl === undefined ? [undefined] : [config.databaseUrl].flat();
  const weights = config.databaseWeights;
  if (weights !== undefined && weights.length !== urls.length) {
    throw new Error(`databaseWeights are ${weights.length}, the databases ${urls.length}: give one for each`);
  }
  const listenUrls = config.listenUrl === undefined ? undefined : [config.listenUrl].flat();
  if (listenUrls !== undefined && listenUrls.length !== urls.length) {
    throw new Error(`listenUrl names ${listenUrls.length}, the databases are ${urls.length}: give one for each`);
  }
  const listenAt = (url: string | undefined, at: number) => {
    if (listenUrls !== undefined) return { url: listenUrls[at] };
    return config.pooler ? undefined : { url };
  };
  const nodes = urls.map((url, at) => {
    return { name: nameOf(url), url, listen: listenAt(url, at), weight: weights?.[at] ?? 1 };
  });
  const names = nodes.map(({ name }) => name);
  const twice = names.find((name, at) => names.indexOf(name) !== at);
  if (twice !== undefined) throw new Error(`databaseUrl names ${twice} twice`);
  return nodes;
}

function nameOf(text: string | undefined): string {
  const url = text === undefined ? undefined : parseUrl(text);
  if (url === undefined) return 'default';
  if (url.protocol === 'socket:') return `${url.pathname}:5432/${url.searchParams.get('db') ?? ''}`;
  const parameters = url.searchParams;
  const host = parameters.get('host') ?? decodeURIComponent(url.hostname || 'localhost');
  const port = parameters.get('port') ?? (url.port || '5432');
  // Postgres's own rule: without a database it is the one that is named as the user.
  const database = decodeURIComponent(url.pathname.slice(1)) || decodeURIComponent(url.username);
  return `${host.toLowerCase()}:${port}/${database}`;
}
