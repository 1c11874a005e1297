import { parseArgs } from 'node:util';
import { suggestion } from '../../shared/nearest.js';
import { flagOf, optionOf } from '../options.js';
import type { Command } from './command.js';
import { COMMON_OPTIONS, type CommandOptionName, commandOptionOf } from './command-options.js';
import { UsageError } from './exit.js';

export interface Arguments {
  readonly operands: readonly string[];
  readonly own: Readonly<Partial<Record<CommandOptionName, string | true>>>;
  readonly flags: Readonly<Record<string, unknown>>;
}

interface Known {
  readonly isSwitch: boolean;
  readonly isOwn: boolean;
  readonly name: string;
  readonly isNegation?: boolean;
  readonly isRepeatable?: boolean;
}

/**
 * Reads what follows the command's name. Switches of the configuration can be turned off (`--no-logged`,
 * `--logged=false`); of an option given twice the last counts, except for those of databases, which collect;
 * a negative number is an operand.
 * @throws UsageError
 */
export function readArguments(command: Command, args: readonly string[]): Arguments {
  const known = knownOptions(command);
  const operands: string[] = [];
  const own: Record<string, string | true> = {};
  const flags: Record<string, unknown> = {};
  const negatives = new Set<number>();
  for (const token of tokensOf(known, command, args)) {
    if (token.kind === 'positional') operands.push(token.value);
    if (token.kind !== 'option') continue;
    if (/^\d/.test(token.name)) {
      // `-15` came as the short options 1 and 5, both with the index of the argument.
      if (!negatives.has(token.index)) operands.push(args[token.index]!);
      negatives.add(token.index);
      continue;
    }
    const option = known.get(token.name);
    if (option === undefined) throw unknownOption(token.rawName, command, known);
    const value = flagValue(option, token.value, token.rawName);
    if (option.isOwn) own[option.name] = value as string | true;
    else flags[option.name] = option.isRepeatable ? collect(flags[option.name], value) : value;
  }
  if (own.help === undefined) checkOperands(command, operands);
  return { operands, own, flags };
}

function tokensOf(known: ReadonlyMap<string, Known>, command: Command, args: readonly string[]) {
  const options: Record<string, { type: 'boolean' | 'string'; short?: string }> = {};
  for (const [flag, { isSwitch }] of known) options[flag] = { type: isSwitch ? 'boolean' : 'string' };
  for (const name of [...command.own, ...COMMON_OPTIONS]) {
    const { short } = commandOptionOf(name);
    if (short !== undefined) options[flagOf(name).slice(2)]!.short = short;
  }
  return parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true }).tokens;
}

function knownOptions(command: Command): Map<string, Known> {
  const known = new Map<string, Known>();
  for (const name of [...command.own, ...COMMON_OPTIONS]) {
    known.set(flagOf(name).slice(2), { isSwitch: commandOptionOf(name).value === undefined, isOwn: true, name });
  }
  for (const name of command.options) {
    const { kind } = optionOf(name);
    const isSwitch = kind === 'boolean';
    known.set(flagOf(name).slice(2), { isSwitch, isOwn: false, name, isRepeatable: kind === 'databases' });
    if (isSwitch) known.set(`no-${flagOf(name).slice(2)}`, { isSwitch, isOwn: false, name, isNegation: true });
  }
  return known;
}

function flagValue(option: Known, value: string | undefined, rawName: string): string | true {
  if (option.isSwitch) {
    const takesNone = option.isOwn || option.isNegation;
    if (value !== undefined && takesNone) throw new UsageError(`${rawName} takes no value`);
    return option.isNegation ? 'false' : (value ?? true);
  }
  if (value === undefined) throw new UsageError(`${rawName} needs a value`);
  return value;
}

function collect(before: unknown, value: unknown): unknown {
  return before === undefined ? value : [before, value].flat();
}

function unknownOption(rawName: string, command: Command, known: ReadonlyMap<string, Known>): UsageError {
  const flags = [...known.keys()].map((flag) => `--${flag}`);
  return new UsageError(
    `${rawName} is not an option of pgcached ${command.name}${suggestion(rawName, flags)}; see pgcached ${command.name} --help`,
  );
}

function checkOperands(command: Command, operands: readonly string[]): void {
  const { name, operandsMin, operandsMax } = command;
  if (operands.length >= operandsMin && operands.length <= operandsMax) return;
  const problem = operands.length < operandsMin ? 'too few arguments' : 'too many arguments';
  throw new UsageError(`${problem}: pgcached ${name} ${command.operands || 'takes none'}; see pgcached ${name} --help`);
}
