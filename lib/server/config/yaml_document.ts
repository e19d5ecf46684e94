/**
 * YAML text as Go's parser (`gopkg.in/yaml.v3` 3.0.1) takes it into fields of known types, which is
 * how LiveKit's files were written: `yes` and `Off` are switches where a switch is expected, and
 * `0123` is text, digit by digit, where text is expected.
 *
 * @module
 */
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type ScalarTag,
} from "yaml";
import { z } from "zod";
import { unwrap } from "./config_schema.ts";

/** YAML 1.1's words for a switch that YAML 1.2 reads as text. */
const TRUE_WORDS: ReadonlySet<unknown> = new Set(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON"]);
const FALSE_WORDS: ReadonlySet<unknown> = new Set(
  ["n", "N", "no", "No", "NO", "off", "Off", "OFF"],
);

/** Go's YAML reads `10_000` as a number. */
const UNDERSCORED_INTEGER: ScalarTag = {
  tag: "tag:yaml.org,2002:int",
  default: true,
  identify: () => false,
  test: /^[-+]?\d+(?:_\d+)+$/,
  resolve: (text: string) => Number(text.replaceAll("_", "")),
};

/** One document, or what is wrong with it. */
export interface YamlText {
  readonly document: Document;
  readonly lines: LineCounter;
}

/**
 * Parses one document whose values are to have the types of `schema`; never throws. What the parser
 * refuses is in `document.errors`.
 */
export function parseYaml(text: string, schema: z.ZodType): YamlText {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    customTags: (tags) => [UNDERSCORED_INTEGER, ...tags],
  });
  if (document.errors.length === 0) readAs(document.contents, schema);
  return { document, lines };
}

function readAs(node: unknown, schema: z.ZodType | undefined): void {
  if (schema === undefined) return;
  const wanted = unwrap(schema);
  if (isMap(node)) readMap(node.items, wanted);
  else if (isSeq(node) && wanted instanceof z.ZodArray) {
    for (const item of node.items) readAs(item, wanted.element as z.ZodType);
  } else if (isScalar(node)) {
    if (wanted instanceof z.ZodString) node.value = textOf(node);
    else if (wanted instanceof z.ZodBoolean) node.value = switchOf(node.value);
  }
}

function readMap(items: readonly { key: unknown; value: unknown }[], wanted: z.ZodType): void {
  for (const { key, value } of items) {
    if (wanted instanceof z.ZodObject && isScalar(key)) {
      readAs(value, wanted.shape[String(key.value)] as z.ZodType | undefined);
    } else if (wanted instanceof z.ZodRecord) {
      if (isScalar(key)) key.value = textOf(key);
      readAs(value, wanted.valueType as z.ZodType);
    }
  }
}

/** A number or a switch as it was written; nothing stays nothing. */
function textOf({ value, source }: { value: unknown; source?: string }): unknown {
  const plain = typeof value === "number" || typeof value === "boolean" ||
    typeof value === "bigint";
  return plain && source !== undefined ? source : value;
}

function switchOf(value: unknown): unknown {
  if (TRUE_WORDS.has(value)) return true;
  return FALSE_WORDS.has(value) ? false : value;
}
