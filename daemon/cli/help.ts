import { environmentOf, flagOf, type OptionName, optionOf } from '../options.js';
import { showDefault, showRange } from '../show-option.js';
import type { Command } from './command.js';
import { COMMON_OPTIONS, type CommandOptionName, commandOptionOf } from './command-options.js';
import { EXIT } from './exit.js';

const WIDTH = 100;
const INDENT = 6;

export function overview(commands: readonly Command[]): string {
  const width = Math.max(...commands.map(({ name, operands }) => name.length + operands.length)) + 3;
  return [
    'pgcached: one cache for every process on a host and every server on one Postgres.',
    '',
    'Usage: pgcached COMMAND [OPTIONS]',
    '',
    'Commands:',
    ...commands.map(({ name, operands, summary }) => `  ${`${name} ${operands}`.padEnd(width)} ${summary}`),
    '',
    'pgcached COMMAND --help tells the options of a command; pgcached --version the version.',
    'Options come from flags, then the environment, then the JSON file that --config names.',
    '',
    exitCodes(),
  ].join('\n');
}

export function helpOf(command: Command): string {
  const own = [...command.own, ...COMMON_OPTIONS].map(ownLines);
  const options = command.options.map(optionLines);
  return [
    `pgcached ${command.name}: ${command.summary}`,
    '',
    `Usage: pgcached ${command.name} ${command.operands}${command.operands === '' ? '' : ' '}[OPTIONS]`,
    ...(command.details === undefined ? [] : ['', wrap(command.details, 0)]),
    '',
    'Options:',
    ...own,
    ...(options.length === 0 ? [] : ['', 'Configuration (flag, environment):', ...options]),
    '',
    exitCodes(),
  ].join('\n');
}

function exitCodes(): string {
  return ['Exit codes:', ...Object.values(EXIT).map(({ code, meaning }) => `  ${code}  ${meaning}`)].join('\n');
}

function ownLines(name: CommandOptionName): string {
  const { short, value, help } = commandOptionOf(name);
  const head = `${short === undefined ? '' : `-${short}, `}${flagOf(name)}${value === undefined ? '' : ` ${value}`}`;
  return `  ${head}\n${wrap(help, INDENT)}`;
}

function optionLines(name: OptionName): string {
  const option = optionOf(name);
  const value = option.kind === 'boolean' ? '' : ` ${VALUE_NAMES[option.kind]}`;
  const facts = [showRange(name), `default: ${showDefault(name).replaceAll('`', '')}`].filter((fact) => fact !== '');
  return `  ${flagOf(name)}${value}, ${environmentOf(name)}\n${wrap(`${option.help} (${facts.join('; ')})`, INDENT)}`;
}

const VALUE_NAMES = {
  databases: 'URL',
  text: 'NAME',
  path: 'PATH',
  table: 'NAME',
  integer: 'NUMBER',
  bytes: 'SIZE',
  milliseconds: 'MS',
  ttl: 'DURATION',
  mode: 'OCTAL',
  weights: 'NUMBERS',
  placement: 'HOW',
  level: 'LEVEL',
  namespaces: 'JSON',
} as const;

function wrap(text: string, indent: number): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent + line.length + 1 + word.length > WIDTH) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].map((each) => ' '.repeat(indent) + each).join('\n');
}
