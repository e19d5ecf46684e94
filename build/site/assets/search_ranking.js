/**
 * Which sections of the documentation answer a question, best first. Pure: tests run it as it is.
 */

/** A hit in a heading weighs as much as so many in the text. */
const HEADING_WEIGHT = 12;
const TITLE_WEIGHT = 6;
/** The words of a question one behind the other, as they were asked for. */
const PHRASE_WEIGHT = 12;
/** In a text of more characters a hit says less. */
const LONG_TEXT = 3_000;
/** More of the same word in one text says little. */
const MOST_HITS = 4;
const MOST_FOUND = 20;
const BEFORE = 60;
const EXCERPT = 180;

/** The words of a question. */
export function wordsOf(question) {
  return question.toLowerCase().match(/[\p{L}\p{N}_]+(?:[.-][\p{L}\p{N}_]+)*/gu) ?? [];
}

function hits(text, word) {
  let count = 0;
  for (let at = text.indexOf(word); at >= 0 && count < MOST_HITS; at = text.indexOf(word, at + 1)) {
    // A word that begins so, and not one that only contains it, is what was looked for.
    count += at === 0 || /[^\p{L}\p{N}]/u.test(text[at - 1]) ? 1 : 0.25;
  }
  return Math.min(count, MOST_HITS);
}

function score(section, words) {
  const title = section.title.toLowerCase();
  const heading = section.heading.toLowerCase();
  const text = section.text.toLowerCase();
  // Whatever is asked for stands somewhere in a long table.
  const worth = Math.min(1, LONG_TEXT / text.length);
  let sum = 0;
  if (words.length > 1) {
    const phrase = words.join(" ");
    if (hits(`${heading} ${text}`, phrase) >= 1) sum += PHRASE_WEIGHT;
  }
  for (const word of words) {
    const found = worth * hits(text, word) + HEADING_WEIGHT * hits(heading, word) +
      TITLE_WEIGHT * hits(title, word);
    if (found === 0) return 0;
    sum += found;
  }
  return sum;
}

/** The part of a text around the first word that is in it. */
export function excerptOf(text, words) {
  const lower = text.toLowerCase();
  const places = words.map((word) => lower.indexOf(word)).filter((at) => at >= 0);
  const first = places.length === 0 ? 0 : Math.min(...places);
  const from = first <= BEFORE ? 0 : text.lastIndexOf(" ", first - BEFORE) + 1;
  const end = text.length <= from + EXCERPT ? text.length : text.lastIndexOf(" ", from + EXCERPT);
  const to = end <= from ? text.length : end;
  return `${from > 0 ? "… " : ""}${text.slice(from, to)}${to < text.length ? " …" : ""}`;
}

/**
 * Sections that hold every word of the question.
 *
 * @param sections `{ page, title, anchor, heading, text }` each.
 */
export function search(sections, question) {
  const words = wordsOf(question);
  if (words.length === 0) return [];
  return sections
    .map((section) => ({ section, score: score(section, words) }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, MOST_FOUND)
    .map(({ section }) => ({ ...section, excerpt: excerptOf(section.text, words) }));
}
