/**
 * The SDP grammar (RFC 8866) as an untyped tree, from the `sdp-transform` package, with limits in
 * front of it and typed, total readers behind it.
 *
 * The package has no types and returns numbers where a value happens to look like one, so nothing
 * outside this file touches its result: everything is read with {@linkcode textOf} and friends, which
 * give `undefined` for whatever is not there or not of the right kind.
 *
 * @module
 */
import { parse } from "sdp-transform";

/** Longest description read: about ten times a call with a hundred sections. */
export const MAX_SDP_CHARS = 512 * 1024;
/** Most media sections read. */
export const MAX_SECTIONS = 512;
/** Most lines read; each costs the grammar some dozens of pattern tests. */
const MAX_LINES = 32_768;
/** Longest line read: bounds what any one pattern of the grammar can cost. */
const MAX_LINE_CHARS = 4096;

/**
 * Attributes the grammar reads wrongly, so they are renamed before it sees them and read raw: it cuts
 * an msid at `{` or `|`, and keeps only the last of several fingerprints.
 */
const RAW_ATTRIBUTE = /^a=(msid|fingerprint):/gm;
const RAW_PREFIX = "x-raw-";

/** A node of the tree: attribute names to text, numbers, nodes or lists of nodes. */
export type SdpNode = Readonly<Record<string, unknown>>;

/** The session level and its media sections in order. */
export interface SdpTree {
  readonly session: SdpNode;
  readonly sections: readonly SdpNode[];
}

/** Reads the text, or says in words which limit it breaks. Never throws. */
export function parseSdpTree(
  sdp: string,
): { readonly ok: true; readonly value: SdpTree } | {
  readonly ok: false;
  readonly message: string;
} {
  const broken = brokenLimit(sdp);
  if (broken !== undefined) return { ok: false, message: broken };
  const session: unknown = parse(sdp.replace(RAW_ATTRIBUTE, `a=${RAW_PREFIX}$1:`));
  if (!isNode(session) || textOf(session, "version") !== "0") {
    return { ok: false, message: "Cannot read description: it is not SDP, there is no v=0" };
  }
  return { ok: true, value: { session, sections: nodesOf(session, "media") } };
}

/** A text value; numbers the grammar made are turned back, which is exact. */
export function textOf(node: SdpNode, name: string): string | undefined {
  const value = node[name];
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(value) : undefined;
}

/** A whole number of `0..max`; `undefined` for anything else. */
export function uintOf(node: SdpNode, name: string, max: number): number | undefined {
  const value = node[name];
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= max
    ? value
    : undefined;
}

/** A repeated attribute; empty if there is none. */
export function nodesOf(node: SdpNode, name: string): readonly SdpNode[] {
  const value = node[name];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** An attribute with several values. */
export function nodeOf(node: SdpNode, name: string): SdpNode | undefined {
  const value = node[name];
  return isNode(value) ? value : undefined;
}

/** Values of one of the attributes that are read raw, in order. */
export function rawValues(node: SdpNode, name: "msid" | "fingerprint"): readonly string[] {
  const prefix = `${RAW_PREFIX}${name}:`;
  return nodesOf(node, "invalid").flatMap((entry) => {
    const text = textOf(entry, "value");
    return text?.startsWith(prefix) ? text.slice(prefix.length) : [];
  });
}

function isNode(value: unknown): value is SdpNode {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function brokenLimit(sdp: string): string | undefined {
  if (sdp.length > MAX_SDP_CHARS) {
    return `Cannot read description: ${sdp.length} characters, limit is ${MAX_SDP_CHARS}`;
  }
  let lines = 0;
  let sections = 0;
  let start = 0;
  for (let at = 0; at <= sdp.length; at++) {
    const code = at === sdp.length ? 10 : sdp.charCodeAt(at);
    if (code !== 10 && code !== 13) continue;
    if (at - start > MAX_LINE_CHARS) {
      return `Cannot read description: line of ${
        at - start
      } characters, limit is ${MAX_LINE_CHARS}`;
    }
    if (at > start) lines++;
    if (sdp.startsWith("m=", start) && at > start) sections++;
    start = at + 1;
  }
  if (lines > MAX_LINES) {
    return `Cannot read description: ${lines} lines, limit is ${MAX_LINES}`;
  }
  if (sections > MAX_SECTIONS) {
    return `Cannot read description: ${sections} media sections, limit is ${MAX_SECTIONS}`;
  }
  return undefined;
}
