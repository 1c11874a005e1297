/** Options of the command line that are not part of the daemon's configuration. */
export interface CommandOption {
  /** What stands for the value in help; absent for a switch. */
  readonly value?: string;
  readonly short?: string;
  readonly help: string;
}

export const COMMAND_OPTIONS = {
  namespace: { value: 'NAME', short: 'n', help: 'the namespace; without it, the default one' },
  ttl: { value: 'DURATION', help: "how long the value lives: seconds, '5m', or Infinity" },
  timeoutMs: { value: 'MS', help: 'how long to wait for the daemon, in milliseconds' },
  intervalMs: { value: 'MS', help: 'how long between two looks, in milliseconds from 100; 2000 where it is missing' },
  count: { value: 'N', help: 'how often to show it; until Ctrl-C where it is missing' },
  rowsMax: {
    value: 'N',
    help: 'beyond N changed rows a statement counts as a change of all rows: 0 to 10000; without it, 100',
  },
  json: { help: 'JSON in place of text; for `set`: VALUE is JSON' },
  yes: { short: 'y', help: 'do not ask' },
  verbose: { help: 'show where an error came from' },
  help: { short: 'h', help: 'show this help' },
  version: { help: 'show the version' },
} as const satisfies Record<string, CommandOption>;

export type CommandOptionName = keyof typeof COMMAND_OPTIONS;
export const COMMAND_OPTION_NAMES = Object.keys(COMMAND_OPTIONS) as readonly CommandOptionName[];

export function commandOptionOf(name: CommandOptionName): CommandOption {
  return COMMAND_OPTIONS[name];
}

/** Every command takes these. */
export const COMMON_OPTIONS: readonly CommandOptionName[] = ['verbose', 'help'];
