import { staleness, tooOld } from './check.js';
import { type KeyDemands, loadedDemands, of } from './demands.js';
import type { Read, Violation, Write } from './history.js';
import { ACCOUNTS_TOTAL } from './keys.js';
import type { Staircase } from './staircase.js';

export interface AccountsVerdict {
  readonly violations: readonly Violation[];
  readonly queryReads: number;
  /** Of an account's version in the answer to a query: how long before the read began a newer one had been acknowledged. */
  readonly stalestQueryUs: number;
}

/**
 * Answers to queries of the accounts: whatever saw all of them saw the total that never changes, and none shows an account
 * older than the bound, nor older than its process has seen it in an answer to the same query.
 * @param reads by query
 * @param writes by account, in order
 */
export function checkAccounts(
  reads: ReadonlyMap<string, readonly Read[]>,
  writes: ReadonlyMap<string, readonly Write[]>,
  boundUs: number,
): AccountsVerdict {
  const violations: Violation[] = [];
  const figures = { queryReads: 0, stalestQueryUs: 0 };
  const accounts = new Map<string, KeyDemands>();
  const demandsOf = (account: string): KeyDemands => {
    const found = accounts.get(account) ?? loadedDemands(writes.get(account) ?? []);
    accounts.set(account, found);
    return found;
  };
  for (const all of reads.values()) {
    const seen = new Map<string, Staircase<Read | Write>>();
    const versionsOf = (read: Read): [string, number][] => Object.entries(read.parts ?? {});
    for (const read of all) {
      for (const [account, version] of versionsOf(read))
        of(seen, `${read.process} ${account}`).add(read.resp, version, read);
    }
    for (const read of all) {
      figures.queryReads += 1;
      if (read.total !== undefined && read.total !== ACCOUNTS_TOTAL) violations.push(wrongTotal(read));
      for (const [account, version] of versionsOf(read)) {
        const demands = demandsOf(account);
        figures.stalestQueryUs = Math.max(figures.stalestQueryUs, staleness(read, version, demands));
        const violation = tooOld(read, version, demands, boundUs, of(seen, `${read.process} ${account}`));
        if (violation !== undefined)
          violations.push({ ...violation, promise: `queries: ${violation.promise}`, part: account });
      }
    }
  }
  return { violations, ...figures };
}

function wrongTotal(read: Read): Violation {
  const detail = `${read.key}: the accounts add up to ${read.total}, which they never did`;
  return { promise: 'queries: a transaction is seen whole or not at all', detail, operation: read };
}
