import assert from "node:assert/strict";
import { CHAPTERS, PAGES, slugOf } from "../../../build/site/contents.ts";
import { anchorOf, languageOf, renderPage } from "../../../build/site/page_markup.ts";
import { siteFiles } from "../../../build/site/site_files.ts";

const ROOT = new URL("../../../", import.meta.url);
const read = (path: string) => Deno.readTextFileSync(new URL(path, ROOT));
const site = siteFiles(read, "1.2.3");
const pages = [...site].filter(([name]) => name.endsWith(".html"));

/** What `href` and `src` of a page name. */
function targetsOf(html: string): string[] {
  return [...html.matchAll(/\s(?:href|src)="([^"]*)"/g)].map(([, target]) => target!);
}

/** Why a target leads nowhere in the site, or `undefined`. */
function fault(name: string, target: string): string | undefined {
  if (/^(?:https?:|mailto:)/.test(target)) return undefined;
  const [path = "", anchor] = target.split("#");
  const file = path === ""
    ? name
    : path === "./"
    ? "index.html"
    : site.has(path)
    ? path
    : `${path}.html`;
  const html = site.get(file);
  if (html === undefined) return `${name}: ${target} is not there`;
  if (anchor === undefined || html.includes(` id="${anchor}"`)) return undefined;
  return `${name}: ${target} has no such heading`;
}

Deno.test("every link of the documentation leads to a page, a heading or a file", () => {
  assert.ok(pages.length > 25);
  const all = pages.flatMap(([name, html]) => targetsOf(html).map((target) => ({ name, target })));
  assert.ok(all.length > 1_000);
  assert.deepEqual(all.map(({ name, target }) => fault(name, target)).filter(Boolean), []);
});

Deno.test("every page of docs/ is in the documentation, once", () => {
  const sources = PAGES.map(({ source }) => source);
  const written = [...Deno.readDirSync(new URL("docs/", ROOT))].map(({ name }) => name)
    .filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`);
  assert.deepEqual(written.filter((path) => !sources.includes(path)), []);
  assert.equal(new Set(sources.map(slugOf)).size, sources.length);
  for (const { pages } of CHAPTERS) assert.ok(pages.length > 0);
});

Deno.test("a page has one title, marks where it stands, and holds no script or style", () => {
  for (const [name, html] of pages) {
    assert.equal(html.match(/<h1\b/g)?.length, 1, name);
    assert.match(html, /<html lang="en">/, name);
    assert.match(html, /<main id="content" tabindex="-1">/, name);
    assert.doesNotMatch(html, /<style|<script(?![^>]*src=)|\sstyle="|\son\w+="/, name);
    const marks = html.match(/aria-current="page"/g)?.length ?? 0;
    assert.equal(marks, name === "license.html" ? 0 : 1, name);
    const ids = [...html.matchAll(/\sid="([^"]*)"/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, ids.length, `${name} uses an id twice`);
  }
});

Deno.test("headings do not skip a level, so that an outline can be read", () => {
  for (const [name, html] of pages) {
    const main = html.slice(html.indexOf("<main"), html.indexOf("</main>"));
    const levels = [...main.matchAll(/<h(\d)\b/g)].map(([, level]) => Number(level));
    levels.forEach((level, index) => {
      assert.ok(level <= (levels[index - 1] ?? 0) + 1, `${name}: heading ${index} skips a level`);
    });
  }
});

Deno.test("the search's index knows every heading of every page", () => {
  const index = JSON.parse(site.get("assets/search_index.json")!) as {
    readonly page: string;
    readonly anchor: string;
    readonly text: string;
  }[];
  for (const { page, anchor } of index) {
    assert.equal(fault("index.html", anchor === "" ? page : `${page}#${anchor}`), undefined);
  }
  const found = index.find(({ anchor }) => anchor === "roomwire-check");
  assert.match(found!.text, /looks at everything/);
  assert.doesNotMatch(index.map(({ text }) => text).join(" "), /```|\]\(/);
});

Deno.test("the documentation is the same each time it is made", () => {
  assert.deepEqual([...siteFiles(read, "1.2.3")], [...site]);
});

Deno.test("renderPage() escapes what is no markup, in code, headings and links", () => {
  const page = renderPage(
    '# A <b> & `c<d>`\n\ntext\n\n```ts x\nif (a < b && c) {}\n```\n\n[l](x.md#y "t") ![p<](q.svg)\n',
    (href) => `to:${href}`,
  );
  assert.equal(page.title, "A <b> & c<d>");
  assert.match(page.html, /<code class="language-ts">if \(a &lt; b &amp;&amp; c\) \{\}<\/code>/);
  assert.match(page.html, /<a href="to:x\.md#y">l<\/a> <img src="to:q\.svg" alt="p&lt;">/);
});

Deno.test("renderPage() gives equal headings different anchors, and takes none from code", () => {
  const page = renderPage(
    "# T\n\n## A b\n\none\n\n## A b\n\n```sh\n# no heading\n```\n",
    (href) => href,
  );
  assert.deepEqual(
    page.sections.map(({ anchor, text }) => [anchor, text]),
    [["t", ""], ["a-b", "one"], ["a-b-1", "sh no heading"]],
  );
  assert.deepEqual(page.outline.map(({ anchor }) => anchor), ["a-b", "a-b-1"]);
});

Deno.test("anchorOf() makes anchors as GitHub does", () => {
  assert.equal(anchorOf("What a proxy has to do"), "what-a-proxy-has-to-do");
  assert.equal(anchorOf("Node and Deno: 2.9, `x_y`!"), "node-and-deno-29-x_y");
});

Deno.test("languageOf() takes the first word of a fence", () => {
  assert.equal(languageOf('sh not-run="x"'), "sh");
  assert.equal(languageOf(undefined), "");
});
