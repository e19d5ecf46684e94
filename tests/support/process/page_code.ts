/**
 * The blocks of code of a page of Markdown, and what its writer says behind a fence's language about
 * how to run one: `serves` (until it is stopped), `browser`, or why not:
 * `not-run="needs Xcode"`.
 *
 * @module
 */
import { type RoomwireProcess, TEST_KEY, TEST_SECRET } from "./roomwire_process.ts";

/** One block. */
export interface PageCode {
  readonly page: string;
  readonly line: number;
  readonly language: string;
  readonly text: string;
  readonly serves: boolean;
  readonly inBrowser: boolean;
  /** Why it is not run. */
  readonly notRun: string | undefined;
}

const WORDS = /^(?:\s*(?:serves|browser|not-run="[^"]+"))*\s*$/;

/**
 * Reads them, in order.
 *
 * @throws {Error} at words that mean nothing, and at a block without an end.
 */
export function codeOf(page: string, markdown: string): PageCode[] {
  const blocks: PageCode[] = [];
  const lines = markdown.split("\n");
  for (let index = 0; index < lines.length; index++) {
    const [, indent, language = "", words = ""] = /^(\s*)```(\w*)(.*)$/.exec(lines[index]!) ?? [];
    if (indent === undefined) continue;
    const end = lines.findIndex((line, at) => at > index && line.trim() === "```");
    if (end < 0) throw new Error(`${page}:${index + 1}: no end of this block`);
    if (!WORDS.test(words)) throw new Error(`${page}:${index + 1}: what does "${words}" mean?`);
    blocks.push({
      page,
      line: index + 1,
      language,
      text: lines.slice(index + 1, end).map((line) => line.slice(indent.length)).join("\n"),
      serves: /\bserves\b/.test(words),
      inBrowser: /\bbrowser\b/.test(words),
      notRun: /not-run="([^"]+)"/.exec(words)?.[1],
    });
    index = end;
  }
  return blocks;
}

/** The file a block is meant to be: its first line is a comment with a name. */
export function fileNameOf({ text }: PageCode): string | undefined {
  return /^# ([\w.-]+\.ya?ml)$/m.exec(text.split("\n")[0]!)?.[1];
}

/** Where a block stands. */
export const placeOf = ({ page, line }: PageCode) => `${page}:${line}`;

/** A block's text for a server elsewhere, with what its reader has to fill in. */
export function filledIn(
  text: string,
  { url, httpUrl }: Pick<RoomwireProcess, "url" | "httpUrl">,
): string {
  return text
    .replaceAll("ws://localhost:7880", url)
    .replaceAll(/https?:\/\/(?:localhost:7880|sfu\.example\.com|calls\.example\.com)/g, httpUrl)
    .replaceAll('"devkey", "secret"', `"${TEST_KEY}", "${TEST_SECRET}"`)
    .replaceAll("apiKey, apiSecret", `"${TEST_KEY}", "${TEST_SECRET}"`);
}
