/**
 * One page of Markdown as HTML: headings that can be linked to, tables and code that scroll by
 * keyboard, and links that lead to pages of the site or to copies of the project's files.
 *
 * @module
 */
import { Marked, type Tokens } from "marked";

/** A part of a page that a search finds. */
export interface PageSection {
  /** Empty before the first heading. */
  readonly anchor: string;
  readonly heading: string;
  /** Words in it, without markup. */
  readonly text: string;
}

/** A page, rendered. */
export interface RenderedPage {
  readonly title: string;
  readonly html: string;
  readonly sections: readonly PageSection[];
  /** Headings of the second level, for the list beside the page. */
  readonly outline: readonly PageSection[];
}

/** Where a link of a page leads in the site. */
export type LinkTarget = (href: string) => string;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
};

/** Text as HTML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => ESCAPES[character]!);
}

/** The anchor of a heading, as GitHub makes it, so that links work in both places. */
export function anchorOf(heading: string): string {
  return heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(" ", "-");
}

/** The first word of what stands behind a fence: `sh not-run="..."` is `sh`. */
export function languageOf(info: string | undefined): string {
  return /^\w*/.exec(info ?? "")![0];
}

/** What a part of the page says, without its markup. */
function plainText(markdown: string): string {
  return markdown
    .replace(/<!--[\s\S]*?-->/g, " ")
    .replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1")
    .replace(/^\s*\|?[\s:|-]+\|?\s*$/gm, " ")
    .replace(/^\s*(?:[>#*-]|\d+\.)\s+/gm, " ")
    .replace(/[`|]|\*\*/g, " ")
    .replace(/\s+/g, " ")
    .trim();
}

/** Renders `markdown`. @param target What becomes of each link and picture. */
export function renderPage(markdown: string, target: LinkTarget): RenderedPage {
  const anchors = new Map<string, number>();
  const headings: { level: number; anchor: string; heading: string }[] = [];
  const marked = new Marked({ gfm: true });
  const uniqueAnchor = (heading: string) => {
    const anchor = anchorOf(heading);
    const seen = anchors.get(anchor) ?? 0;
    anchors.set(anchor, seen + 1);
    return seen === 0 ? anchor : `${anchor}-${seen}`;
  };
  marked.use({
    renderer: {
      heading({ tokens, depth, text }: Tokens.Heading) {
        const heading = text.replace(/!?\[([^\]]*)\]\([^)]*\)/g, "$1").replace(/`|\*\*/g, "");
        const anchor = uniqueAnchor(heading);
        headings.push({ level: depth, anchor, heading });
        const inside = this.parser.parseInline(tokens);
        if (depth === 1) return `<h1 id="${anchor}">${inside}</h1>\n`;
        return `<h${depth} id="${anchor}">${inside} <a class="anchor" href="#${anchor}" ` +
          `aria-label="Link to “${escapeHtml(heading)}”">#</a></h${depth}>\n`;
      },
      code({ text, lang }: Tokens.Code) {
        const language = languageOf(lang);
        const name = language === "" ? "" : ` class="language-${language}"`;
        return `<pre tabindex="0"><code${name}>${escapeHtml(text)}</code></pre>\n`;
      },
      html({ text }: Tokens.HTML | Tokens.Tag) {
        return text.startsWith("<!--") ? text : escapeHtml(text);
      },
      link({ href, tokens }: Tokens.Link) {
        return `<a href="${escapeHtml(target(href))}">${this.parser.parseInline(tokens)}</a>`;
      },
      image({ href, text }: Tokens.Image) {
        return `<img src="${escapeHtml(target(href))}" alt="${escapeHtml(text)}">`;
      },
    },
  });
  const body = marked.parse(markdown, { async: false });
  const html = body
    .replaceAll("<table>", '<div class="table" tabindex="0"><table>')
    .replaceAll("</table>", "</table></div>")
    .replaceAll("<th></th>", "<td></td>");
  const sections = sectionsOf(markdown, headings);
  const isChapter = new Set(
    headings.filter(({ level }) => level === 2).map(({ anchor }) => anchor),
  );
  return {
    title: headings.find(({ level }) => level === 1)?.heading ?? "",
    html,
    sections,
    outline: sections.filter(({ anchor }) => isChapter.has(anchor)),
  };
}

/** Cuts the page at its headings; those in code are none. */
function sectionsOf(
  markdown: string,
  headings: readonly { readonly anchor: string; readonly heading: string }[],
): PageSection[] {
  const parts: string[][] = [[]];
  let isCode = false;
  for (const line of markdown.split("\n")) {
    if (/^\s*```/.test(line)) isCode = !isCode;
    if (!isCode && /^#{1,6} /.test(line)) parts.push([]);
    else parts.at(-1)!.push(line);
  }
  return parts.slice(1).map((lines, index) => ({
    anchor: headings[index]?.anchor ?? "",
    heading: headings[index]?.heading ?? "",
    text: plainText(lines.join("\n")),
  }));
}
