import type { FunctionUse, ObjectName, Occurrence, ReadFacts, WrittenTable } from './facts.js';
import { type Pin, pinnedColumns } from './pins.js';
import { as, isList, isNode, listOf, type Node, names, relationName, textOf, type Value } from './syntax.js';

/** All that a query may be made of to be cached. What is not here is not known, and what is not known is not cached. */
const KNOWN_NODES: ReadonlySet<string> = new Set(
  (
    'SelectStmt ResTarget ColumnRef A_Star String Integer Float Boolean BitString A_Const ParamRef A_Expr BoolExpr NullTest BooleanTest ' +
    'CaseExpr CaseWhen CoalesceExpr MinMaxExpr FuncCall TypeCast TypeName SubLink A_ArrayExpr A_Indirection A_Indices RowExpr ' +
    'List SortBy JoinExpr RangeVar RangeSubselect RangeFunction CommonTableExpr WindowDef GroupingSet GroupingFunc CollateClause ' +
    'NamedArgExpr ColumnDef JsonObjectConstructor JsonArrayConstructor JsonArrayQueryConstructor JsonKeyValue JsonObjectAgg ' +
    'JsonArrayAgg JsonIsPredicate'
  ).split(' '),
);

const REFUSED: Readonly<Record<string, string>> = {
  SQLValueFunction: 'it asks for the time, the user or the schema (CURRENT_…)',
  LockingClause: 'it locks rows (FOR UPDATE, FOR SHARE)',
  RangeTableSample: 'it samples (TABLESAMPLE)',
};

const WRITES: ReadonlySet<string> = new Set(['InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt']);
/** Change without the row: by VACUUM, for one. */
const SYSTEM_COLUMNS: ReadonlySet<string> = new Set(['ctid', 'xmin', 'xmax', 'cmin', 'cmax']);
/** Input of dates and times that means another instant each day. */
const RELATIVE_TIME = /\b(now|today|tomorrow|yesterday)\b/i;
export const isRelativeTime = (text: string) => RELATIVE_TIME.test(text);

type Scope = ReadonlySet<string>;

/** Goes through one statement, with the names of WITH that hold at each place, and gathers what it finds. */
export class Walk {
  readonly written: WrittenTable[] = [];
  bypass: string | undefined;
  readonly #occurrences: Occurrence[] = [];
  readonly #functions = new Map<string, FunctionUse>();
  readonly #operators = new Map<string, ObjectName>();
  readonly #types = new Map<string, ObjectName>();
  readonly #attributes = new Set<string>();
  readonly #parameters = new Map<number, number>();
  /** What WHERE says of the relations of FROM, found before they are met. */
  readonly #pins = new Map<Value, Map<string, Pin>>();

  statement(statement: Node): void {
    this.#visit(statement, new Set());
  }

  facts(): ReadFacts {
    return {
      occurrences: this.#occurrences,
      functions: [...this.#functions.values()],
      operators: [...this.#operators.values()],
      types: [...this.#types.values()],
      attributes: [...this.#attributes],
      parameters: this.#parameters,
    };
  }

  #refuse(reason: string): void {
    this.bypass ??= reason;
  }

  #visit(value: Value, scope: Scope): void {
    if (isList(value)) {
      for (const one of value) this.#visit(one, scope);
      return;
    }
    if (!isNode(value)) return;
    for (const [key, inner] of Object.entries(value)) {
      if (/^[A-Z]/.test(key) && isNode(inner)) this.#node(key, inner, scope);
      else this.#field(key, inner, scope);
    }
  }

  /** Fields whose nodes stand there without their type. */
  #field(key: string, value: Value, scope: Scope): void {
    if (key === 'typeName' && isNode(value)) this.#type(value);
    else this.#visit(value, scope);
  }

  #node(type: string, fields: Node, scope: Scope): void {
    if (type === 'SelectStmt') this.#select(fields, scope);
    else if (WRITES.has(type)) this.#write(type, fields, scope);
    else if (type === 'RangeVar') this.#relation(fields, scope);
    else this.#other(type, fields, scope);
  }

  #other(type: string, fields: Node, scope: Scope): void {
    if (!KNOWN_NODES.has(type)) this.#refuse(REFUSED[type] ?? `it contains what is not known to be safe (${type})`);
    if (type === 'FuncCall') this.#function(fields);
    else if (type === 'TypeName') this.#type(fields);
    else if (type === 'A_Expr') this.#operator(fields.name);
    else if (type === 'ColumnRef') this.#column(fields);
    else if (type === 'A_Const') this.#constant(fields);
    else if (type === 'ParamRef') this.#parameter(Number(fields.number ?? 0));
    else if (type === 'A_Indirection') this.#attribute(names(fields.indirection));
    else if (type === 'SubLink') this.#operator(fields.operName);
    else if (type === 'SortBy') this.#operator(fields.useOp);
    this.#visit(fields, scope);
  }

  #select(fields: Node, scope: Scope): void {
    if (fields.intoClause !== undefined) {
      this.#refuse('it makes a table (SELECT INTO)');
    }
    const inner = this.#with(fields.withClause, scope);
    this.#pinFrom(fields);
    for (const [key, value] of Object.entries(fields)) {
      if (key === 'withClause' || key === 'intoClause') continue;
      // The arms of UNION and the like stand there without their type.
      if ((key === 'larg' || key === 'rarg') && isNode(value)) this.#select(value, inner);
      else this.#field(key, value, inner);
    }
  }

  /** @returns the scope inside: a name of WITH hides a table from the next one on, or (RECURSIVE) from all of them */
  #with(clause: Value, scope: Scope): Scope {
    if (!isNode(clause)) return scope;
    const inner = new Set(scope);
    const queries = listOf(clause.ctes).map((one) => as(one, 'CommonTableExpr') ?? {});
    if (clause.recursive === true) for (const one of queries) inner.add(textOf(one.ctename));
    for (const one of queries) {
      this.#visit(one, new Set(inner));
      inner.add(textOf(one.ctename));
    }
    return inner;
  }

  #write(type: string, fields: Node, scope: Scope): void {
    this.#refuse('it writes');
    if (isNode(fields.relation)) {
      const conflict = isNode(fields.onConflictClause) ? fields.onConflictClause.action : undefined;
      const onlyAdds = type === 'InsertStmt' && conflict !== 'ONCONFLICT_UPDATE';
      this.written.push({ ...relationName(fields.relation), cascade: onlyAdds ? 'none' : 'actions' });
    }
    const inner = this.#with(fields.withClause, scope);
    for (const [key, value] of Object.entries(fields)) {
      if (key !== 'withClause' && key !== 'relation') this.#field(key, value, inner);
    }
  }

  #relation(fields: Node, scope: Scope): void {
    const name = relationName(fields);
    if (name.schema === undefined && scope.has(name.name)) return;
    if (textOf(fields.catalogname) !== '') this.#refuse('it names another database');
    this.#occurrences.push({ ...name, pins: this.#pins.get(fields) ?? new Map() });
  }

  /**
   * Whose columns WHERE holds to values. A column without a relation before it is that of the only one in FROM; one with
   * it is that of the one relation here that goes by this name, which a join's own alias or a list of aliases hides.
   */
  #pinFrom(fields: Node): void {
    const columns = pinnedColumns(fields.whereClause);
    if (columns.length === 0) return;
    const from = listOf(fields.fromClause);
    const here = from.flatMap(relationsOf);
    for (const { relation, column, pin } of columns) {
      const found =
        relation === undefined
          ? from.length === 1 && as(from[0], 'RangeVar') !== undefined
            ? here
            : []
          : here.filter((one) => referenceName(one) === relation);
      const [one] = found;
      if (one === undefined || found.length > 1) continue;
      const pins = this.#pins.get(one) ?? new Map<string, Pin>();
      if (!pins.has(column)) pins.set(column, pin);
      this.#pins.set(one, pins);
    }
  }

  #function(fields: Node): void {
    const path = names(fields.funcname);
    const use = { schema: path.length > 1 ? path.at(-2) : undefined, name: path.at(-1) ?? '' };
    const argumentCount = listOf(fields.args).length;
    this.#functions.set(JSON.stringify([use, argumentCount]), { ...use, argumentCount });
  }

  #operator(value: Value): void {
    const path = names(value);
    const name = path.at(-1);
    if (name === undefined) return;
    const use = { schema: path.length > 1 ? path.at(-2) : undefined, name };
    this.#operators.set(JSON.stringify(use), use);
  }

  #type(fields: Node): void {
    const path = names(fields.names);
    const use = { schema: path.length > 1 ? path.at(-2) : undefined, name: path.at(-1) ?? '' };
    this.#types.set(JSON.stringify(use), use);
    if (fields.pct_type === true) this.#refuse('it refers to the type of a column');
  }

  #column(fields: Node): void {
    const path = names(fields.fields);
    if (path.some((one) => SYSTEM_COLUMNS.has(one))) this.#refuse('it reads a system column of its rows');
    this.#attribute(path.slice(1));
  }

  #attribute(path: readonly string[]): void {
    for (const one of path) if (one !== '') this.#attributes.add(one);
  }

  #constant(fields: Node): void {
    if (isNode(fields.sval) && isRelativeTime(textOf(fields.sval.sval))) {
      this.#refuse("it may mean another time each day ('now', 'today', …)");
    }
  }

  #parameter(number: number): void {
    this.#parameters.set(number, (this.#parameters.get(number) ?? 0) + 1);
  }
}

/** The relations that an item of FROM joins and that go by their own names there. */
function relationsOf(item: Value): Node[] {
  const relation = as(item, 'RangeVar');
  if (relation !== undefined) return isNode(relation.alias) && relation.alias.colnames !== undefined ? [] : [relation];
  const join = as(item, 'JoinExpr');
  if (join === undefined || join.alias !== undefined) return [];
  return [...relationsOf(join.larg), ...relationsOf(join.rarg)];
}

function referenceName(relation: Node): string {
  return isNode(relation.alias) ? textOf(relation.alias.aliasname) : textOf(relation.relname);
}
