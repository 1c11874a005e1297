import { createInterface } from 'node:readline/promises';
import { DEFAULT_NAMESPACE } from '../../../shared/protocol.js';
import type { Command } from '../command.js';
import { UsageError } from '../exit.js';
import { CLIENT_OPTIONS, CLIENT_OWN, withClient } from '../with-client.js';

export const clear: Command = {
  name: 'clear',
  summary: 'drop every entry of a namespace, on every server',
  operands: '',
  operandsMin: 0,
  operandsMax: 0,
  details: 'Asks first on a terminal; elsewhere --yes is needed.',
  own: ['yes', ...CLIENT_OWN],
  options: CLIENT_OPTIONS,
  async run(call) {
    const namespace = String(call.own.namespace ?? DEFAULT_NAMESPACE);
    if (!call.own.yes && !(await isConfirmed(namespace))) {
      call.output.error('nothing was dropped');
      return 'failed';
    }
    await withClient(call, (client) => client.clear());
    return 'ok';
  },
};

async function isConfirmed(namespace: string): Promise<boolean> {
  if (!process.stdin.isTTY) throw new UsageError('clear needs --yes where nobody can be asked');
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`Drop every entry of the namespace ${namespace}, on every server? [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
