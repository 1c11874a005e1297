import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from './cities.js';

/** Visitors of one application, each with one request at a time, and a pause after it. */
const VISITORS = 3;
const PAUSE_MS = 12;

/** What visitors do, as shares of all requests. */
const REQUESTS = [
  { share: 0.7, method: 'GET', path: ({ id }: Place) => `/cities/${id}`, skew: 1.5 },
  { share: 0.15, method: 'GET', path: ({ country }: Place) => `/countries/${country}`, skew: 1.5 },
  { share: 0.1, method: 'GET', path: ({ id }: Place) => `/cached/${id}`, skew: 1.5 },
  { share: 0.05, method: 'POST', path: ({ id }: Place) => `/cities/${id}`, skew: 1 },
] as const;

/**
 * A few places have most of the visitors, and fewer of the writers. With a skew of 1 as many come to the first 10 as to the
 * next 100, and to the next 1,000; a higher one prefers the first.
 */
function choose(places: readonly Place[], skew: number): Place {
  return places[Math.floor(places.length ** (Math.random() ** skew)) - 1]!;
}

function chooseRequest(): (typeof REQUESTS)[number] {
  let dice = Math.random();
  for (const request of REQUESTS) {
    dice -= request.share;
    if (dice < 0) return request;
  }
  return REQUESTS[0];
}

function ask(agent: Agent, port: number, method: string, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ host: '127.0.0.1', port, method, path, agent }, (response) => {
      response.resume().once('end', resolve).once('error', reject);
    });
    outgoing.once('error', reject).end();
  });
}

/** Visits the application until `stop`. Resolves when its last visitor has gone. @throws (rejects) what a request fails with */
export async function visit(port: number, places: readonly Place[], stop: AbortSignal): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: VISITORS });
  const visitor = async (): Promise<void> => {
    while (!stop.aborted) {
      const { method, path, skew } = chooseRequest();
      await ask(agent, port, method, path(choose(places, skew)));
      await sleep(PAUSE_MS * 2 * Math.random());
    }
  };
  try {
    await Promise.all(Array.from({ length: VISITORS }, visitor));
  } finally {
    agent.destroy();
  }
}
