import { writeSync } from 'node:fs';
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

// To be preloaded with --import: writes the address of every module that is imported to stderr.

if (isMainThread) register(import.meta.url);

type Next = (specifier: string, context: object) => Promise<{ url: string }>;

export async function resolve(specifier: string, context: object, next: Next): Promise<{ url: string }> {
  const found = await next(specifier, context);
  writeSync(2, `${found.url}\n`);
  return found;
}
