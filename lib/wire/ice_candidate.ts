/**
 * ICE candidates as text: the `candidate` attribute (RFC 8839 §5.1, TCP: RFC 6544 §4.5) and the
 * JSON object of `RTCIceCandidate.toJSON()`, which LiveKit's trickle message carries as
 * `candidateInit`.
 *
 * Parsing is total: whatever a client sends gives a value or `undefined`.
 *
 * @module
 */

/** Longest candidate text or JSON that is looked at; real ones are under 300 characters. */
const MAX_CHARS = 2048;
const MAX_UINT32 = 0xffff_ffff;

/** One parsed candidate. */
export interface IceCandidate {
  readonly foundation: string;
  /** 1 for RTP (and everything under rtcp-mux). */
  readonly component: number;
  readonly protocol: "udp" | "tcp";
  readonly priority: number;
  /** Literal IPv4 or IPv6 address, or a name; see {@linkcode isNamedCandidate}. */
  readonly address: string;
  readonly port: number;
  readonly type: "host" | "srflx" | "prflx" | "relay";
  /** Only with `protocol: "tcp"`. */
  readonly tcpType?: "active" | "passive" | "so";
}

/** What a trickle message carries; the field names are the W3C ones. */
export interface CandidateInit {
  readonly candidate: string;
  readonly sdpMid: string | null;
  readonly sdpMLineIndex: number | null;
  readonly usernameFragment?: string;
}

/** A trickled candidate, or the end of the list. */
export type TrickledCandidate =
  | { readonly end: true; readonly usernameFragment?: string }
  | { readonly end: false; readonly candidate: IceCandidate; readonly usernameFragment?: string };

/**
 * Reads one candidate, with or without `a=` in front of `candidate:`.
 *
 * @returns `undefined` for anything malformed or of an unknown transport or type.
 */
export function parseCandidate(text: string): IceCandidate | undefined {
  if (text.length > MAX_CHARS) return undefined;
  const match = /^(?:a=)?candidate:(.*)$/.exec(text.trim());
  if (match === null) return undefined;
  const words = match[1]!.trim().split(/ +/);
  const [foundation, component, transport, priority, address, port, typ, type] = words;
  if (type === undefined || typ !== "typ" || !foundation || !address) return undefined;
  const protocol = transport!.toLowerCase();
  if (protocol !== "udp" && protocol !== "tcp") return undefined;
  if (type !== "host" && type !== "srflx" && type !== "prflx" && type !== "relay") return undefined;
  const numbers = {
    component: parseUint(component!, 256),
    priority: parseUint(priority!, MAX_UINT32),
    port: parseUint(port!, 65535),
  };
  const { component: componentId, priority: order, port: portNumber } = numbers;
  if (componentId === undefined || order === undefined || portNumber === undefined) {
    return undefined;
  }
  const plain = { foundation, component: componentId, priority: order, address, port: portNumber };
  if (protocol === "udp") return { ...plain, protocol, type };
  const tcpType = extensionValue(words, "tcptype");
  if (tcpType !== "active" && tcpType !== "passive" && tcpType !== "so") return undefined;
  return { ...plain, protocol, type, tcpType };
}

/**
 * Whether the address is a name (an mDNS `.local` one, draft-ietf-mmusic-mdns-ice-candidates, or
 * any other). A server has nothing to look up: it learns the client's address from its STUN
 * requests, so such candidates are dropped.
 */
export function isNamedCandidate(candidate: IceCandidate): boolean {
  return !/^[0-9.]+$/.test(candidate.address) && !candidate.address.includes(":");
}

/** Writes the `candidate:…` value, without `a=`. */
export function formatCandidate(candidate: IceCandidate): string {
  const { foundation, component, protocol, priority, address, port, type, tcpType } = candidate;
  const line =
    `candidate:${foundation} ${component} ${protocol} ${priority} ${address} ${port} typ ${type}`;
  return tcpType === undefined ? line : `${line} tcptype ${tcpType}`;
}

/**
 * Reads the JSON of a trickle message. An empty candidate string (or none) says that no more
 * follow.
 *
 * @returns `undefined` for what is not such JSON, or holds a candidate that cannot be used.
 */
export function parseCandidateInit(json: string): TrickledCandidate | undefined {
  if (json.length > MAX_CHARS) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const { candidate, usernameFragment } = value as Record<string, unknown>;
  const fragment = typeof usernameFragment === "string" ? { usernameFragment } : {};
  if (candidate === undefined || candidate === null || candidate === "") {
    return { end: true, ...fragment };
  }
  if (typeof candidate !== "string") return undefined;
  const parsed = parseCandidate(candidate);
  return parsed === undefined ? undefined : { end: false, candidate: parsed, ...fragment };
}

function extensionValue(words: readonly string[], name: string): string | undefined {
  // Extensions are name-value pairs after the eight fixed words (and after `raddr`, itself a pair).
  for (let at = 8; at + 1 < words.length; at += 2) {
    if (words[at] === name) return words[at + 1];
  }
  return undefined;
}

/** A decimal number of at most `max`; `undefined` for anything else, signs and blanks included. */
function parseUint(text: string, max: number): number | undefined {
  if (!/^\d{1,10}$/.test(text)) return undefined;
  const value = Number(text);
  return value <= max ? value : undefined;
}
