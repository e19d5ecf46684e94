/**
 * Reads Markdown just well enough for the architecture test: which files a page names, and where
 * its links lead.
 *
 * @module
 */

/** A name or path with an ending, in a line or block of code. */
const FILE_NAME = /(?<![\w/.…-])[\w-][\w/.-]*\.\w+\b(?![/.(])/g;
/** A text in backticks, or a block of code. */
const CODE = /```[\s\S]*?```|`[^`\n]+`/g;
/** A whole path of the project in backticks, file or folder. */
const PATH = /^`([\w-]+(?:\/[\w.-]+)+\/?)`$/;

/** What `page` names in code: paths, and files by their names; once each, in order. */
export function namesInCode(page: string): string[] {
  const names = [...page.matchAll(CODE)].flatMap(([code]) =>
    PATH.exec(code)?.slice(1) ?? (code.match(FILE_NAME) ?? [])
  );
  return [...new Set(names)];
}

/** Targets of relative links, without their anchors, in order. */
export function linksOf(page: string): string[] {
  return [...page.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(([, target]) => target!)
    .filter((target) => !target.includes(":"));
}
