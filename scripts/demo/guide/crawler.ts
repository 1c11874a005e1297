import { once } from 'node:events';
import { Agent, type IncomingMessage, request } from 'node:http';
import { gunzipSync } from 'node:zlib';
import { ERROR_EXAMPLES_MAX } from '../counts.js';
import { nowNs } from '../messages.js';
import type { Judge } from './judge.js';

/** What a browser has of a page. */
interface Kept {
  readonly etag: string | undefined;
  readonly body: string;
}

/** What the crawlers have seen so far. */
export class Sights {
  requests = 0;
  notModified = 0;
  /** By the word of X-Cache. */
  readonly answered = new Map<string, number>();
  /** Pages that had been read before and had to be computed again: they had been dropped. */
  dropped = 0;
  /** Those of them that were the same again. */
  needless = 0;
  errors = 0;
  readonly errorExamples: string[] = [];
  readonly pages = new Set<string>();
}

/**
 * Reads a site as a browser does: follows links, keeps what it was given, and asks whether that is still good. What a 304 lets it
 * show again counts as read now, like any other page.
 */
export class Crawler {
  readonly #port: number;
  readonly #encodings: string;
  readonly #agent: Agent;
  readonly #judge: Judge;
  readonly #sights: Sights;
  readonly #tabs: number;
  readonly #kept = new Map<string, Kept>();

  /**
   * @param encodings what it says it accepts: 'gzip', or nothing
   * @param tabs how many pages it asks for at a time
   */
  constructor(port: number, encodings: string, tabs: number, judge: Judge, sights: Sights) {
    this.#port = port;
    this.#encodings = encodings;
    this.#tabs = tabs;
    this.#judge = judge;
    this.#sights = sights;
    this.#agent = new Agent({ keepAlive: true, maxSockets: tabs });
  }

  /** Reads all pages that can be reached from '/', over and over. */
  async crawlUntil(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) await this.crawl(stop);
  }

  /** Each page once. */
  async crawl(stop?: AbortSignal): Promise<void> {
    const found = new Set<string>(['/']);
    const waiting = ['/'];
    let underWay = 0;
    await new Promise<void>((resolve) => {
      const next = (): void => {
        if (stop?.aborted) waiting.length = 0;
        while (underWay < this.#tabs && waiting.length > 0) {
          underWay += 1;
          void this.#visit(waiting.shift()!).then((links) => {
            underWay -= 1;
            for (const link of links) {
              if (found.has(link)) continue;
              found.add(link);
              waiting.push(link);
            }
            next();
          });
        }
        if (underWay === 0) resolve();
      };
      next();
    });
  }

  close(): void {
    this.#agent.destroy();
  }

  /** @returns the links of the page */
  async #visit(url: string): Promise<string[]> {
    try {
      const askedNs = nowNs();
      const body = await this.#read(url);
      this.#judge.judge(url, body, askedNs, nowNs());
      this.#sights.pages.add(url);
      return [...body.matchAll(/href="(\/[^"]*)"/g)].map(([, link]) => link!);
    } catch (error) {
      this.#sights.errors += 1;
      if (this.#sights.errorExamples.length < ERROR_EXAMPLES_MAX) this.#sights.errorExamples.push(`${url}: ${error}`);
      return [];
    }
  }

  async #read(url: string): Promise<string> {
    const kept = this.#kept.get(url);
    const headers = {
      ...(this.#encodings !== '' && { 'accept-encoding': this.#encodings }),
      ...(kept?.etag !== undefined && { 'if-none-match': kept.etag }),
    };
    const outgoing = request({ host: '127.0.0.1', port: this.#port, path: url, headers, agent: this.#agent }).end();
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const bytes = Buffer.concat(await response.toArray());
    const { etag } = response.headers;
    const isSame = response.statusCode === 304;
    if (!isSame && response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
    if (isSame && kept === undefined) throw new Error('304 for what it does not have');
    this.#count(String(response.headers['x-cache']), kept, etag, isSame);
    if (isSame) return kept!.body;
    const body = (response.headers['content-encoding'] === 'gzip' ? gunzipSync(bytes) : bytes).toString();
    this.#kept.set(url, { etag, body });
    return body;
  }

  #count(word: string, kept: Kept | undefined, etag: string | undefined, isSame: boolean): void {
    const sights = this.#sights;
    sights.requests += 1;
    if (isSame) sights.notModified += 1;
    sights.answered.set(word, (sights.answered.get(word) ?? 0) + 1);
    if (word !== 'MISS' || kept === undefined) return;
    sights.dropped += 1;
    if (isSame || etag === kept.etag) sights.needless += 1;
  }
}
