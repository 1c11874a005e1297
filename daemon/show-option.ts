import { environmentOf, flagOf, OPTION_NAMES, type OptionName, optionOf } from './options.js';
import { showBytes } from './values.js';

/** How the documentation and `--help` tell of an option; both take it from here, so that they cannot differ. */

export function showDefault(name: OptionName): string {
  const option = optionOf(name);
  if (option.defaultText !== undefined) return option.defaultText;
  if (option.default === undefined || typeof option.default === 'function') return 'none';
  return `\`${showValue(name, option.default)}\``;
}

/** `1 … 64`, or nothing where there is no range. */
export function showRange(name: OptionName): string {
  const { min, max } = optionOf(name);
  return min === undefined || max === undefined ? '' : `${showValue(name, min)} … ${showValue(name, max)}`;
}

function showValue(name: OptionName, value: unknown): string {
  return optionOf(name).kind === 'bytes' ? showBytes(value as number).replace(' bytes', '') : String(value);
}

/** The table of docs/configuration.md. */
export function optionsTable(): string {
  const rows = OPTION_NAMES.map((name) => {
    const help = optionOf(name).help.replaceAll('|', '\\|');
    return `| \`${name}\` | ${showDefault(name)} | ${showRange(name)} | ${help} | \`${flagOf(name)}\` | \`${environmentOf(name)}\` |`;
  });
  return ['| option | default | range | what it is | flag | environment |', '|---|---|---|---|---|---|', ...rows].join(
    '\n',
  );
}
