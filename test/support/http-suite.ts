import { suite } from 'uvu';
import { ANSWERING } from './http-suite/answering.js';
import { ATTACKS } from './http-suite/attacks.js';
import { CHANGING } from './http-suite/changing.js';
import { FRESHNESS } from './http-suite/freshness.js';
import { POISONING } from './http-suite/poisoning.js';
import { SHARING } from './http-suite/sharing.js';
import { type Behaviour, type HttpFace, Site } from './http-suite/site.js';
import { STORING } from './http-suite/storing.js';
import { STREAMS } from './http-suite/streams.js';
import { VARIANTS } from './http-suite/variants.js';

export type { HttpFace, RunningSite, SiteAnswer, SiteHandler, SiteRequest } from './http-suite/site.js';

export const BEHAVIOURS: readonly Behaviour[] = [
  ...STORING,
  ...FRESHNESS,
  ...ANSWERING,
  ...VARIANTS,
  ...CHANGING,
  ...SHARING,
  ...STREAMS,
  ...ATTACKS,
  ...POISONING,
];

/** The behaviour of every face of the HTTP cache: a real server, a real client, a clock that is moved by hand. */
export function httpSuite(face: HttpFace): ReturnType<typeof suite> {
  const test = suite(face.name);
  for (const behaviour of BEHAVIOURS) {
    test(behaviour.name, async () => {
      const site = new Site(behaviour.options ?? {});
      await site.start(face, (request) => behaviour.handler(request, site));
      try {
        await behaviour.check(site);
      } finally {
        await site.close();
      }
    });
  }
  return test;
}
