import { CacheError } from '../../shared/errors.js';
import { suggestion } from '../../shared/nearest.js';
import { RELEASE } from '../../shared/release.js';
import type { Environment } from '../options.js';
import { redact, secretsOf } from '../redact.js';
import { readArguments } from './arguments.js';
import { COMMANDS } from './commands.js';
import { EXIT, type ExitName, exitOf, tellError, UsageError } from './exit.js';
import { helpOf, overview } from './help.js';
import type { Output } from './output.js';

/**
 * Runs one command line.
 * @param args what follows `pgcached`
 * @returns the exit code
 */
export async function run(args: readonly string[], environment: Environment, output: Output): Promise<number> {
  try {
    return EXIT[await dispatch(args, environment, output)].code;
  } catch (error) {
    const secrets = secretsOf(
      [environment.PGCACHED_DATABASE_URL ?? [], environment.PGCACHED_LISTEN_URL ?? []].flat(),
      environment,
    );
    output.error(redact(tellError(error), secrets));
    if (args.includes('--verbose')) output.note(redact(trace(error), secrets));
    return EXIT[exitOf(error)].code;
  }
}

async function dispatch(args: readonly string[], environment: Environment, output: Output): Promise<ExitName> {
  const [name, ...rest] = args;
  if (name === '--version') {
    output.line(`pgcached ${RELEASE}`);
    return 'ok';
  }
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    return help(name === undefined ? [] : rest, output, name === undefined);
  }
  const command = commandNamed(name);
  const call = readArguments(command, rest);
  if (call.own.help) {
    output.line(helpOf(command));
    return 'ok';
  }
  return command.run({ ...call, environment, output });
}

/** Without any arguments the overview is an answer to a wrong call, and goes to stderr. */
function help(names: readonly string[], output: Output, isWrongCall: boolean): ExitName {
  const [name] = names;
  if (isWrongCall) {
    output.note(overview(COMMANDS));
    return 'usage';
  }
  output.line(name === undefined ? overview(COMMANDS) : helpOf(commandNamed(name)));
  return 'ok';
}

function commandNamed(name: string) {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const names = COMMANDS.map((each) => each.name);
  throw new UsageError(`${name} is not a command${suggestion(name, names)}; pgcached --help lists them`);
}

function trace(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = error instanceof CacheError ? `${error.code}\n` : '';
  return code + (error.stack ?? error.message) + (error.cause === undefined ? '' : `\ncaused by ${trace(error.cause)}`);
}
