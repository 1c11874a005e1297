import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Place } from './cities.js';

/** How the visitors of one application behave; each has one request at a time. */
export interface Crowd {
  readonly visitors: number;
  /** On average, after each request. */
  readonly pauseMs: number;
  /** Only the biggest places are visited, so many of them. */
  readonly placesMax: number;
  /** What is asked for, as shares of all requests. */
  readonly requests: readonly VisitKind[];
}

interface VisitKind {
  readonly share: number;
  readonly method: 'GET' | 'POST';
  readonly path: (place: Place) => string;
  /**
   * With a skew of 1 as many visitors come to the first 10 places as to the next 100, and to the next 1,000; a higher one
   * prefers the first.
   */
  readonly skew: number;
}

const city = ({ id }: Place): string => `/cities/${id}`;
const country = (place: Place): string => `/countries/${place.country}`;
const cached = ({ id }: Place): string => `/cached/${id}`;

/** A few places have most of the visitors; writers are more evenly spread. */
export const DAILY: Crowd = {
  visitors: 3,
  pauseMs: 20,
  placesMax: Number.POSITIVE_INFINITY,
  requests: [
    { share: 0.7, method: 'GET', path: city, skew: 2 },
    { share: 0.15, method: 'GET', path: country, skew: 2 },
    { share: 0.1, method: 'GET', path: cached, skew: 2 },
    { share: 0.05, method: 'POST', path: city, skew: 1 },
  ],
};

/** Everybody at once at a few places, and every third writes: here races would show. */
export const RUSH: Crowd = {
  visitors: 6,
  pauseMs: 0,
  placesMax: 12,
  requests: [
    { share: 0.3, method: 'GET', path: city, skew: 1 },
    { share: 0.07, method: 'GET', path: country, skew: 1 },
    { share: 0.3, method: 'GET', path: cached, skew: 1 },
    { share: 0.33, method: 'POST', path: city, skew: 1 },
  ],
};

function choosePlace(places: readonly Place[], placesMax: number, skew: number): Place {
  const count = Math.min(places.length, placesMax);
  return places[Math.floor((count + 1) ** (Math.random() ** skew)) - 1]!;
}

function chooseKind({ requests }: Crowd): VisitKind {
  let dice = Math.random();
  for (const kind of requests) {
    dice -= kind.share;
    if (dice < 0) return kind;
  }
  return requests[0]!;
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
export async function visit(port: number, places: readonly Place[], crowd: Crowd, stop: AbortSignal): Promise<void> {
  const { visitors, pauseMs, placesMax } = crowd;
  const agent = new Agent({ keepAlive: true, maxSockets: visitors });
  const visitor = async (): Promise<void> => {
    while (!stop.aborted) {
      const { method, path, skew } = chooseKind(crowd);
      await ask(agent, port, method, path(choosePlace(places, placesMax, skew)));
      if (pauseMs > 0) await sleep(pauseMs * 2 * Math.random());
    }
  };
  try {
    await Promise.all(Array.from({ length: visitors }, visitor));
  } finally {
    agent.destroy();
  }
}
