import type { ReadFacts, StatementFacts, TransactionStep, WrittenTable } from './facts.js';
import { mayWrite } from './functions.js';
import { type Parsed, parse } from './parser.js';
import { as, isNode, listOf, type Node, relationName, textOf } from './syntax.js';
import { Walk } from './walk.js';

const STEPS: Readonly<Record<string, TransactionStep>> = {
  TRANS_STMT_BEGIN: 'begin',
  TRANS_STMT_START: 'begin',
  TRANS_STMT_COMMIT: 'commit',
  TRANS_STMT_COMMIT_PREPARED: 'commit',
  TRANS_STMT_ROLLBACK: 'rollback',
  TRANS_STMT_ROLLBACK_PREPARED: 'rollback',
  TRANS_STMT_PREPARE: 'rollback',
};

/** Definitions after which the same query means something else, or has another answer. */
const CHANGES_ALL: ReadonlySet<string> = new Set(
  (
    'ViewStmt AlterTableStmt DropStmt RenameStmt AlterObjectSchemaStmt AlterEnumStmt AlterTypeStmt AlterDomainStmt ' +
    'RuleStmt CreatePolicyStmt AlterPolicyStmt AlterCollationStmt DropOwnedStmt ImportForeignSchemaStmt'
  ).split(' '),
);
const KEEPS_CATALOG: ReadonlySet<string> = new Set(
  (
    'SelectStmt InsertStmt UpdateStmt DeleteStmt MergeStmt TruncateStmt CopyStmt TransactionStmt VariableSetStmt VariableShowStmt ' +
    'ExplainStmt NotifyStmt ListenStmt UnlistenStmt LockStmt VacuumStmt DeclareCursorStmt FetchStmt ClosePortalStmt PrepareStmt ' +
    'DeallocateStmt ConstraintsSetStmt CheckPointStmt RefreshMatViewStmt ReindexStmt ClusterStmt CommentStmt'
  ).split(' '),
);
/** What leaves nothing behind in the session, apart from what its functions do. */
const KEEPS_SESSION: ReadonlySet<string> = new Set(
  'InsertStmt UpdateStmt DeleteStmt MergeStmt TruncateStmt CopyStmt TransactionStmt VariableShowStmt NotifyStmt LockStmt'.split(
    ' ',
  ),
);

/** What they run is not in their text. */
const RUNS_UNKNOWN: ReadonlySet<string> = new Set(['DoStmt', 'CallStmt', 'ExecuteStmt']);

const NOTHING: StatementFacts = {
  bypass: undefined,
  read: undefined,
  written: [],
  calls: [],
  runsUnknown: false,
  mayCommit: false,
  changesAll: false,
  changesCatalog: false,
  step: undefined,
  keepsSession: false,
};

/** What the text of one call says: one statement to be cached, or any number that may write. */
export function factsOf(text: string): StatementFacts {
  return factsOfParsed(parse(text), text);
}

export function factsOfParsed(parsed: Parsed, text: string): StatementFacts {
  if ('problem' in parsed) return unparsed(parsed.problem, parsed.isSyntax, text);
  const [only] = parsed.statements;
  if (only === undefined) return { ...NOTHING, bypass: 'it is empty', keepsSession: true };
  if (parsed.statements.length === 1) return factsOfStatement(only);
  const all = parsed.statements.map(factsOfStatement);
  return {
    bypass: 'it is more than one statement',
    read: undefined,
    written: all.flatMap(({ written }) => written),
    calls: all.flatMap(({ calls }) => calls),
    runsUnknown: all.some(({ runsUnknown }) => runsUnknown),
    mayCommit: all.some(({ mayCommit }) => mayCommit),
    changesAll: all.some(({ changesAll }) => changesAll),
    changesCatalog: all.some(({ changesCatalog }) => changesCatalog),
    step: all.find(({ step }) => step === 'commit')?.step,
    keepsSession: all.every(({ keepsSession }) => keepsSession),
  };
}

/** What Postgres's grammar refuses, the server will refuse; of what was too long to be parsed nothing is known. */
function unparsed(problem: string, isSyntax: boolean, text: string): StatementFacts {
  const mayWrite = !isSyntax && !/^[\s(]*(select|values|table|show|explain)\b/i.test(text);
  return { ...NOTHING, bypass: problem, changesAll: mayWrite, changesCatalog: mayWrite };
}

function factsOfStatement(statement: Node): StatementFacts {
  const [type = ''] = Object.keys(statement);
  const fields = as(statement, type) ?? {};
  const rest = {
    runsUnknown: RUNS_UNKNOWN.has(type),
    mayCommit: RUNS_UNKNOWN.has(type) && type !== 'ExecuteStmt',
    changesAll: CHANGES_ALL.has(type),
    changesCatalog: !KEEPS_CATALOG.has(type),
    keepsSession: KEEPS_SESSION.has(type),
  };
  if (['SelectStmt', 'InsertStmt', 'UpdateStmt', 'DeleteStmt', 'MergeStmt'].includes(type)) {
    const { written, bypass, read, calls } = walked(statement);
    const isQuery = bypass === undefined;
    const keepsSession = (isQuery || rest.keepsSession) && calls.length === 0;
    return { ...NOTHING, ...rest, bypass, read: isQuery ? read : undefined, written, calls, keepsSession };
  }
  const bypass = `it is no query (${type.replace(/Stmt$/, '')})`;
  return { ...NOTHING, ...rest, bypass, ...effectsOf(type, fields), step: stepOf(type, fields) };
}

type Effects = Pick<StatementFacts, 'written' | 'calls'>;

function walked(statement: Node): Effects & { bypass: string | undefined; read: ReadFacts } {
  const walk = new Walk();
  walk.statement(statement);
  const read = walk.facts();
  return { written: walk.written, calls: read.functions.filter(mayWrite), bypass: walk.bypass, read };
}

function stepOf(type: string, fields: Node): TransactionStep | undefined {
  return type === 'TransactionStmt' ? (STEPS[textOf(fields.kind)] ?? 'savepoint') : undefined;
}

function effectsOf(type: string, fields: Node): Effects {
  const written = writtenBy(type, fields);
  if (written !== undefined) return { written, calls: [] };
  // EXPLAIN ANALYZE, COPY (… RETURNING) TO, PREPARE, DECLARE and CREATE TABLE AS hold statements of their own.
  const inner = Object.values(fields).flatMap((one) => (isNode(one) ? [walked(one)] : []));
  return { written: inner.flatMap((one) => one.written), calls: inner.flatMap(({ calls }) => calls) };
}

function writtenBy(type: string, fields: Node): readonly WrittenTable[] | undefined {
  if (type === 'TruncateStmt') {
    const cascade = fields.behavior === 'DROP_CASCADE' ? 'all' : 'none';
    return listOf(fields.relations).flatMap((one) => {
      const relation = as(one, 'RangeVar');
      return relation === undefined ? [] : [{ ...relationName(relation), cascade }];
    });
  }
  const isRefresh = type === 'RefreshMatViewStmt';
  if ((isRefresh || (type === 'CopyStmt' && fields.is_from === true)) && isNode(fields.relation)) {
    return [{ ...relationName(fields.relation), cascade: 'none' }];
  }
  return undefined;
}
