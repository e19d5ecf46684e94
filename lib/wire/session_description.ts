/**
 * A client's whole session description as a typed value (RFC 8866 §5, RFC 8829 §5.8, BUNDLE: RFC
 * 9143 §7).
 *
 * Contract: {@linkcode parseDescription} is total. A description it accepts has unique mids, and
 * ICE credentials and a fingerprint unless every section is rejected, because everything here runs
 * over one bundled transport.
 *
 * @module
 */
import type { DtlsFingerprint, IceCredentials } from "../base/media_vocabulary.ts";
import {
  nodesOf,
  parseSdpTree,
  rawValues,
  type SdpNode,
  type SectionMemo,
  textOf,
} from "./sdp_tree.ts";
import { directionOf, readSection, type RemoteSection } from "./sdp_sections.ts";

export type { Direction, RemoteSection, SsrcPair } from "./sdp_sections.ts";

/** `a=setup` (RFC 8842 §5): who opens the DTLS connection. `holdconn` has no meaning there. */
export type DtlsSetup = "active" | "passive" | "actpass";

/**
 * A description that {@linkcode parseDescription} accepted: mids are unique, and there are ICE
 * credentials and a fingerprint unless every section is rejected.
 */
export interface RemoteDescription {
  /** Of the bundled transport; empty strings only when every section is rejected. */
  readonly ice: IceCredentials;
  /** Every fingerprint given; a certificate that fits one of a supported hash is the right one. */
  readonly fingerprints: readonly DtlsFingerprint[];
  /** `undefined` if the description names none: what that means, offers and answers differ on. */
  readonly setup: DtlsSetup | undefined;
  /** In the order of the `m=` lines. */
  readonly sections: readonly RemoteSection[];
  /** Mids of the `BUNDLE` group, in its order. */
  readonly bundledMids: readonly string[];
}

/** A description, or in words why it cannot be used. */
export type ParsedDescription =
  | { readonly ok: true; readonly value: RemoteDescription }
  | { readonly ok: false; readonly message: string };

/** Credentials outside RFC 8839 §5.4 (4 and 22 characters at least, 256 at most) are refused. */
const UFRAG = /^[A-Za-z0-9+/=_-]{4,256}$/;
const PWD = /^[A-Za-z0-9+/=_-]{22,256}$/;
const FINGERPRINT = /^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})+$/;
/** Fingerprints kept: one per hash function there is. */
const MAX_FINGERPRINTS = 8;

/**
 * Reads an offer or an answer. Never throws.
 *
 * @param memo Of the connection it is for: saves reading again what did not change.
 */
export function parseDescription(sdp: string, memo?: SectionMemo): ParsedDescription {
  const tree = parseSdpTree(sdp, memo);
  if (!tree.ok) return tree;
  const { session, sections: nodes } = tree.value;
  const inherited = directionOf(session) ?? "sendrecv";
  const sections: RemoteSection[] = [];
  const mids = new Set<string>();
  for (const [index, node] of nodes.entries()) {
    const section = readSection(node, inherited);
    if (typeof section === "string") return refuse(`media section ${index}: ${section}`);
    if (mids.has(section.mid)) return refuse(`mid "${section.mid}" is used twice`);
    if (section.mid !== "") mids.add(section.mid);
    sections.push(section);
  }
  const carrier = sections.findIndex((section) => !section.rejected);
  if (carrier < 0) {
    const nothing = { ice: { ufrag: "", pwd: "" }, fingerprints: [], setup: undefined };
    return { ok: true, value: { ...nothing, sections, bundledMids: [] } };
  }
  const bundledMids = readBundle(session);
  const transport = findTransport(session, nodes, sections, bundledMids[0]);
  if (typeof transport === "string") return refuse(transport);
  return { ok: true, value: { ...transport, sections, bundledMids } };
}

/**
 * The bundled transport is described by the first section of the BUNDLE group (RFC 9143 §7.2); a
 * section without the attributes takes the session's, and the first section in use that has them
 * stands in for clients that put them elsewhere.
 */
function findTransport(
  session: SdpNode,
  nodes: readonly SdpNode[],
  sections: readonly RemoteSection[],
  tag: string | undefined,
): Pick<RemoteDescription, "ice" | "fingerprints" | "setup"> | string {
  const usable = nodes.filter((_, index) => !sections[index]!.rejected);
  const tagged = nodes.filter((_, index) => sections[index]!.mid === tag);
  const places = [...tagged, ...usable, session];
  const carrier = places.find((node) => textOf(node, "iceUfrag") !== undefined);
  if (carrier === undefined) return "there is no a=ice-ufrag";
  const ice = {
    ufrag: textOf(carrier, "iceUfrag") ?? "",
    pwd: textOf(carrier, "icePwd") ?? textOf(session, "icePwd") ?? "",
  };
  const fault = credentialsFault(ice);
  if (fault !== undefined) return fault;
  const fingerprints = readFingerprints([carrier, session, ...places]);
  if (fingerprints.length === 0) return "there is no usable a=fingerprint";
  const setupFault = faultOfSetups([...usable, session].map(setupOf));
  if (setupFault !== undefined) return setupFault;
  const setup = [carrier, ...places].map(setupOf).find(isSetup);
  return { ice, fingerprints, setup };
}

/** What is wrong with a client's ICE credentials, in words; `undefined` if nothing is. */
export function credentialsFault({ ufrag, pwd }: IceCredentials): string | undefined {
  if (!UFRAG.test(ufrag)) return "a=ice-ufrag is not 4 to 256 ICE characters";
  return PWD.test(pwd) ? undefined : "a=ice-pwd is not 22 to 256 ICE characters";
}

function readBundle(session: SdpNode): readonly string[] {
  const bundle = nodesOf(session, "groups").find((group) => textOf(group, "type") === "BUNDLE");
  if (bundle === undefined) return [];
  return (textOf(bundle, "mids") ?? "").split(" ").filter((mid) => mid !== "");
}

function readFingerprints(places: readonly SdpNode[]): readonly DtlsFingerprint[] {
  // One place decides: gathering from all would accept the certificate of any section.
  for (const place of places) {
    const found: DtlsFingerprint[] = [];
    for (const line of rawValues(place, "fingerprint").slice(0, MAX_FINGERPRINTS)) {
      const [algorithm, value] = line.split(" ");
      if (!algorithm || !value || !FINGERPRINT.test(value)) continue;
      found.push({ algorithm: algorithm.toLowerCase(), value: value.toUpperCase() });
    }
    if (found.length > 0) return found;
  }
  return [];
}

function setupOf(node: SdpNode): string | undefined {
  return textOf(node, "setup")?.toLowerCase();
}

/** One transport has one role: sections that want both, or neither, cannot be followed. */
function faultOfSetups(values: readonly (string | undefined)[]): string | undefined {
  const unknown = values.find((value) => value !== undefined && !isSetup(value));
  if (unknown !== undefined) return `a=setup:${unknown.slice(0, 20)} is not supported`;
  return values.includes("active") && values.includes("passive")
    ? "its sections disagree about a=setup"
    : undefined;
}

function isSetup(value: string | undefined): value is DtlsSetup {
  return value === "active" || value === "passive" || value === "actpass";
}

function refuse(reason: string): ParsedDescription {
  return { ok: false, message: `Cannot read description: ${reason}` };
}
