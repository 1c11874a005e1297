/** `npm run bench:http`: a cached page beside the same page uncached, beside other caches, and beside a constant. */
import pg from 'pg';
import { machineText, progress } from '../bench/machine.js';
import { savePage } from '../bench/save.js';
import { startServers } from '../bench/servers.js';
import { type ContenderName, constantOf, contenderOf } from './contenders.js';
import { Farm } from './farm.js';
import { type Cell, loadName, measure, type Round } from './measure.js';
import { HELP, optionsOf } from './options.js';
import { fillShop } from './page.js';
import { jsonOf, type Run, resultOf, textOf } from './report.js';

/** For all server processes together. */
const BACKENDS_MAX = 400;

type Options = ReturnType<typeof optionsOf>;

async function run({ rounds, seconds, contenders, loads }: Options): Promise<Run> {
  const servers = await startServers({ peers: ['redis'], settings: { max_connections: BACKENDS_MAX } });
  const { databaseUrl, daemonSockets, redisSocket } = servers.addresses;
  const machine = machineText(servers.versions);
  const farm = new Farm({ databaseUrl, socket: daemonSockets[0], redisSocket });
  try {
    await fill(databaseUrl);
    const absent = contenders.filter((name) => contenderOf(name).needsRedis && redisSocket === undefined);
    const cells = loads.flatMap((load) =>
      contenders
        .filter((name) => !absent.includes(name) && (load.processes === 1 || isOfSeveral(name)))
        .map((contender): Cell => ({ contender, load })),
    );
    for (const { contender, load } of cells) await farm.servers(contender, load.processes);
    const measured = new Map<Cell, Round[]>(cells.map((cell) => [cell, []]));
    for (let round = 1; round <= rounds; round++) {
      for (const cell of cells) {
        const found = await measure(cell, farm, servers, seconds);
        measured.get(cell)!.push(found);
        progress(
          `${round}/${rounds} ${loadName(cell.load)} ${cell.contender}: ${Math.round(found.requestsPerSecond)} requests/s`,
        );
      }
    }
    return { machine, rounds, seconds, absent, results: cells.map((cell) => resultOf(cell, measured.get(cell)!)) };
  } finally {
    await farm.stop();
    await servers.stop();
  }
}

/** Over several processes, only what they share is of interest, and what it is held against. */
function isOfSeveral(name: ContenderName): boolean {
  return contenderOf(name).sharing === 'processes' || name === constantOf(name);
}

async function fill(databaseUrl: string): Promise<void> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await fillShop(client);
  await client.end();
}

const TITLE = `# A cached page, beside others

Made by \`npm run bench:http\`; [performance](../performance.md#http) says what is measured. Only ratios carry over to another machine.

`;

const options = optionsOf(process.argv.slice(2));
if (options.help) process.stdout.write(HELP);
else {
  const found = await run(options);
  process.stdout.write(options.json ? jsonOf(found) : textOf(found));
  if (options.isWhole || options.save !== undefined) {
    progress(`written: ${savePage('http.md', TITLE, textOf(found), options.save)}`);
  }
}
