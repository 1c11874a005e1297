import { anyName, type CoreNames, keyName, literal, namespaceName, partName, type SpaceNames } from './names.js';

/** A setting by which a trim says that what it deletes is dead already. */
export const TRIMMING = 'pgcached.trimming';

/**
 * Writes by somebody who knows only the seed's columns.
 *
 * An update leaves xid as it was. It gets its own transaction's, so that no fill that does not see it takes its place, and
 * is logged for those who have the key in memory. What stood beside an older value goes with that; where only the expiry was
 * changed the value stays what it was, dead or alive.
 *
 * Who may write the table need have no rights on the log: the function has its owner's.
 *
 * A deletion leaves no dead row behind, so the key's name is logged: that refuses fills that do not see it. So does the
 * namespace's name for TRUNCATE.
 */
export function foreignTriggers(core: CoreNames, space: SpaceNames): string {
  const fn = space.fn('foreign');
  const trigger = (suffix: string) => `"${space.bareTable}_${suffix}"`;
  const ofKey = (name: (namespace: string, key: string) => string) =>
    `${literal(name(space.namespace, ''))} || OLD.key`;
  return `
    CREATE OR REPLACE FUNCTION ${fn}() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $fn$
    BEGIN
      IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO ${core.log} (name) VALUES (${literal(namespaceName(space.namespace))});
        RETURN NULL;
      END IF;
      IF TG_OP = 'DELETE' THEN
        INSERT INTO ${core.log} (name) VALUES (${ofKey(keyName)}), (${ofKey(partName)}), (${literal(anyName(space.namespace))});
        RETURN NULL;
      END IF;
      IF (NEW.value, NEW.counter) IS DISTINCT FROM (OLD.value, OLD.counter) THEN
        NEW.packed := NULL;
        NEW.names := NULL;
        NEW.grace := NULL;
        NEW.delta_ms := NULL;
        NEW.base := pg_current_snapshot();
      END IF;
      NEW.xid := pg_current_xact_id();
      INSERT INTO ${core.log} (namespace, keys) VALUES (${literal(space.namespace)}, ARRAY[OLD.key, NEW.key]);
      RETURN NEW;
    END $fn$;
    DROP TRIGGER IF EXISTS ${trigger('update')} ON ${space.table};
    CREATE TRIGGER ${trigger('update')} BEFORE UPDATE ON ${space.table}
      FOR EACH ROW WHEN (OLD.xid = NEW.xid) EXECUTE FUNCTION ${fn}();
    DROP TRIGGER IF EXISTS ${trigger('delete')} ON ${space.table};
    CREATE TRIGGER ${trigger('delete')} AFTER DELETE ON ${space.table}
      FOR EACH ROW WHEN (current_setting('${TRIMMING}', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION ${fn}();
    DROP TRIGGER IF EXISTS ${trigger('truncate')} ON ${space.table};
    CREATE TRIGGER ${trigger('truncate')} AFTER TRUNCATE ON ${space.table}
      FOR EACH STATEMENT EXECUTE FUNCTION ${fn}();
  `;
}
