import type { Schema } from './migrate.js';
import { type SpaceNames, spaceNames } from './names.js';
import type { Queryable } from './queryable.js';

export interface KnownSpace {
  readonly names: SpaceNames;
  /** How its table is named where that is not derived from the namespace. */
  readonly table: string | undefined;
  /** Of its objects: see SPACE_VERSION. */
  readonly version: number;
}

/** The tables of all namespaces that there are in the database. */
export async function listSpaces(db: Queryable, { core }: Schema): Promise<KnownSpace[]> {
  const { rows } = await db.query({
    text: `SELECT object, namespace, version FROM ${core.migrations} WHERE object <> ''`,
  });
  return (rows as { object: string; namespace: string; version: number }[]).map(({ object, namespace, version }) => {
    const derived = spaceNames(core, namespace);
    // What was derived may be longer than what can be given.
    if (derived.bareTable === object) return { names: derived, table: undefined, version };
    return { names: spaceNames(core, namespace, object), table: object, version };
  });
}
