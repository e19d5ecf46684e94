/**
 * How two nodes get to know each other over a socket.
 *
 * The one that dials shows a token with its request; the other one answers with a welcome, and the
 * first one with its proof. Each of the three is sealed under the cluster's secret and bound to who
 * it is for and to the nonces before it: both sides have then proved that they know the secret, to
 * the other one and now, whatever their clocks say. The token's time and its being shown once only
 * keep strangers who have overheard one from getting a socket at all.
 *
 * @module
 */
import type { NodeId } from "../../base/ids.ts";
import type { Random } from "../../base/platform.ts";
import { type PackedValue, packMessage, unpackMessage } from "../../wire/message_pack.ts";
import { deriveLinkKey, FrameSeal, openOnce, sealOnce } from "./link_seal.ts";

/** Versions of what links say; a cluster is upgraded node by node. */
export interface ProtocolRange {
  readonly min: number;
  readonly max: number;
}

/** What a node says of itself. */
export interface NodeIntroduction {
  readonly node: NodeId;
  /** URL of its `/cluster`. */
  readonly address: string;
  readonly protocol: ProtocolRange;
  /** 16 random bytes of the process, from which secrets with others are made. */
  readonly processNonce: Uint8Array;
  /** Which memory it has of the other one: another number is a new one. */
  readonly incarnation: number;
}

/** A connection whose ends know each other. */
export interface EstablishedLink {
  /** The other one. */
  readonly peer: NodeIntroduction;
  readonly isDialler: boolean;
  /** Names the connection at both ends. */
  readonly id: string;
  /** Version that both speak. */
  readonly version: number;
  readonly outgoing: FrameSeal;
  readonly incoming: FrameSeal;
  /** See `LinkFacts`. */
  readonly secret: Uint8Array;
}

/** Longer ones are not ours. */
const MAX_TOKEN_CHARACTERS = 2048;
const NONCE_BYTES = 16;
const IV_BYTES = 12;
const MAX_ADDRESS_CHARACTERS = 512;
const MAX_NODE_CHARACTERS = 64;
const MAX_ELEMENTS = 16;
const BASE64_URL = { alphabet: "base64url" } as const;

/** What tokens and proofs of one cluster are sealed with. */
export class LinkIdentity {
  readonly #secret: Uint8Array;
  readonly #key: Uint8Array;

  /**
   * @param secret The cluster's; long and random, or made of what is.
   * @param purpose What it lets in for, in words: tokens for one thing open nothing else.
   */
  constructor(secret: Uint8Array, readonly random: Random, purpose = "handshake") {
    this.#secret = secret;
    this.#key = deriveLinkKey(secret, new Uint8Array(), purpose);
  }

  seal(context: PackedValue, message: PackedValue): Uint8Array {
    const iv = this.random.bytes(IV_BYTES);
    return sealOnce(this.#key, iv, packMessage(context), packMessage(message));
  }

  /** What was sealed for `context`; `undefined` for anything else. */
  open(context: PackedValue, sealed: Uint8Array): readonly PackedValue[] | undefined {
    const message = openOnce(this.#key, packMessage(context), sealed);
    const value = message && unpackMessage(message, MAX_ELEMENTS);
    return Array.isArray(value) ? value : undefined;
  }

  nonce(): Uint8Array {
    return this.random.bytes(NONCE_BYTES);
  }

  /** Key of one direction of a connection. */
  frames(nonces: readonly Uint8Array[], direction: "dialler" | "acceptor"): FrameSeal {
    return new FrameSeal(deriveLinkKey(this.#secret, join(nonces), `frames of ${direction}`));
  }

  /** See `LinkFacts.secret`. */
  shared(a: NodeIntroduction, b: NodeIntroduction): Uint8Array {
    const [first, second] = a.node < b.node ? [a, b] : [b, a];
    const salt = join([first.processNonce, second.processNonce]);
    return deriveLinkKey(this.#secret, salt, `between ${first.node} and ${second.node}`);
  }
}

/** The side that dials. */
export class DiallingSide {
  readonly token: string;
  readonly #nonce: Uint8Array;

  constructor(
    readonly identity: LinkIdentity,
    readonly self: NodeIntroduction,
    readonly to: NodeId,
    wallMs: number,
  ) {
    this.#nonce = identity.nonce();
    const sealed = identity.seal(["token", to], [
      this.#nonce,
      wallMs,
      ...writeIntroduction(self),
    ]);
    this.token = sealed.toBase64({ ...BASE64_URL, omitPadding: true });
  }

  /**
   * Reads the welcome.
   *
   * @param ended Id of the last connection with this peer that has ended here, or empty.
   * @returns The proof to be sent, and the connection; `undefined` if it is no welcome.
   */
  answer(
    welcome: Uint8Array,
    ended: string,
  ): { readonly proof: Uint8Array; readonly link: EstablishedLink } | undefined {
    const { identity, self, to } = this;
    const opened = identity.open(["welcome", self.node, to, this.#nonce], welcome);
    if (opened === undefined) return undefined;
    const [nonce, version] = opened;
    const peer = readIntroduction(opened.slice(2));
    if (!isNonce(nonce) || !isNumber(version) || peer?.node !== to) return undefined;
    if (version < self.protocol.min || version > self.protocol.max) return undefined;
    const nonces = [this.#nonce, nonce];
    return {
      proof: identity.seal(["proof", ...nonces], [ended]),
      link: {
        peer,
        isDialler: true,
        id: nameOf(this.#nonce),
        version,
        outgoing: identity.frames(nonces, "dialler"),
        incoming: identity.frames(nonces, "acceptor"),
        secret: identity.shared(self, peer),
      },
    };
  }
}

/** What a token says to the node that it is for. */
export interface ShownToken {
  readonly nonce: Uint8Array;
  readonly issuedAtMs: number;
  readonly from: NodeIntroduction;
}

/** Reads a token that is for `self`; `undefined` if it is for somebody else, or none. */
export function readToken(
  identity: LinkIdentity,
  self: NodeId,
  token: string,
): ShownToken | undefined {
  if (token.length > MAX_TOKEN_CHARACTERS) return undefined;
  let sealed: Uint8Array;
  try {
    sealed = Uint8Array.fromBase64(token, BASE64_URL);
  } catch {
    return undefined;
  }
  const opened = identity.open(["token", self], sealed);
  if (opened === undefined) return undefined;
  const [nonce, issuedAtMs] = opened;
  const from = readIntroduction(opened.slice(2));
  if (!isNonce(nonce) || !isNumber(issuedAtMs) || from === undefined) return undefined;
  return { nonce, issuedAtMs, from };
}

/** The version two nodes speak; `undefined` if they have none in common. */
export function commonVersion(a: ProtocolRange, b: ProtocolRange): number | undefined {
  const version = Math.min(a.max, b.max);
  return version >= Math.max(a.min, b.min) ? version : undefined;
}

/** The side that was dialled, once it has let the other one in. */
export class AcceptingSide {
  /** To be sent first. */
  readonly welcome: Uint8Array;
  readonly #nonces: readonly Uint8Array[];

  constructor(
    readonly identity: LinkIdentity,
    readonly self: NodeIntroduction,
    readonly shown: ShownToken,
    readonly version: number,
  ) {
    const nonce = identity.nonce();
    this.#nonces = [shown.nonce, nonce];
    this.welcome = identity.seal(
      ["welcome", shown.from.node, self.node, shown.nonce],
      [nonce, version, ...writeIntroduction(self)],
    );
  }

  /** Reads the proof; `undefined` if it is none. `ended` is what the dialler says has ended. */
  prove(
    proof: Uint8Array,
  ): { readonly ended: string; readonly link: EstablishedLink } | undefined {
    const { identity, self, shown: { from, nonce }, version } = this;
    const [ended] = identity.open(["proof", ...this.#nonces], proof) ?? [];
    if (typeof ended !== "string") return undefined;
    const link = {
      peer: from,
      isDialler: false,
      id: nameOf(nonce),
      version,
      outgoing: identity.frames(this.#nonces, "acceptor"),
      incoming: identity.frames(this.#nonces, "dialler"),
      secret: identity.shared(self, from),
    };
    return { ended, link };
  }
}

function writeIntroduction(
  { node, address, protocol, processNonce, incarnation }: NodeIntroduction,
): PackedValue[] {
  return [node, address, protocol.min, protocol.max, processNonce, incarnation];
}

function readIntroduction(values: readonly PackedValue[]): NodeIntroduction | undefined {
  const [node, address, min, max, processNonce, incarnation] = values;
  if (typeof node !== "string" || node === "" || node.length > MAX_NODE_CHARACTERS) {
    return undefined;
  }
  if (typeof address !== "string" || address.length > MAX_ADDRESS_CHARACTERS) return undefined;
  if (!isNumber(min) || !isNumber(max) || !isNumber(incarnation)) return undefined;
  if (!isNonce(processNonce)) return undefined;
  const protocol = { min, max };
  return { node: node as NodeId, address, protocol, processNonce, incarnation };
}

function isNumber(value: PackedValue | undefined): value is number {
  return typeof value === "number" && Number.isSafeInteger(value);
}

function isNonce(value: PackedValue | undefined): value is Uint8Array {
  return value instanceof Uint8Array && value.length === NONCE_BYTES;
}

function nameOf(nonce: Uint8Array): string {
  return nonce.toHex();
}

function join(parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}
