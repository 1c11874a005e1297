import { readFileSync } from 'node:fs';
import { CacheError } from '../shared/errors.js';

/** One source of options: what it gives, and what it calls an option. */
export interface Layer {
  readonly values: Readonly<Record<string, unknown>>;
  nameOf(option: string): string;
}

/** Far more than any configuration needs; it keeps a wrong path (a device, a log) from being read for ever. */
const FILE_BYTES_MAX = 1024 * 1024;

export function readConfigFile(path: string): Layer {
  const text = readText(path, 'the config file');
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    // The parser's message quotes the text around the fault, which may be of a password.
    throw invalid(`the config file ${path} is not JSON`);
  }
  if (typeof values !== 'object' || values === null || Array.isArray(values)) {
    throw invalid(`the config file ${path} must hold one JSON object`);
  }
  return { values: values as Layer['values'], nameOf: (name) => `${name} in ${path}` };
}

/** The first line of a file, without the space around it. */
export function readSecretFile(path: string, name: string): string;
export function readSecretFile(path: string, name: string, rules: { optional: true }): string | undefined;
export function readSecretFile(path: string, name: string, rules?: { optional: true }): string | undefined {
  const text = readText(path, name, rules);
  const line = text?.split('\n')[0]?.trim();
  if (line === '') throw invalid(`${name}: ${path} is empty`);
  return line;
}

function readText(path: string, name: string): string;
function readText(path: string, name: string, rules?: { optional: true }): string | undefined;
function readText(path: string, name: string, rules?: { optional: true }): string | undefined {
  try {
    const text = readFileSync(path, 'utf8');
    if (text.length > FILE_BYTES_MAX) throw new Error(`is larger than ${FILE_BYTES_MAX} bytes`);
    return text;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (rules?.optional && code === 'ENOENT') return undefined;
    throw invalid(`${name}: ${path} cannot be read (${code ?? message})`);
  }
}

function invalid(problem: string): CacheError {
  return new CacheError('ERR_INVALID_CONFIG', problem);
}
