/**
 * Keys out of what a terminal sends (ECMA-48, xterm). Pure and total: what is no key is left out.
 *
 * @module
 */

const SEQUENCES: Readonly<Record<string, string>> = {
  "[A": "up",
  "[B": "down",
  "[C": "right",
  "[D": "left",
  "OA": "up",
  "OB": "down",
  "OC": "right",
  "OD": "left",
  "[H": "home",
  "[F": "end",
  "OH": "home",
  "OF": "end",
  "[1~": "home",
  "[4~": "end",
  "[5~": "page-up",
  "[6~": "page-down",
};
const NAMED: Readonly<Record<string, string>> = {
  "\r": "enter",
  "\n": "enter",
  "\t": "tab",
  "\x7f": "backspace",
  "\b": "backspace",
  "\x03": "ctrl-c",
  "\x04": "ctrl-c",
};
/** An escape sequence; alone it is the escape key. */
// deno-lint-ignore no-control-regex
const KEY = /\x1b(?:\[[\d;]*[A-Za-z~]|O[A-Za-z])|\x1b|[^\x1b]/gu;

/** Names of keys (`up`, `enter`, `ctrl-c`), and characters as they are. */
export function readKeys(text: string): string[] {
  return [...text.matchAll(KEY)].flatMap(([found]) => {
    if (found === "\x1b") return ["escape"];
    if (found.startsWith("\x1b")) return SEQUENCES[found.slice(1)] ?? [];
    return NAMED[found] ?? (/^[\p{Cc}\p{Cs}]$/u.test(found) ? [] : [found]);
  });
}
