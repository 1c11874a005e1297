import type { Environment, OptionName } from '../options.js';
import type { CommandOptionName } from './command-options.js';
import type { ExitName } from './exit.js';
import type { Output } from './output.js';

/** What a command is called with. */
export interface Call {
  readonly operands: readonly string[];
  /** Flags of the command itself (`json`, `namespace`, …), by name: text, or true. */
  readonly own: Readonly<Partial<Record<CommandOptionName, string | true>>>;
  /** Flags of the daemon's configuration, by name, as loadConfig takes them. */
  readonly flags: Readonly<Record<string, unknown>>;
  readonly environment: Environment;
  readonly output: Output;
}

/** One command of `pgcached`: what `--help` says of it, what it accepts, and what it does. */
export interface Command {
  readonly name: string;
  readonly summary: string;
  /** The operands as help shows them, such as `KEY VALUE`. */
  readonly operands: string;
  readonly operandsMin: number;
  readonly operandsMax: number;
  readonly details?: string;
  readonly own: readonly CommandOptionName[];
  readonly options: readonly OptionName[];
  run(call: Call): Promise<ExitName>;
}
