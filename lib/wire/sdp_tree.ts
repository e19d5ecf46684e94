/**
 * The SDP grammar (RFC 8866 §9) as an untyped tree, from the `sdp-transform` package, with limits
 * in front of it and typed, total readers behind it.
 *
 * The package has no types and returns numbers where a value happens to look like one, so nothing
 * outside this file touches its result: everything is read with {@linkcode textOf} and friends,
 * which give `undefined` for whatever is not there or not of the right kind.
 *
 * @module
 */
import { parse } from "sdp-transform";

/**
 * Longest description read. On a single peer connection a browser's offer names every codec in
 * every section: about 3 KiB for each track received.
 */
const MAX_SDP_CHARS = 1024 * 1024;
/** Most media sections read. */
const MAX_SECTIONS = 512;
/** Most lines read; each costs the grammar some dozens of pattern tests. */
const MAX_LINES = 65_536;
/** Longest line read: bounds what any one pattern of the grammar can cost. */
const MAX_LINE_CHARS = 4096;

/**
 * Attributes the grammar reads wrongly, so they are renamed before it sees them and read raw: it
 * cuts an msid at `{` or `|`, and keeps only the last of several fingerprints.
 */
const RAW_ATTRIBUTE = /^a=(msid|fingerprint):/gm;
const RAW_PREFIX = "x-raw-";

/**
 * Lines by which otherwise equal clients differ: where they are to be reached, by which credentials
 * and certificate they are known, a section's own name and what is sent in it, and who wrote the
 * description, and when. Only carriage returns and line feeds end a line here.
 */
const PARTICULAR_LINE =
  /(?<![^\r\n])(?:a=(ice-ufrag|ice-pwd|fingerprint|candidate|mid|ssrc|ssrc-group|msid):|o=)([^\r\n]*)(?:\r\n|\r|\n|$)/g;
/** What the grammar takes of such a line. */
const FIRST_WORD = /^\S*/;
const TO_LINE_END = /^.*/;
/** Sections of all clients that are remembered, and characters of one at most. */
const MAX_COMMON_SECTIONS = 64;
const MAX_COMMON_CHARS = 8_192;

/** A node of the tree: attribute names to text, numbers, nodes or lists of nodes. */
export type SdpNode = Readonly<Record<string, unknown>>;

/** The session level and its media sections in order. */
export interface SdpTree {
  readonly session: SdpNode;
  readonly sections: readonly SdpNode[];
}

/**
 * The sections of the description read last, by their text. Descriptions of one connection repeat
 * most of their sections word for word, and the grammar is slow.
 */
export class SectionMemo {
  #sections = new Map<string, readonly SdpNode[]>();

  /**
   * The nodes of `texts`, read by `read` where they are new; what is not among them is forgotten.
   */
  recall(
    texts: readonly string[],
    read: (text: string) => readonly SdpNode[],
  ): readonly SdpNode[] {
    const before = this.#sections;
    this.#sections = new Map();
    return texts.flatMap((text) => {
      const nodes = this.#sections.get(text) ?? before.get(text) ?? read(text);
      this.#sections.set(text, nodes);
      return nodes;
    });
  }
}

/**
 * Reads the text, or says in words which limit it breaks. Never throws.
 *
 * @param memo Of the connection the description is for.
 */
export function parseSdpTree(
  sdp: string,
  memo: SectionMemo = new SectionMemo(),
): { readonly ok: true; readonly value: SdpTree } | {
  readonly ok: false;
  readonly message: string;
} {
  const broken = brokenLimit(sdp);
  if (broken !== undefined) return { ok: false, message: broken };
  const texts = sectionTexts(sdp);
  const session = texts[0]!.startsWith("m=") ? undefined : readSession(texts.shift()!);
  if (session === undefined || textOf(session, "version") !== "0") {
    return { ok: false, message: "Cannot read description: it is not SDP, there is no v=0" };
  }
  const sections = memo.recall(texts, readSections);
  return { ok: true, value: { session, sections } };
}

/** What stands before the first `m=` line, if anything does, and each section. */
function sectionTexts(sdp: string): string[] {
  const texts: string[] = [];
  let start = 0;
  for (let at = sdp.indexOf("m=", 1); at >= 0; at = sdp.indexOf("m=", at + 1)) {
    const before = sdp[at - 1];
    if (before !== "\n" && before !== "\r") continue;
    texts.push(sdp.slice(start, at));
    start = at;
  }
  texts.push(sdp.slice(start));
  return texts;
}

/**
 * What clients of one make write alike, by its text, the least recently used first: most sections
 * in which a client receives, and that of data channels.
 */
const common = new Map<string, SdpNode>();
/** The same of what stands before the sections. */
const commonSessions = new Map<string, SdpNode>();
/** By a section: the part that others have in common with it. */
const commonParts = new WeakMap<SdpNode, SdpNode>();

/** The sections of a text that begins with an `m=` line. */
function readSections(text: string): readonly SdpNode[] {
  if (text.length > MAX_COMMON_CHARS) return mediaNodes(text);
  const { rest, particular } = withoutParticular(text);
  const shared = commonNode(rest);
  if (shared === undefined) return mediaNodes(text);
  const node = particularNode(shared, particular);
  commonParts.set(node, shared);
  return [node];
}

/** The lines before the first section; but for a few, clients of one make write them alike. */
function readSession(text: string): SdpNode | undefined {
  if (text.length > MAX_COMMON_CHARS) return readNode(text);
  const { rest, particular } = withoutParticular(text);
  const shared = recall(commonSessions, rest, () => readNode(rest));
  return shared && particularNode(shared, particular);
}

/** What one client's lines add to what others write, too. */
interface Particular {
  readonly values: Record<string, string>;
  /** As {@linkcode rawValues} reads them. */
  readonly invalid: readonly SdpNode[];
  /** What is sent, as the grammar reads it; absent: nothing. */
  readonly sent: SdpNode | undefined;
}

/**
 * Takes the lines out by which clients differ, and reads them as the grammar does, which tries each
 * of its fifty patterns on each line. Of candidates, and of the origin, nothing is asked.
 */
function withoutParticular(text: string): { rest: string; particular: Particular } {
  const values: Record<string, string> = {};
  const invalid: SdpNode[] = [];
  let sent = "";
  const rest = text.replace(PARTICULAR_LINE, (line, name: string | undefined, value: string) => {
    if (name === "ice-ufrag") values.iceUfrag = FIRST_WORD.exec(value)![0];
    else if (name === "ice-pwd") values.icePwd = FIRST_WORD.exec(value)![0];
    else if (name === "mid") values.mid = FIRST_WORD.exec(value)![0];
    else if (name === "fingerprint" || name === "msid") {
      invalid.push({ value: `${RAW_PREFIX}${name}:${TO_LINE_END.exec(value)![0]}` });
    } else if (name === "ssrc" || name === "ssrc-group") sent += line;
    return "";
  });
  return { rest, particular: { values, invalid, sent: sent === "" ? undefined : readNode(sent) } };
}

function particularNode(shared: SdpNode, { values, invalid, sent }: Particular): SdpNode {
  const all = [...nodesOf(shared, "invalid"), ...invalid, ...nodesOf(sent ?? {}, "invalid")];
  return { ...shared, ...sent, ...values, invalid: all };
}

/** `undefined` for what is not one section. */
function commonNode(text: string): SdpNode | undefined {
  return recall(common, text, () => {
    const nodes = mediaNodes(text);
    return nodes.length === 1 ? nodes[0] : undefined;
  });
}

function recall(
  known: Map<string, SdpNode>,
  text: string,
  read: () => SdpNode | undefined,
): SdpNode | undefined {
  let node = known.get(text);
  if (node === undefined) {
    node = read();
    if (node === undefined) return undefined;
    const [oldest] = known.keys();
    if (known.size >= MAX_COMMON_SECTIONS && oldest !== undefined) known.delete(oldest);
  } else known.delete(text);
  known.set(text, node);
  return node;
}

function mediaNodes(text: string): readonly SdpNode[] {
  return nodesOf(readNode(text) ?? {}, "media");
}

/**
 * What `section` has beside its mid, ICE credentials, candidates, fingerprints, msid and SSRCs: the
 * same object for all clients that write the same. `undefined` for a section that is not looked at
 * so.
 */
export function commonPart(section: SdpNode): SdpNode | undefined {
  return commonParts.get(section);
}

function readNode(text: string): SdpNode | undefined {
  const node: unknown = parse(text.replace(RAW_ATTRIBUTE, `a=${RAW_PREFIX}$1:`));
  return isNode(node) ? node : undefined;
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
  for (let start = 0, lf = -1, cr = -1; start < sdp.length;) {
    if (lf < start) lf = endFrom(sdp, "\n", start);
    if (cr < start) cr = endFrom(sdp, "\r", start);
    const end = Math.min(lf, cr);
    if (end - start > MAX_LINE_CHARS) {
      return `Cannot read description: line of ${
        end - start
      } characters, limit is ${MAX_LINE_CHARS}`;
    }
    if (end > start) {
      lines++;
      if (sdp.startsWith("m=", start)) sections++;
    }
    start = end + 1;
  }
  if (lines > MAX_LINES) {
    return `Cannot read description: ${lines} lines, limit is ${MAX_LINES}`;
  }
  if (sections > MAX_SECTIONS) {
    return `Cannot read description: ${sections} media sections, limit is ${MAX_SECTIONS}`;
  }
  return undefined;
}

function endFrom(text: string, end: "\n" | "\r", from: number): number {
  const at = text.indexOf(end, from);
  return at < 0 ? text.length : at;
}
