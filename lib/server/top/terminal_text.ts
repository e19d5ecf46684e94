/**
 * Texts of others on a terminal: nothing of them moves the cursor, changes colours, or turns what
 * stands beside it around, and they take as many columns as are meant for them.
 *
 * Pure.
 *
 * @module
 */

/** In place of what a terminal might obey. */
const REPLACEMENT = "\ufffd";
/**
 * Controls (C0, C1, DEL: ECMA-48), separators of lines, and whatever sets the direction of text or
 * is not seen (Unicode categories Cf, Co, Cs, Cn): joiners and marks for direction among them.
 */
const OBEYED = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Cn}\p{Zl}\p{Zp}]/gu;
/** Only say how characters beside them are drawn. */
const JOINERS = /[\u200c\u200d]/g;
/** Stand above or below the character before them. */
const COMBINING = /^[\p{Mn}\p{Me}]$/u;
/** How many a character may have: a tower of them reaches into other lines. */
const MOST_COMBINING = 2;
/** East Asian wide and fullwidth, and pictures (Unicode Annex 11); what matters of them. */
const WIDE =
  /^[\u1100-\u115f\u2329\u232a\u2e80-\u303e\u3041-\u33ff\u3400-\u4dbf\u4e00-\u9fff\ua000-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18cff}\u{1b000}-\u{1b2ff}\u{1f004}\u{1f0cf}\u{1f18e}\u{1f191}-\u{1f19a}\u{1f200}-\u{1f320}\u{1f32d}-\u{1f335}\u{1f337}-\u{1f37c}\u{1f37e}-\u{1f393}\u{1f3a0}-\u{1f3ca}\u{1f3cf}-\u{1f3d3}\u{1f3e0}-\u{1f3f0}\u{1f3f4}\u{1f3f8}-\u{1f43e}\u{1f440}\u{1f442}-\u{1f4fc}\u{1f4ff}-\u{1f53d}\u{1f54b}-\u{1f54e}\u{1f550}-\u{1f567}\u{1f57a}\u{1f595}\u{1f596}\u{1f5a4}\u{1f5fb}-\u{1f64f}\u{1f680}-\u{1f6c5}\u{1f6cc}\u{1f6d0}-\u{1f6d2}\u{1f6d5}-\u{1f6d7}\u{1f6dc}-\u{1f6df}\u{1f6eb}\u{1f6ec}\u{1f6f4}-\u{1f6fc}\u{1f7e0}-\u{1f7eb}\u{1f7f0}\u{1f90c}-\u{1f93a}\u{1f93c}-\u{1f945}\u{1f947}-\u{1f9ff}\u{1fa70}-\u{1faff}\u{20000}-\u{3fffd}]$/u;
const ELLIPSIS = "…";

/** One character as it is shown, with what stands above it. */
interface Glyph {
  readonly text: string;
  readonly columns: number;
}

/** `text` without anything that a terminal obeys. */
export function harmless(text: string): string {
  return glyphsOf(text).map((glyph) => glyph.text).join("");
}

/** JSON that is the same value, its lines included, and the same on a terminal. */
export function harmlessJson(json: string): string {
  return json.replace(OBEYED, (character) => character === "\n" ? character : escaped(character));
}

function escaped(character: string): string {
  const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, "0")}`).join("");
}

/** How many columns a text takes once it is {@linkcode harmless}. */
export function columnsOf(text: string): number {
  return glyphsOf(text).reduce((sum, { columns }) => sum + columns, 0);
}

/**
 * `text` made harmless, in exactly so many columns: cut with an ellipsis, or filled with spaces.
 *
 * @param align Where the text stands in them.
 */
export function fitted(text: string, columns: number, align: "left" | "right" = "left"): string {
  if (columns <= 0) return "";
  const glyphs = glyphsOf(text);
  let used = glyphs.reduce((sum, glyph) => sum + glyph.columns, 0);
  if (used > columns) {
    while (used > columns - 1) used -= glyphs.pop()!.columns;
    glyphs.push({ text: ELLIPSIS, columns: 1 });
    used++;
  }
  const shown = glyphs.map((glyph) => glyph.text).join("");
  const space = " ".repeat(columns - used);
  return align === "left" ? shown + space : space + shown;
}

function glyphsOf(text: string): Glyph[] {
  const glyphs: Glyph[] = [];
  let combined = 0;
  for (const character of text.replace(JOINERS, "").replace(OBEYED, REPLACEMENT)) {
    const before = glyphs.at(-1);
    if (!COMBINING.test(character)) {
      combined = 0;
      glyphs.push({ text: character, columns: WIDE.test(character) ? 2 : 1 });
    } else if (before !== undefined && ++combined <= MOST_COMBINING) {
      glyphs[glyphs.length - 1] = { ...before, text: before.text + character };
    }
  }
  return glyphs;
}
