/**
 * Lists what the service needs of this package, one `from<TAB>to` a line, `to` relative to the folder that it is
 * installed into: the package itself as `app`, and its production dependencies in the layout that npm gave them, so that
 * what runs is what was tested and no registry is asked. Dependencies are searched as Node does, in each `node_modules`
 * on the way up: they are below the package in a checkout or a global install, and beside it in a project.
 *
 * Optional dependencies of the package itself are left out: they bring the Postgres of `pgcached dev`.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';

const root = realpathSync(join(import.meta.dirname ?? dirname(new URL(import.meta.url).pathname), '..'));
const beside = basename(dirname(root)) === 'node_modules' ? dirname(root) : undefined;
const found = new Set();

function manifestOf(folder) {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
}

function find(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const candidate = join(folder, 'node_modules', name);
    if (existsSync(join(candidate, 'package.json'))) return candidate;
    if (folder === dirname(folder)) return undefined;
  }
}

function target(folder) {
  for (const [base, prefix] of [
    [root, 'app'],
    [beside, 'node_modules'],
  ]) {
    if (base !== undefined && folder.startsWith(base + sep)) return join(prefix, relative(base, folder));
  }
  throw new Error(
    `${folder} lies neither below nor beside the package: install it with npm, or run npm install in the checkout`,
  );
}

function visit(folder, required, optional) {
  for (const name of [...required, ...optional]) {
    const dependency = find(name, folder);
    if (dependency === undefined) {
      if (optional.includes(name)) continue;
      throw new Error(`${name}, which ${folder} needs, is not installed: run npm install --omit=dev first`);
    }
    if (found.has(dependency)) continue;
    found.add(dependency);
    const manifest = manifestOf(dependency);
    const optionalNames = [
      ...Object.keys(manifest.optionalDependencies ?? {}),
      ...Object.keys(manifest.peerDependencies ?? {}),
    ];
    // npm writes an optional dependency into both lists when it publishes some packages.
    const requiredNames = Object.keys(manifest.dependencies ?? {}).filter((each) => !optionalNames.includes(each));
    visit(dependency, requiredNames, optionalNames);
  }
}

try {
  const manifest = manifestOf(root);
  if (!existsSync(join(root, manifest.bin.pgcached))) {
    throw new Error(`${manifest.bin.pgcached} is missing: run npm install && npm run build first`);
  }
  visit(root, Object.keys(manifest.dependencies), []);
  const lines = ['package.json', 'LICENSE', ...manifest.files]
    .filter((name) => existsSync(join(root, name)))
    .map((name) => `${join(root, name)}\t${join('app', name)}`);
  // A folder that holds another comes first, so that copying it does not meet the other's target already there.
  for (const folder of [...found].sort()) lines.push(`${folder}\t${target(folder)}`);
  process.stdout.write(`${lines.join('\n')}\n`);
} catch (error) {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
