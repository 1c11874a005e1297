import type { ObjectName } from './facts.js';

/**
 * Built-in functions that are STABLE, not IMMUTABLE, only because they depend on settings of the session that are part of
 * every key (the time zone, formats, the text search configuration) or on the output functions of types; by name, with the
 * number of arguments where another form asks for the time.
 */
const STABLE_AND_SAFE: ReadonlyMap<string, number | undefined> = new Map<string, number | undefined>([
  ...(
    'array_to_string concat concat_ws format quote_literal quote_nullable to_char to_date to_timestamp to_number date_trunc date_part ' +
    'extract timezone make_timestamptz date_bin date_add date_subtract generate_series to_tsvector to_tsquery plainto_tsquery ' +
    'phraseto_tsquery websearch_to_tsquery ts_headline json_build_object json_build_array jsonb_build_object jsonb_build_array ' +
    'to_json to_jsonb row_to_json array_to_json json_agg jsonb_agg json_object_agg jsonb_object_agg json_agg_strict jsonb_agg_strict ' +
    'json_object_agg_strict jsonb_object_agg_strict json_object_agg_unique jsonb_object_agg_unique json_object_agg_unique_strict ' +
    'jsonb_object_agg_unique_strict json_populate_record json_populate_recordset json_to_record json_to_recordset ' +
    'jsonb_populate_record jsonb_populate_recordset jsonb_to_record jsonb_to_recordset date timestamp timestamptz time timetz ' +
    'text overlaps isfinite max min'
  )
    .split(' ')
    .map((name) => [name, undefined] as const),
  ['age', 2],
]);

export function isStableAndSafe(name: string, argumentCount: number): boolean {
  if (!STABLE_AND_SAFE.has(name)) return false;
  const wanted = STABLE_AND_SAFE.get(name);
  return wanted === undefined || wanted === argumentCount;
}

/** Types whose text depends on the catalog, or whose input does. */
const CATALOG_TYPES: ReadonlySet<string> = new Set(
  'regclass regproc regprocedure regoper regoperator regtype regrole regnamespace regconfig regdictionary regcollation aclitem regdatabase'.split(
    ' ',
  ),
);
export const isCatalogType = (name: string) => CATALOG_TYPES.has(name);

/** Built-in functions that are called most; of any other name it is not known whether it writes until the catalog is asked. */
const COMMON: ReadonlySet<string> = new Set(
  (
    'count sum avg min max coalesce lower upper length trim btrim ltrim rtrim substring position replace round abs ceil floor now ' +
    'string_agg array_agg bool_and bool_or row_number rank dense_rank lag lead first_value last_value unnest array_length cardinality ' +
    'split_part left right greatest least similar_to_escape like_escape jsonb_array_elements jsonb_each date_part extract current_setting'
  ).split(' '),
);

/** Whether a query that calls it may write, for all that its text says. */
export const mayWrite = ({ schema, name }: ObjectName) =>
  (schema !== undefined && schema !== 'pg_catalog') || !(COMMON.has(name) || STABLE_AND_SAFE.has(name));
