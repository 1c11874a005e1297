import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Between a daemon and its Postgres: cuts connections at the worst moments. */
export interface PostgresProxy {
  /** As the real one's, through the proxy. */
  readonly url: string;
  /** Cuts all that is open, at once: what was sent on is at work, its answer is lost. */
  cut(): number;
  /** From the next byte of an answer on: cuts the connection in place of passing it on. */
  cutAnswers(count: number): void;
  /** Answers that arrive from now on are passed on that much later, in their order; 0 to end it. */
  delayAnswers(delayMs: number): void;
  /** Connections that are made from now on lead to another cluster, as behind an address that moves in a failover. */
  switchTo(url: string): void;
  close(): Promise<void>;
}

const parametersOf = (url: string) => new URLSearchParams(url.split('?')[1]);
const socketNameOf = (parameters: URLSearchParams) => `.s.PGSQL.${parameters.get('port') ?? 5432}`;
const socketOf = (parameters: URLSearchParams) => join(parameters.get('host') as string, socketNameOf(parameters));

/** @param url of a cluster on a Unix socket: postgres://user@/database?host=/folder&port=number */
export async function postgresProxy(url: string): Promise<PostgresProxy> {
  const parameters = parametersOf(url);
  let target = socketOf(parameters);
  const folder = mkdtempSync(join(tmpdir(), 'pgcached-proxy-'));
  const pairs = new Set<readonly [Socket, Socket]>();
  let answersToCut = 0;
  let answerDelayMs = 0;

  const server = createServer((near) => {
    const far = connect(target);
    const pair = [near, far] as const;
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end);
    let passNextMs = 0; // an answer may not overtake one that is held back
    near.pipe(far);
    far.on('data', (chunk: Buffer) => {
      if (answersToCut > 0) {
        answersToCut -= 1;
        end();
      } else {
        const nowMs = performance.now();
        passNextMs = Math.max(passNextMs, nowMs + answerDelayMs);
        if (passNextMs <= nowMs) near.write(chunk);
        else setTimeout(() => near.write(chunk), passNextMs - nowMs);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(join(folder, socketNameOf(parameters)), resolve));
  parameters.set('host', folder);
  const cut = () => {
    const count = pairs.size;
    for (const [near, far] of [...pairs]) {
      near.destroy();
      far.destroy();
    }
    return count;
  };
  return {
    url: `${url.split('?')[0]}?${decodeURIComponent(parameters.toString())}`,
    cut,
    cutAnswers(count) {
      answersToCut += count;
    },
    delayAnswers(delayMs) {
      answerDelayMs = delayMs;
    },
    switchTo(other) {
      target = socketOf(parametersOf(other));
    },
    async close() {
      cut();
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
