/**
 * What a wrong command line is answered: what is wrong, and what was probably meant. Pure.
 *
 * @module
 */
import { nearestName } from "./config/nearest_name.ts";

const UNKNOWN_OPTION = /^error: unknown option '(-{1,2})([^'=]*)(?:=[^']*)?'/;
const UNKNOWN_COMMAND =
  /^error: too many arguments\. Expected 0 arguments but got \d+: ([^,\s]+?)\.?(?:,|\s|$)/;

/**
 * The parser's message about the command line, with the nearest known name.
 *
 * @param flags Long names without dashes, hidden ones too, of the command that was called.
 * @param commands Names of all commands.
 */
export function explainUsage(
  message: string,
  flags: readonly string[],
  commands: readonly string[],
): string {
  const option = UNKNOWN_OPTION.exec(message);
  if (option !== null) {
    const [, dashes, name] = option as unknown as [string, string, string];
    // Another program's single dash is found by its whole name.
    const near = flags.includes(name) ? name : nearestName(name, flags) ?? sameEnding(name, flags);
    return `error: unknown option '${dashes}${name}'${hint(near && `--${near}`)}\n`;
  }
  const command = UNKNOWN_COMMAND.exec(message)?.[1];
  if (command === undefined) return message;
  return `error: unknown command '${command}'${hint(nearestName(command, commands))}\n`;
}

/** `tcp_port` for `rtc.tcp_port`, if there is only one that ends so. */
function sameEnding(name: string, flags: readonly string[]): string | undefined {
  const ending = `.${name.replaceAll("-", "_")}`;
  const found = flags.filter((flag) => flag.endsWith(ending));
  return found.length === 1 ? found[0] : undefined;
}

function hint(near: string | undefined): string {
  return near ? `, did you mean "${near}"?` : "";
}
