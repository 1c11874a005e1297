import { type Continuum, ketamaHash, layOut, ownerOf } from './ketama.js';

/** Where everything of a cache lies that has one database or several. */
export interface Layout {
  /** Name and weight of each database, in any order. */
  readonly nodes: readonly { readonly name: string; readonly weight: number }[];
  readonly placement: 'spread' | 'whole';
  /** Namespaces that are placed otherwise: 'spread', 'whole', or the name of a database. */
  readonly places: Readonly<Record<string, string>>;
}

/** What a database that stands alone counts as, whatever name it is reached by. */
export const ALONE = 'alone';

/** A text that is the same for two layouts where every key of every namespace lies in the same place. */
export function textOf({ nodes, placement, places }: Layout): string {
  if (nodes.length === 1) return ALONE;
  const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
  const sorted = nodes.map(({ name, weight }) => ({ name, weight })).sort(byName);
  const others = Object.entries(places).filter(([, place]) => place !== placement);
  return JSON.stringify({ nodes: sorted, placement, places: Object.fromEntries(others.sort()) });
}

/** The database that a namespace lies on whole, or undefined where it is spread. */
export function nodeOf(layout: Layout, continuum: Continuum, namespace: string): string | undefined {
  const { nodes, placement, places } = layout;
  const place = places[namespace] ?? placement;
  if (nodes.length === 1) return nodes[0]!.name;
  if (place === 'spread') return undefined;
  if (place === 'whole') return nodes[ownerOf(continuum, ketamaHash(namespace))]!.name;
  return place;
}

/** Which keys of one namespace lie on one database: all, none, or those whose point of the circle is the node's. */
export type Part = 'all' | 'none' | { readonly continuum: Continuum; readonly owner: number };

/** @param text of a layout that the database was or is part of */
export function partOf(text: string, node: string, namespace: string): Part {
  if (text === ALONE) return 'all';
  const layout = JSON.parse(text) as Layout;
  const continuum = layOut(layout.nodes);
  const whole = nodeOf(layout, continuum, namespace);
  if (whole !== undefined) return whole === node ? 'all' : 'none';
  return { continuum, owner: layout.nodes.findIndex(({ name }) => name === node) };
}
