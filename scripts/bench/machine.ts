import { cpus, loadavg } from 'node:os';

/** Under what a run ran, for whoever reads its figures. */
export function machineText(versions: Readonly<Record<string, string>>): string {
  const load = loadavg()[0]!.toFixed(1);
  const cores = `${cpus().length} cores (${cpus()[0]?.model.trim()})`;
  const peers = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return [`Node ${process.version}`, cores, `load ${load} at the start`, ...peers].join(', ');
}

export const progress = (text: string): void => {
  process.stderr.write(`${text}\n`);
};
