import { readFileSync, writeFileSync } from 'node:fs';
import { COMMANDS } from '../daemon/cli/commands.js';
import { helpOf, overview } from '../daemon/cli/help.js';
import { optionsTable } from '../daemon/show-option.js';

/** The parts of the documentation that are written from the code: file, marker, text. */
export const GENERATED = [
  { file: 'docs/configuration.md', marker: 'options', text: optionsTable },
  { file: 'docs/command.md', marker: 'commands', text: commandHelp },
] as const;

function commandHelp(): string {
  const sections = COMMANDS.map((command) => `## ${command.name}\n\n${block(helpOf(command))}`);
  return [block(overview(COMMANDS)), ...sections].join('\n\n');
}

function block(text: string): string {
  return `\`\`\`text\n${text}\n\`\`\``;
}

/** The document with what stands between the markers replaced. @throws Error where the markers are missing */
export function withGenerated(document: string, marker: string, text: string): string {
  const pattern = new RegExp(`(<!-- ${marker}: [^>]* -->\n)[^]*?(<!-- end -->)`);
  if (!pattern.test(document)) throw new Error(`the markers of ${marker} are missing`);
  return document.replace(pattern, (_, start: string, end: string) => `${start}\n${text}\n\n${end}`);
}

if (process.argv[1]?.endsWith('/scripts/docs.js')) {
  for (const { file, marker, text } of GENERATED) {
    writeFileSync(file, withGenerated(readFileSync(file, 'utf8'), marker, text()));
  }
}
