import type { WriteStream } from 'node:tty';

const PLAIN_EVERY_MS = 2_000;
const UP = (lines: number): string => `\x1b[${lines}A`;
const CLEAR_BELOW = '\x1b[J';

/** Shows lines that change: in place on a terminal, else one plain line now and then. */
export class Screen {
  readonly #out: WriteStream;
  #shown = 0;
  #plainMs = 0;

  constructor(out: WriteStream) {
    this.#out = out;
  }

  /** A line that stays. */
  line(text: string): void {
    this.clear();
    this.#out.write(`${text}\n`);
  }

  show(lines: readonly string[], plain: string): void {
    if (!this.#out.isTTY || this.#out.rows <= lines.length) {
      if (performance.now() - this.#plainMs < PLAIN_EVERY_MS) return;
      this.#plainMs = performance.now();
      this.#out.write(`${plain}\n`);
      return;
    }
    this.clear();
    // A line that wraps would count as two.
    this.#out.write(`${lines.map((line) => line.slice(0, this.#out.columns - 1)).join('\n')}\n`);
    this.#shown = lines.length;
  }

  /** Takes away what changes. */
  clear(): void {
    if (this.#shown > 0) this.#out.write(UP(this.#shown) + CLEAR_BELOW);
    this.#shown = 0;
  }
}
