/** One `Name=value` of a unit file, with the section that it stands in and the comment above it. */
export interface Directive {
  readonly section: string;
  readonly name: string;
  readonly value: string;
  readonly line: number;
  /** The comment lines directly above, without their marks; empty where there are none. */
  readonly reason: string;
}

/**
 * Reads a unit file as these are written here: one directive a line, no continuation lines.
 * @throws Error naming the line that is neither a section, a directive, a comment nor empty
 */
export function parseUnit(text: string): Directive[] {
  const directives: Directive[] = [];
  let section = '';
  let comment: string[] = [];
  for (const [index, line] of text.split('\n').entries()) {
    const header = /^\[([A-Z][a-z]+)\]$/.exec(line);
    const directive = /^([A-Z][A-Za-z]*)=(.*)$/.exec(line);
    if (line.startsWith('#')) {
      comment.push(line.replace(/^#+ ?/, ''));
      continue;
    }
    if (header) section = header[1] ?? '';
    else if (directive && section !== '' && !line.endsWith('\\')) {
      const [, name = '', value = ''] = directive;
      directives.push({ section, name, value, line: index + 1, reason: comment.join(' ') });
    } else if (line !== '') throw new Error(`line ${index + 1} is not understood: ${line}`);
    comment = [];
  }
  return directives;
}
