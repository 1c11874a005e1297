/** Puts something in a class's place. @returns what puts the old back */
export type Patch = () => () => void;

export function replace<C extends object, K extends keyof C>(place: C, name: K, make: (old: C[K]) => C[K]): () => void {
  const old = place[name];
  place[name] = make(old);
  return () => {
    place[name] = old;
  };
}
