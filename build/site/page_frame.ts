/**
 * What stands around every page of the documentation: its head, the list of pages, search, what
 * comes before and after.
 *
 * @module
 */
import { CHAPTERS, PAGES, type SitePage, slugOf } from "./contents.ts";
import { escapeHtml, type RenderedPage } from "./page_markup.ts";

/** The address of a page from another one, which all stand in one folder. */
export function addressOf({ source }: SitePage): string {
  const slug = slugOf(source);
  return slug === "index" ? "./" : slug;
}

function link(page: SitePage, current: SitePage | undefined): string {
  const mark = page === current ? ' aria-current="page"' : "";
  return `<a href="${addressOf(page)}"${mark}>${escapeHtml(page.name)}</a>`;
}

function listOfPages(current: SitePage): string {
  return CHAPTERS.map(({ title, pages }) =>
    `<h2>${escapeHtml(title)}</h2>\n<ul>\n` +
    pages.map((page) => `<li>${link(page, current)}</li>\n`).join("") + "</ul>\n"
  ).join("");
}

function outline({ outline }: RenderedPage): string {
  if (outline.length < 3) return "";
  const items = outline.map(({ anchor, heading }) =>
    `<li><a href="#${anchor}">${escapeHtml(heading)}</a></li>\n`
  ).join("");
  return `<nav class="outline" aria-label="On this page">\n<h2>On this page</h2>\n<ul>\n${items}</ul>\n</nav>\n`;
}

function neighbours(page: SitePage): string {
  const at = PAGES.indexOf(page);
  const [before, after] = [PAGES[at - 1], PAGES[at + 1]];
  const previous = before === undefined ? "" : `<span>Before: ${link(before, undefined)}</span>`;
  const next = after === undefined ? "" : `<span>Next: ${link(after, undefined)}</span>`;
  return `<nav class="neighbours" aria-label="Neighbouring pages">${previous}${next}</nav>\n`;
}

/** A whole page. @param version As people are shown it. @param scripts Those of this page alone. */
export function framedPage(
  page: SitePage,
  rendered: RenderedPage,
  version: string,
  scripts: readonly string[],
): string {
  const title = rendered.title === "Roomwire" ? "Roomwire" : `${rendered.title} · Roomwire`;
  const modules = ["search.js", ...scripts].map((name) =>
    `<script type="module" src="assets/${name}"></script>\n`
  ).join("");
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<link rel="icon" href="assets/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="assets/site.css">
<script src="assets/theme.js"></script>
${modules}</head>
<body>
<a class="skip" href="#content">Skip to the text</a>
<header class="top">
<a class="brand" href="./"><img src="assets/icon.svg" alt="" width="26" height="26">Roomwire</a>
<form class="search" role="search" data-search>
<label for="search">Search</label>
<input id="search" type="search" autocomplete="off" aria-controls="found" aria-describedby="found-count">
</form>
<button type="button" data-theme-switch hidden>Dark</button>
</header>
<section class="found" id="found" aria-label="Found pages" hidden>
<p id="found-count" role="status"></p>
<ol></ol>
</section>
<div class="columns">
<details class="pages">
<summary>Pages</summary>
<nav aria-label="Pages">
${listOfPages(page)}</nav>
</details>
<main id="content" tabindex="-1">
${rendered.html}${neighbours(page)}</main>
${outline(rendered)}</div>
<footer><p>Roomwire ${escapeHtml(version)}, <a href="license">Apache-2.0</a></p></footer>
</body>
</html>
`;
}
