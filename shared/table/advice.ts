/** What Postgres or a pooler says where the address is a wrong one, or an option is missing: and what to do about it. */
const ADVICE = [
  {
    // A standby: what it says of UNLOGGED tables, of its log, of writes, of LISTEN.
    says: /during recovery|recovery is in progress|in a read-only transaction/,
    advice: 'this Postgres is a standby or read-only: give the address of the primary, or promote it',
  },
  {
    says: /unsupported startup parameter|prepared statement "[^"]*" (does not|already) exist/,
    advice: 'this is a pooler in transaction mode: set pooler (--pooler), or give the address of Postgres itself',
  },
] as const;

/** @returns what to do, for a message that tells a fault of the configuration */
export function adviceFor(message: string): string | undefined {
  return ADVICE.find(({ says }) => says.test(message))?.advice;
}

/** The message, with what to do where that is known. */
export function advised(message: string): string {
  const advice = adviceFor(message);
  return advice === undefined || message.includes(advice) ? message : `${message} (${advice})`;
}
