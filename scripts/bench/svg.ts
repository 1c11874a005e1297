/** A small writer of charts: rows by group, a column a measure. Readable on light and dark ground, as its colours follow the reader's. */

export interface Column {
  readonly title: string;
  readonly scale: 'linear' | 'log';
}

export interface Row {
  readonly name: string;
  readonly isOurs: boolean;
  /** One a column. */
  readonly marks: readonly Mark[];
}

export interface Mark {
  readonly kind: 'bar' | 'range';
  /** Of a bar: its parts, one after the other. Of a range: from and to. */
  readonly values: readonly number[];
  readonly label: string;
  readonly low?: number;
  readonly high?: number;
}

export const bar = (values: readonly number[], label: string, spread?: { low: number; high: number }): Mark => ({
  kind: 'bar',
  values,
  label,
  ...(spread && { low: spread.low, high: spread.high }),
});

export const range = (from: number, to: number, label: string): Mark => ({ kind: 'range', values: [from, to], label });

const NAME_WIDTH = 190;
const COLUMN_WIDTH = 300;
/** At the end of a column, for the figures. */
const LABEL_WIDTH = 112;
const ROW_HEIGHT = 20;
const GROUP_HEIGHT = 30;
const HEAD_HEIGHT = 58;
const FOOT_HEIGHT = 14;
const BAR_HEIGHT = 11;

const STYLE = `
text { font: 12px system-ui, -apple-system, "Segoe UI", Arial, sans-serif; fill: #24292f }
.title { font-size: 15px; font-weight: 600 } .head, .group { fill: #57606a } .group { font-weight: 600 }
.ours { font-weight: 600 } .line { stroke: #d0d7de } .spread { stroke: #24292f }
.p0 { fill: #8c959f } .p1 { fill: #b6bdc5 } .p2 { fill: #d5dae0 }
.us.p0 { fill: #0969da } .us.p1 { fill: #63a7ef } .us.p2 { fill: #b1d3f7 }
.ground { fill: #ffffff }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .head, .group { fill: #9198a1 } .line { stroke: #30363d } .spread { stroke: #e6edf3 }
.p0 { fill: #768390 } .p1 { fill: #545d68 } .p2 { fill: #3b434c }
.us.p0 { fill: #58a6ff } .us.p1 { fill: #316dca } .us.p2 { fill: #1d4a87 }
.ground { fill: #0d1117 }
}`;

const escaped = (text: string) => text.replace(/[&<>]/g, (each) => `&#${each.charCodeAt(0)};`);
const round = (value: number) => Math.round(value * 10) / 10;

function text(x: number, y: number, kind: string, content: string): string {
  return `<text x="${round(x)}" y="${round(y)}" class="${kind}">${escaped(content)}</text>`;
}

/** From a value to where it lies in its column, which has one scale for the rows given. */
function scaleOf(column: number, { scale }: Column, rows: readonly Row[]): (value: number) => number {
  const values = rows.flatMap((row) => {
    const mark = row.marks[column]!;
    return mark.kind === 'bar' ? [mark.values.reduce((sum, each) => sum + each, 0), mark.high ?? 0] : mark.values;
  });
  const room = COLUMN_WIDTH - LABEL_WIDTH;
  const max = Math.max(...values, Number.MIN_VALUE);
  if (scale === 'linear') return (value) => (room * value) / max;
  const min = Math.min(...values.filter((value) => value > 0), max);
  const span = Math.log(max / min) || 1;
  return (value) => (value <= min ? 0 : (room * Math.log(value / min)) / span);
}

function drawMark(mark: Mark, x: number, y: number, isOurs: boolean, at: (value: number) => number): string {
  const us = isOurs ? 'us ' : '';
  const top = y - BAR_HEIGHT / 2;
  const rect = (from: number, to: number, part: number) =>
    `<rect x="${round(x + from)}" y="${round(top)}" width="${round(Math.max(to - from, 1))}" height="${BAR_HEIGHT}" class="${us}p${part}"/>`;
  const out: string[] = [];
  let end = 0;
  if (mark.kind === 'range') {
    out.push(rect(at(mark.values[0]!), at(mark.values[1]!), 0));
    end = at(mark.values[1]!);
  } else {
    let sum = 0;
    for (const [part, value] of mark.values.entries()) {
      if (value > 0) out.push(rect(at(sum), at(sum + value), part));
      sum += value;
    }
    end = at(Math.max(sum, mark.high ?? 0));
    if (mark.low !== undefined && mark.high !== undefined) {
      out.push(`<path d="M${round(x + at(mark.low))} ${y}H${round(x + at(mark.high))}" class="spread"/>`);
    }
  }
  out.push(text(x + end + 6, y + 4, isOurs ? 'ours' : '', mark.label));
  return out.join('');
}

/** @param groups rows by the name of their group, in the order of drawing; @returns an SVG document */
export function chart(title: string, columns: readonly Column[], groups: ReadonlyMap<string, readonly Row[]>): string {
  const rows = [...groups.values()].flat();
  const left = (column: number) => NAME_WIDTH + column * COLUMN_WIDTH;
  const width = left(columns.length) + 10;
  const height = HEAD_HEIGHT + groups.size * GROUP_HEIGHT + rows.length * ROW_HEIGHT + FOOT_HEIGHT;
  const out = [text(12, 24, 'title', title)];
  for (const [index, column] of columns.entries()) out.push(text(left(index), 48, 'head', column.title));
  let y = HEAD_HEIGHT;
  for (const [name, own] of groups) {
    out.push(`<path d="M12 ${y + 4}H${width - 12}" class="line"/>`, text(12, y + 21, 'group', name));
    y += GROUP_HEIGHT;
    // Times are compared across loads, on one scale; rates and CPU within a load.
    const scales = columns.map((column, index) => scaleOf(index, column, column.scale === 'log' ? rows : own));
    for (const row of own) {
      const middle = y + ROW_HEIGHT / 2;
      out.push(text(12, middle + 4, row.isOurs ? 'ours' : '', row.name));
      for (const [index, mark] of row.marks.entries()) {
        out.push(drawMark(mark, left(index), middle, row.isOurs, scales[index]!));
      }
      y += ROW_HEIGHT;
    }
  }
  const size = `width="${width}" height="${height}" viewBox="0 0 ${width} ${height}"`;
  return `<svg xmlns="http://www.w3.org/2000/svg" ${size} role="img" aria-label="${escaped(title)}">
<style>${STYLE}
</style>
<rect width="${width}" height="${height}" class="ground"/>
${out.join('\n')}
</svg>
`;
}
