import { anyName, type CoreNames, keyName, namespaceName, partName, type SpaceNames, tagName } from './names.js';

/** What an application may name in SQL; the kinds of `<table>_invalidate`. */
export const INVALIDATE_KINDS = ['tag', 'key', 'namespace'] as const;

/** Set to 'off' in a session or transaction, it leaves the wake-up to the daemons' polls: NOTIFY can't be prepared. */
export const NOTIFY_SETTING = 'pgcached.notify';

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

/**
 * Invalidation for whoever speaks SQL: `SELECT hyper_cache_invalidate('tag', 'products', 'prices')`. It takes effect if
 * and when the transaction commits. Kinds: 'tag', 'key' (with all that was made of it), and 'namespace' (no names).
 * It runs with its owner's rights, so that a role that may call it need not be allowed to write the log.
 */
export function invalidateFunction(core: CoreNames, space: SpaceNames): string {
  const { namespace } = space;
  return `
    CREATE OR REPLACE FUNCTION ${space.fn('invalidate')}(kind text, VARIADIC names text[] DEFAULT '{}')
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $fn$
    BEGIN
      CASE kind
        WHEN 'tag' THEN
          INSERT INTO ${core.log} (name)
            SELECT ${literal(tagName(namespace, ''))} || n FROM unnest(names) AS n UNION ALL VALUES (${literal(anyName(namespace))});
        WHEN 'key' THEN
          INSERT INTO ${core.log} (name)
            SELECT prefix || n FROM unnest(names) AS n,
              unnest(ARRAY[${literal(keyName(namespace, ''))}, ${literal(partName(namespace, ''))}]) AS prefix
            UNION ALL VALUES (${literal(anyName(namespace))});
        WHEN 'namespace' THEN
          INSERT INTO ${core.log} (name) VALUES (${literal(namespaceName(namespace))});
        ELSE
          RAISE EXCEPTION 'unknown kind %', kind USING HINT = 'Kinds are ${INVALIDATE_KINDS.join(', ')}.';
      END CASE;
      IF current_setting('${NOTIFY_SETTING}', true) IS DISTINCT FROM 'off' THEN
        PERFORM pg_notify(${literal(core.channel)}, '');
      END IF;
    END $fn$;
  `;
}
