import { CacheError } from '../../shared/errors.js';

/** Tables of which dependencies are kept. */
const DEPENDENCIES_MAX = 10_000;

/** The little of a pg Pool or Client that the catalog is read with. */
export interface CatalogSource {
  query(text: string): Promise<{ rows: unknown[] }>;
}

/** Pairs: a write to `source` changes what is read from `dependent`, by a view or an action of a foreign key. */
const DEPENDENCIES_SQL = `
  SELECT DISTINCT pg_catalog.concat(sn.nspname, '.', s.relname) AS source, pg_catalog.concat(dn.nspname, '.', d.relname) AS dependent
  FROM (
    SELECT k.confrelid AS source, k.conrelid AS dependent FROM pg_catalog.pg_constraint AS k WHERE k.contype = 'f'
    UNION
    SELECT p.refobjid, r.ev_class FROM pg_catalog.pg_depend AS p
      JOIN pg_catalog.pg_rewrite AS r ON p.classid = 'pg_catalog.pg_rewrite'::regclass AND r.oid = p.objid AND r.rulename = '_RETURN'
      WHERE p.refclassid = 'pg_catalog.pg_class'::regclass AND p.refobjid <> r.ev_class
  ) AS pairs
    JOIN pg_catalog.pg_class AS s ON s.oid = pairs.source JOIN pg_catalog.pg_namespace AS sn ON sn.oid = s.relnamespace
    JOIN pg_catalog.pg_class AS d ON d.oid = pairs.dependent JOIN pg_catalog.pg_namespace AS dn ON dn.oid = d.relnamespace
  WHERE sn.nspname NOT IN ('pg_catalog', 'information_schema') AND s.oid <> d.oid`;

/** 'products' is 'public.products'. */
export const fullName = (table: string) => (table.includes('.') ? table : `public.${table}`);

/** Which tables' cached queries a write to another table drops as well, to any depth. */
export class DependencyTracker {
  readonly #dependents = new Map<string, Set<string>>();

  /**
   * From now on a write to `dependsOn` drops what was read from `table` too.
   * @param table, dependsOn 'orders' or 'shop.orders'
   * @throws CacheError ERR_INVALID_ARGUMENT for what is no name, and beyond 10,000 tables
   */
  registerDependency(table: string, dependsOn: string): void {
    for (const name of [table, dependsOn]) {
      if (typeof name !== 'string' || name === '') {
        throw new CacheError('ERR_INVALID_ARGUMENT', 'registerDependency takes two names of tables');
      }
    }
    const source = fullName(dependsOn);
    const dependents = this.#dependents.get(source) ?? new Set();
    if (dependents.size === 0 && this.#dependents.size >= DEPENDENCIES_MAX) {
      throw new CacheError('ERR_INVALID_ARGUMENT', `dependencies of more than ${DEPENDENCIES_MAX} tables`);
    }
    this.#dependents.set(source, dependents.add(fullName(table)));
  }

  /** @returns whether it was there */
  removeDependency(table: string, dependsOn: string): boolean {
    return this.#dependents.get(fullName(dependsOn))?.delete(fullName(table)) ?? false;
  }

  /** The tables that depend on one, directly or not, as 'schema.table', without itself. */
  getDependents(table: string): ReadonlySet<string> {
    const found = new Set<string>([fullName(table)]);
    for (const one of found) for (const dependent of this.#dependents.get(one) ?? []) found.add(dependent);
    found.delete(fullName(table));
    return found;
  }

  /**
   * Registers what the catalog says: tables whose foreign keys refer to another, and views.
   * @returns how many pairs there are
   */
  async learn(source: CatalogSource): Promise<number> {
    const { rows } = await source.query(DEPENDENCIES_SQL);
    for (const row of rows as { source: string; dependent: string }[])
      this.registerDependency(row.dependent, row.source);
    return rows.length;
  }

  clear(): void {
    this.#dependents.clear();
  }
}
