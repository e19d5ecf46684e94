/**
 * Reads TypeScript source just well enough for the architecture test: what is code and what is
 * comment, text or regular expression, and which modules are imported.
 *
 * @module
 */

/** One `import` or `export … from`, also `import("…")`. */
export interface ModuleImport {
  readonly specifier: string;
  readonly line: number;
}

/** Words after which a slash starts a regular expression. */
const BEFORE_REGEXP =
  /(?:^|[({[,;=:!&|?+\-*%<>~^]|=>|\b(?:return|typeof|case|in|of|do|else|void|delete|throw|new|await|yield))\s*$/;

/**
 * `source` with the inside of every comment, string, template text and regular expression replaced
 * by spaces; line ends, quotes and offsets stay. Code inside `${…}` stays, too.
 */
export function blankNonCode(source: string): string {
  const out: string[] = [];
  /** Open braces inside each `${…}` we are in, innermost last. */
  const templates: number[] = [];
  let at = 0;
  const blank = (end: number) => {
    for (; at < end; at++) out.push(source[at] === "\n" ? "\n" : " ");
  };
  const keep = (count: number) => {
    for (const end = at + count; at < end; at++) out.push(source[at]!);
  };
  const template = () => {
    const end = endOfTemplateText(source, at);
    blank(end);
    if (source[at] === "`") keep(1);
    else if (at < source.length) {
      keep(2);
      templates.push(0);
    }
  };
  while (at < source.length) {
    const rest2 = source.slice(at, at + 2);
    const char = source[at]!;
    if (rest2 === "//") blank(indexOrEnd(source, "\n", at));
    else if (rest2 === "/*") blank(Math.min(indexOrEnd(source, "*/", at + 2) + 2, source.length));
    else if (char === '"' || char === "'") {
      keep(1);
      blank(endOfString(source, at, char));
      keep(Math.min(1, source.length - at));
    } else if (char === "`") {
      keep(1);
      template();
    } else if (char === "/" && BEFORE_REGEXP.test(out.slice(-80).join(""))) {
      keep(1);
      blank(endOfRegExp(source, at));
      keep(Math.min(1, source.length - at));
    } else {
      keep(1);
      const depth = templates.length - 1;
      if (depth < 0) continue;
      if (char === "{") templates[depth]!++;
      else if (char === "}" && templates[depth]!-- === 0) {
        templates.pop();
        template();
      }
    }
  }
  return out.join("");
}

/** Every module this source names, in order. */
export function importsOf(source: string): ModuleImport[] {
  const code = blankNonCode(source);
  const pattern =
    /(?:\b(?:import|export)\b[^;"'`()]*?\bfrom\s*|\bimport\s*(?:\(\s*)?)(["'])(\s*)\1/g;
  const found: ModuleImport[] = [];
  for (const match of code.matchAll(pattern)) {
    const end = match.index + match[0].length - 1;
    const start = end - match[2]!.length;
    const line = source.slice(0, start).split("\n").length;
    found.push({ specifier: source.slice(start, end), line });
  }
  return found;
}

function indexOrEnd(source: string, text: string, from: number): number {
  const index = source.indexOf(text, from);
  return index < 0 ? source.length : index;
}

function endOfString(source: string, from: number, quote: string): number {
  let at = from;
  while (at < source.length && source[at] !== quote && source[at] !== "\n") {
    at += source[at] === "\\" ? 2 : 1;
  }
  return Math.min(at, source.length);
}

function endOfTemplateText(source: string, from: number): number {
  let at = from;
  while (at < source.length && source[at] !== "`" && !source.startsWith("${", at)) {
    at += source[at] === "\\" ? 2 : 1;
  }
  return Math.min(at, source.length);
}

function endOfRegExp(source: string, from: number): number {
  let at = from;
  let inClass = false;
  while (at < source.length && source[at] !== "\n" && (inClass || source[at] !== "/")) {
    if (source[at] === "[") inClass = true;
    else if (source[at] === "]") inClass = false;
    at += source[at] === "\\" ? 2 : 1;
  }
  return Math.min(at, source.length);
}

/** A function's body in blanked code. */
export interface FunctionBody {
  /** Where its opening brace is. */
  readonly line: number;
  /** From there to its closing brace. */
  readonly lines: number;
}

const BLOCK_WORDS = /(?:^|\s|\})(?:if|for|while|switch|catch|else|do|try|finally|with)\b[^;]*\{$/;
/**
 * What stands before the brace of a function: its parameters, with or without a type, or an arrow.
 */
const FUNCTION_HEAD = /(?:\)|\)\s*:\s*[^={}]*(?:\{[^{}]*\}[^={}]*)?|=>)\s*\{$/;

/**
 * Functions and methods of code that {@linkcode blankNonCode} made, by indentation as `deno fmt`
 * writes it.
 */
export function functionsOf(code: string): FunctionBody[] {
  const lines = code.split("\n");
  return lines.flatMap((text, index) => {
    if (!text.endsWith("{") || BLOCK_WORDS.test(text) || !FUNCTION_HEAD.test(text)) return [];
    const indent = /^\s*/.exec(text)![0];
    const end = lines.findIndex((other, at) => at > index && other.startsWith(`${indent}}`));
    return end < 0 ? [] : [{ line: index + 1, lines: end - index + 1 }];
  });
}
