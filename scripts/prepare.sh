# Functions of scripts/test and scripts/start; the working directory is the checkout.

say() { printf -- '-- %s\n' "$*" >&2; }

require_node() {
  if ! command -v node >/dev/null 2>&1; then
    say 'Node.js 20 or later is needed, and there is no node on the PATH: see https://nodejs.org'
    exit 1
  fi
  if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) >= 20 ? 0 : 1)'; then
    say "Node.js 20 or later is needed; this is $(node --version)"
    exit 1
  fi
}

# npm writes what it has installed to node_modules/.package-lock.json; our stamp says for which package-lock.json.
install_dependencies() {
  local stamp=node_modules/.pgcached-lock
  local wanted
  wanted="$(node -p 'process.platform + process.arch') $(cksum <package-lock.json)"
  if [[ -f $stamp && $(cat "$stamp") == "$wanted" ]]; then
    say 'dependencies: up to date'
    return
  fi
  # Nothing here needs an install script: the links of the embedded Postgres are made at its first start.
  local flags=(--ignore-scripts --include=dev --include=optional --no-audit --no-fund --loglevel=error)
  # Not npm ci: the lock file lacks packages for other platforms that its registry did not have, which npm ci refuses.
  # npm install keeps to the versions and hashes of the lock file all the same.
  say 'dependencies: npm install'
  npm install --no-save "${flags[@]}" >&2
  printf '%s\n' "$wanted" >"$stamp"
}

# A compiled file whose source is gone would still be found by those that look for files.
remove_stale() {
  node -e '
    const { existsSync, readdirSync, rmSync } = require("node:fs");
    const { join, relative } = require("node:path");
    if (!existsSync("dist")) process.exit();
    for (const entry of readdirSync("dist", { recursive: true, withFileTypes: true })) {
      const at = join(entry.parentPath ?? entry.path, entry.name);
      const stem = /^(.*?)(\.d\.ts|\.js)(\.map)?$/.exec(relative("dist", at));
      if (entry.isFile() && stem && !existsSync(stem[1] + ".ts")) rmSync(at);
    }'
}

build() {
  say 'building'
  remove_stale
  npx --no-install tsc -b
}
