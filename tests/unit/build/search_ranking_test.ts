import assert from "node:assert/strict";
import { excerptOf, search, wordsOf } from "../../../build/site/assets/search_ranking.js";

const section = (title: string, heading: string, text: string) => ({
  page: title.toLowerCase(),
  title,
  anchor: heading.toLowerCase(),
  heading,
  text,
});
const SECTIONS = [
  section("Addresses", "Ports", "Media uses one UDP port for each worker."),
  section("Deployments", "Which ports to open", "TCP 443, and rtc.udp_port for media."),
  section("Recording", "Retention", "By age and by size. Reporting is another thing."),
];

const headings = (question: string) =>
  search(SECTIONS, question).map(({ heading }: { heading: string }) => heading);

Deno.test("search() finds sections that hold every word, headings before texts", () => {
  assert.deepEqual(headings("ports"), ["Ports", "Which ports to open"]);
  assert.deepEqual(headings("media UDP"), ["Ports", "Which ports to open"]);
  assert.deepEqual(headings("media retention"), []);
  assert.deepEqual(headings("rtc.udp_port"), ["Which ports to open"]);
});

Deno.test("search() finds words by their beginning sooner than by their middle", () => {
  const [first] = search(
    [section("A", "x", "a report"), section("B", "y", "port of call")],
    "port",
  );
  assert.equal(first.title, "B");
});

Deno.test("search() finds words side by side, and short texts, sooner than a long table", () => {
  const table = section(
    "Table",
    "All of them",
    `key key stream stream ${"row of it ".repeat(2_000)}`,
  );
  const apart = section("Drops", "Reasons", "a stream that ended; a key that came");
  const meant = section("Ingress", "RTMP", "OBS asks for the stream key.");
  const found = search([table, apart, meant], "stream key");
  assert.deepEqual(found.map(({ title }: { title: string }) => title), [
    "Ingress",
    "Drops",
    "Table",
  ]);
});

Deno.test("search() finds nothing for nothing, and takes no part of a question as a pattern", () => {
  assert.deepEqual(headings(""), []);
  assert.deepEqual(headings("  ?? "), []);
  assert.deepEqual(headings(".*"), []);
  assert.deepEqual(wordsOf("What's (rtc.udp_port)?"), ["what", "s", "rtc.udp_port"]);
});

Deno.test("excerptOf() shows the words with what stands around them, in whole words", () => {
  const text = `${"begin ".repeat(40)}needle ${"end ".repeat(80)}`.trim();
  const excerpt = excerptOf(text, ["needle"]);
  assert.match(excerpt, /^… begin (?:begin )*needle (?:end )+…$/);
  assert.ok(excerpt.length < 200);
  assert.equal(excerptOf("short", ["none"]), "short");
});
