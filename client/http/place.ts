import type { ServerResponse } from 'node:http';

/** Where a property of a response is kept. */
export interface Place {
  get(): unknown;
  set(value: unknown): void;
}

/** In the response of another detour, where there is one already. */
export function placeOf(res: ServerResponse, name: string): Place {
  const outer = Object.getOwnPropertyDescriptor(res, name);
  if (outer?.get !== undefined) return { get: () => outer.get!.call(res), set: (value) => outer.set?.call(res, value) };
  let kept: unknown = Reflect.get(res, name);
  return {
    get: () => kept,
    set: (value) => {
      kept = value;
    },
  };
}
