import { runGuide } from './guide/run.js';
import { type GuideSummary, guideLines } from './guide/summary.js';
import { type DemoOptions, HELP, readOptions } from './options.js';
import { type Audience, runDemo } from './run.js';
import { Screen } from './screen.js';
import { liveLine, liveLines, summaryLines } from './tables.js';

const SILENT: Audience = { step: () => {}, progress: () => {} };
/** As shells count it: 128 and the number of SIGINT. */
const EXIT_INTERRUPTED = 130;

class Interrupted extends Error {}

function audienceOn(screen: Screen): Audience {
  return {
    step: (text) => screen.line(text),
    progress: (summary) => screen.show(liveLines(summary), liveLine(summary)),
  };
}

async function valuesResult(options: DemoOptions, screen: Screen, halt: AbortController) {
  const summary = await runDemo(options, options.json ? SILENT : audienceOn(screen), halt);
  return [summary, summaryLines(summary)] as const;
}

async function siteResult(options: DemoOptions, screen: Screen, halt: AbortController) {
  const said = (text: string, found?: GuideSummary): void => {
    if (options.json) return;
    if (found === undefined) screen.line(text);
    else screen.show(guideLines(found), text);
  };
  const summary = await runGuide(options, said, halt);
  return [summary, guideLines(summary)] as const;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const halt = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => halt.abort(new Interrupted(`${signal}: ended early`)));
  }
  const screen = new Screen(process.stdout);
  try {
    const [summary, lines] = options.site
      ? await siteResult(options, screen, halt)
      : await valuesResult(options, screen, halt);
    screen.clear();
    process.stdout.write(`${options.json ? JSON.stringify(summary, null, 2) : lines.join('\n')}\n`);
    return summary.ok ? 0 : 1;
  } catch (error) {
    process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
    return error instanceof Interrupted ? EXIT_INTERRUPTED : 1;
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}
