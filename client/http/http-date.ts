const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];

const IMF = /^[a-z]{3}, (\d{2}) ([a-z]{3}) (\d{4}) (\d{2}):(\d{2}):(\d{2}) gmt$/i;
const RFC850 = /^[a-z]{6,9}, (\d{2})-([a-z]{3})-(\d{2}) (\d{2}):(\d{2}):(\d{2}) gmt$/i;
const ASCTIME = /^[a-z]{3} ([a-z]{3}) ([ \d]\d) (\d{2}):(\d{2}):(\d{2}) (\d{4})$/i;

/**
 * The three forms of RFC 9110 §5.6.7, and no other: `Date.parse` takes what other caches take as invalid.
 * @param nowMs for years of two digits
 * @returns milliseconds since 1970, or undefined
 */
export function parseHttpDate(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const imf = IMF.exec(text);
  if (imf !== null) return instant(Number(imf[3]), imf[2]!, imf[1]!, imf.slice(4));
  const rfc850 = RFC850.exec(text);
  if (rfc850 !== null) return instant(fullYear(Number(rfc850[3]), nowMs), rfc850[2]!, rfc850[1]!, rfc850.slice(4));
  const asctime = ASCTIME.exec(text);
  if (asctime !== null) return instant(Number(asctime[6]), asctime[1]!, asctime[2]!, asctime.slice(3, 6));
  return undefined;
}

export function httpDate(ms: number): string {
  return new Date(ms).toUTCString();
}

/** One that seems more than 50 years in the future is in the past. */
function fullYear(year: number, nowMs: number): number {
  const now = new Date(nowMs).getUTCFullYear();
  const guess = now - (now % 100) + year;
  return guess > now + 50 ? guess - 100 : guess;
}

function instant(year: number, monthName: string, day: string, time: readonly string[]): number | undefined {
  const month = MONTHS.indexOf(monthName.toLowerCase());
  const [hour = 0, minute = 0, second = 0] = time.map(Number);
  if (month === -1 || hour > 23 || minute > 59 || second > 60) return undefined;
  const ms = Date.UTC(year, month, Number(day), hour, minute, second);
  return new Date(ms).getUTCDate() === Number(day) || second === 60 ? ms : undefined;
}
