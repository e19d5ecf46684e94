/**
 * The whole documentation as files: pages, the search's index, styles, scripts, and copies of what
 * pages link to. Deterministic: the same sources give the same bytes.
 *
 * @module
 */
import { CHAPTERS, PAGES, type SitePage, slugOf } from "./contents.ts";
import { addressOf, framedPage } from "./page_frame.ts";
import { escapeHtml, type RenderedPage, renderPage } from "./page_markup.ts";
import { calculatorMarkup } from "./calculator_markup.ts";

/** Reads a file of the project by its path there. */
export type ReadFile = (path: string) => string;

const ASSETS = [
  "site.css",
  "theme.js",
  "search.js",
  "search_ranking.js",
  "calculator.js",
  "sizing_model.js",
];
const ICON = "web/icon.svg";
/** Where in a page the calculator stands. */
const CALCULATOR = "<!-- calculator -->";

/** Where a path leads that is written in `source`; with `..` taken out. */
function resolved(source: string, href: string): string {
  return new URL(href, `http://x/${source}`).pathname.slice(1);
}

/** Name in the site → content. */
export function siteFiles(read: ReadFile, version: string): Map<string, string> {
  const files = new Map<string, string>();
  const bySource = new Map(PAGES.map((page) => [page.source, page]));
  const sections: Record<string, string>[] = [];
  for (const page of PAGES) {
    const rendered = renderPage(read(page.source), (href) => {
      if (/^(?:[a-z]+:|#)/.test(href)) return href;
      const [path = "", anchor] = href.split("#");
      const target = resolved(page.source, path);
      const other = bySource.get(target);
      const at = target === "LICENSE"
        ? "license"
        : other === undefined
        ? copied(target)
        : addressOf(other);
      return anchor === undefined ? at : `${at}#${anchor}`;
    });
    files.set(`${slugOf(page.source)}.html`, withCalculator(page, rendered));
    for (const { anchor, heading, text } of rendered.sections) {
      sections.push({ page: addressOf(page), title: page.name, anchor, heading, text });
    }
  }
  files.set("assets/search_index.json", JSON.stringify(sections));
  for (const name of ASSETS) files.set(`assets/${name}`, read(`build/site/assets/${name}`));
  files.set("assets/icon.svg", read(ICON));
  files.set("license.html", licencePage());
  return files;

  /** A file of the project that a page links to, as text beside the pages; a picture as it is. */
  function copied(path: string): string {
    const isPicture = path.endsWith(".svg");
    const name = isPicture ? `assets/${path.split("/").at(-1)}` : `files/${path}.txt`;
    files.set(name, read(path));
    return name;
  }

  function withCalculator(page: SitePage, rendered: RenderedPage): string {
    const has = rendered.html.includes(CALCULATOR);
    const html = rendered.html.replace(CALCULATOR, () => calculatorMarkup());
    return framedPage(page, { ...rendered, html }, version, has ? ["calculator.js"] : []);
  }

  function licencePage(): string {
    const page = { source: "LICENSE", name: "Licence" };
    const text = `<h1>Licence</h1>\n<pre tabindex="0">${escapeHtml(read("LICENSE"))}</pre>\n`;
    const rendered = { title: "Licence", html: text, sections: [], outline: [] };
    return framedPage(page, rendered, version, []);
  }
}

/** How many chapters and pages there are, for who builds. */
export function siteSummary(): string {
  return `${PAGES.length} pages in ${CHAPTERS.length} chapters`;
}
