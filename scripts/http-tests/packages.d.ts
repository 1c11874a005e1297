declare module 'http-cache-tests/tests/index.mjs' {
  const suites: import('./suite.js').Suite[];
  export default suites;
}
declare module 'http-cache-tests/tests/surrogate-control.mjs' {
  const suite: import('./suite.js').Suite;
  export default suite;
}
declare module 'http-cache-tests/client/runner.mjs' {
  export function runTests(
    suites: readonly import('./suite.js').Suite[],
    fetch: typeof globalThis.fetch,
    isBrowser: boolean,
    base: string,
    chunkSize?: number,
  ): Promise<void>;
  export function getResults(): Record<string, true | [name: string, message: string]>;
}
declare module 'http-cache-tests/server/handle-config.mjs' {
  const handle: import('./suite.js').OriginHandler;
  export default handle;
}
declare module 'http-cache-tests/server/handle-state.mjs' {
  const handle: import('./suite.js').OriginHandler;
  export default handle;
}
declare module 'http-cache-tests/server/handle-test.mjs' {
  const handle: import('./suite.js').OriginHandler;
  export default handle;
}
declare module 'node-fetch' {
  const fetch: typeof globalThis.fetch;
  export default fetch;
}
