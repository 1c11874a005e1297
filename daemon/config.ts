import { isAbsolute, join } from 'node:path';
import { CacheError } from '../shared/errors.js';
import { suggestion } from '../shared/nearest.js';
import { LIMIT } from '../shared/protocol.js';
import { databasesOf } from './databases.js';
import {
  ENVIRONMENT_PREFIX,
  type Environment,
  environmentOf,
  flagOf,
  type Kinds,
  OPTION_NAMES,
  OPTIONS,
  type OptionName,
  optionOf,
} from './options.js';
import { readValue } from './readers.js';
import { redact, redactDeep } from './redact.js';
import { type Layer, readConfigFile, readSecretFile } from './sources.js';

type Present<Name extends OptionName> = (typeof OPTIONS)[Name] extends { default: infer Default }
  ? Default extends (environment: Environment) => infer Value
    ? Value
    : Kinds[(typeof OPTIONS)[Name]['kind']]
  : undefined;

/**
 * The daemon's configuration: validated, complete, frozen. `databaseUrl` undefined means that Postgres's own
 * environment (PGHOST, PGDATABASE, …) says where it is.
 */
export type Config = {
  readonly [Name in OptionName]: Present<Name> extends undefined
    ? Kinds[(typeof OPTIONS)[Name]['kind']] | undefined
    : undefined extends Present<Name>
      ? Kinds[(typeof OPTIONS)[Name]['kind']] | undefined
      : Kinds[(typeof OPTIONS)[Name]['kind']];
};

/** What a caller may give: every option, durations and sizes also as text, several URLs as an array. */
export type ConfigInput = {
  readonly [Name in OptionName]?:
    | Config[Name]
    | (Name extends 'namespaces' ? object : string)
    | (Name extends 'databaseUrl' | 'listenUrl' ? readonly string[] : never);
};

export interface Sources {
  /** From the command line: text, true, or several texts. */
  readonly flags?: Readonly<Record<string, unknown>>;
  /** From a program, in place of flags. */
  readonly options?: ConfigInput;
  /** Usually process.env; nothing if left out. */
  readonly environment?: Environment;
}

/**
 * Puts the configuration together: flags or a program's options, then the environment (`PGCACHED_…`), then a credential
 * of systemd (`database-url`), then the file that `config` names, then the defaults.
 * @throws CacheError ERR_INVALID_CONFIG, which names the source of what is wrong
 */
export function loadConfig({ flags, options, environment = {} }: Sources): Config {
  const layers: Layer[] = [];
  if (flags !== undefined) layers.push({ values: flags, nameOf: flagOf });
  if (options !== undefined) layers.push({ values: options as Layer['values'], nameOf: (name) => name });
  layers.push(environmentLayer(environment));
  for (const layer of layers) checkNames(layer);
  const path = read('config', layers)?.value;
  const file = typeof path === 'string' ? [readConfigFile(path)] : [];
  for (const layer of file) checkNames(layer);
  const all = [...layers, ...credentialLayer(environment), ...file];

  const config: Record<string, unknown> = {};
  for (const name of OPTION_NAMES) config[name] = read(name, all)?.value ?? defaultOf(name, environment);
  config.databaseUrl = readDatabaseUrl(all);
  // It has been read. Given again beside the URL it would be a second answer to one question.
  config.databaseUrlFile = undefined;
  return Object.freeze(checkTogether(config as Config));
}

/** A program's options over the environment: what `startDaemon` does with its argument. A Config comes out as it went in. */
export function resolveConfig(options: ConfigInput, environment: Environment = process.env): Config {
  return loadConfig({ options, environment });
}

/** The configuration as plain data to show, without any password. */
export function describeConfig(config: Config): Record<string, unknown> {
  return redactDeep(JSON.parse(JSON.stringify(config, (_, value) => (value === Infinity ? 'Infinity' : value))));
}

interface Found {
  readonly value: Kinds[keyof Kinds];
  readonly layer: Layer;
}

function read(name: OptionName, layers: readonly Layer[]): Found | undefined {
  for (const layer of layers) {
    const raw = layer.values[name];
    if (raw === undefined) continue;
    try {
      return { value: readValue(raw, optionOf(name)), layer };
    } catch (error) {
      const shown =
        optionOf(name).kind === 'databases' || typeof raw === 'object' ? '' : `, not ${JSON.stringify(raw)}`;
      throw invalid(`${layer.nameOf(name)} ${(error as Error).message}${redact(shown)}`);
    }
  }
  return undefined;
}

/** Of the URL and the file that holds it the one of the nearer source counts; one source may not give both. */
function readDatabaseUrl(layers: readonly Layer[]): Config['databaseUrl'] {
  for (const layer of layers) {
    const url = read('databaseUrl', [layer]);
    const file = read('databaseUrlFile', [layer]);
    if (url !== undefined && file !== undefined) {
      throw invalid(`${layer.nameOf('databaseUrl')} and ${layer.nameOf('databaseUrlFile')} are given both: give one`);
    }
    if (url !== undefined) return url.value as Config['databaseUrl'];
    if (file === undefined) continue;
    const name = layer.nameOf('databaseUrlFile');
    const inFile: Layer = { values: { databaseUrl: readSecretFile(file.value as string, name) }, nameOf: () => name };
    return read('databaseUrl', [inFile])?.value as Config['databaseUrl'];
  }
  return undefined;
}

function defaultOf(name: OptionName, environment: Environment): unknown {
  const option = optionOf(name);
  const value = typeof option.default === 'function' ? option.default(environment) : option.default;
  return value === undefined ? undefined : readValue(value, option);
}

function environmentLayer(environment: Environment): Layer {
  const values: Record<string, string> = {};
  const names = new Map(OPTION_NAMES.map((name) => [environmentOf(name), name]));
  for (const [variable, value] of Object.entries(environment)) {
    if (!variable.startsWith(ENVIRONMENT_PREFIX) || value === undefined || value === '') continue;
    const name = names.get(variable);
    if (name === undefined) {
      throw invalid(`the environment variable ${variable} is not known${suggestion(variable, [...names.keys()])}`);
    }
    values[name] = value;
  }
  return { values, nameOf: environmentOf };
}

/** systemd's `LoadCredential=database-url:…` puts the URL into a file that only this service can read. */
function credentialLayer(environment: Environment): Layer[] {
  const folder = environment.CREDENTIALS_DIRECTORY;
  if (folder === undefined || !isAbsolute(folder)) return [];
  const path = join(folder, 'database-url');
  const url = readSecretFile(path, 'the credential database-url', { optional: true });
  return url === undefined ? [] : [{ values: { databaseUrl: url }, nameOf: () => 'the credential database-url' }];
}

function checkNames({ values, nameOf }: Layer): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === undefined || Object.hasOwn(OPTIONS, name)) continue;
    throw invalid(`${nameOf(name)} is not an option${suggestion(nameOf(name), OPTION_NAMES.map(nameOf))}`);
  }
}

/** What no option can tell by itself. */
function checkTogether(config: Config): Config {
  if (config.pollIntervalMs > config.staleBoundMs / 2) {
    throw invalid(
      `pollIntervalMs (${config.pollIntervalMs}) must be at most half of staleBoundMs (${config.staleBoundMs}): one lost answer must not make memory useless`,
    );
  }
  if (config.maxValueBytes > config.maxBytes) {
    throw invalid(`maxValueBytes (${config.maxValueBytes}) must be at most maxBytes (${config.maxBytes})`);
  }
  const socketBytes = Buffer.byteLength(config.socket);
  if (socketBytes > LIMIT.socketPathBytesMax) {
    throw invalid(
      `socket has ${socketBytes} bytes, more than the ${LIMIT.socketPathBytesMax} that a socket path can have`,
    );
  }
  checkPlacement(config);
  const namespaceTables = Object.values(config.namespaces).map(({ table }) => table);
  if (namespaceTables.includes(config.table))
    throw invalid(`a namespace has the table of the default one, ${config.table}`);
  return config;
}

function checkPlacement(config: Config): void {
  let names: readonly string[];
  try {
    names = databasesOf(config).map(({ name }) => name);
  } catch (error) {
    throw invalid((error as Error).message);
  }
  for (const [namespace, { tiers, placement, database }] of Object.entries(config.namespaces)) {
    if (database !== undefined && !names.includes(database)) {
      throw invalid(`namespaces.${namespace}.database is not one of ${names.join(', ')}`);
    }
    if (database !== undefined && placement === 'spread') {
      throw invalid(`namespaces.${namespace} can't both be spread and lie on one database`);
    }
    if (tiers === 'memory' && (placement ?? database) !== undefined) {
      throw invalid(`namespaces.${namespace} is kept in memory alone: it lies on no database`);
    }
  }
}

function invalid(problem: string): CacheError {
  return new CacheError('ERR_INVALID_CONFIG', problem);
}
