/**
 * Whether the client is where a path leads, found out by asking: a request of the client's says who
 * it is, but a copy of it can be sent with any source address, and media would follow to whoever
 * lives there. So a path is *proven* by an answer to a check of our own, which nobody can give but
 * the client, where it receives; by a DTLS handshake that went over it alone; or by being a TCP
 * connection of a client that has answered nothing yet. Copies can come over a connection, too; at
 * the other end of one that is proven nobody else comes to be.
 *
 * Lite agents need not send checks (RFC 8445 §2.5); every full agent answers them. As soon as a
 * client has answered one, proofs age: it has to go on answering (consent, RFC 7675 §5.1), or
 * sending media, which is authenticated and cannot be said again (FFmpeg answers nothing once it is
 * connected).
 *
 * An address that is not proven is asked when requests come, at most once for each (and twice more
 * if it is urgent): what never answers gets little more than it was made to send. The path in use
 * is asked in any case, for clients that send no checks once they are connected (FFmpeg's).
 *
 * Who sends nothing needs no consent (RFC 7675 §5.1); it is only to be there when something is sent
 * again. So while nothing is sent, and the last check was answered, the next one has more time.
 *
 * @module
 */
import type { IceCredentials } from "../../base/media_vocabulary.ts";
import type { Random } from "../../base/platform.ts";
import { readUint32 } from "../../wire/big_endian.ts";
import {
  MAX_REQUEST_BYTES,
  MAX_REQUEST_NAME,
  type StunMac,
  TRANSACTION_BYTES,
  writeBindingRequest,
} from "../../wire/stun.ts";
import type { IceDirectory, OpenCheck } from "./ice_directory.ts";
import type { NetworkPath } from "./network_path.ts";
import { stunKey } from "./stun_key.ts";

/** How long an answer proves a path, ms (RFC 7675 §5.1). */
export const CONSENT_MS = 30_000;
/**
 * After this long the next request is a reason to ask again, ms: of clients that check every 2.5 s
 * it is the second one, so that a check leaves in a turn that is taken anyway.
 */
const RENEW_AFTER_MS = 4_500;
/**
 * After this long, or a little more, it is asked without one, ms: drawn anew each time, and within
 * a fifth of 5 s with what a timer is late (RFC 7675 §5.1).
 */
const RENEW_ANYWAY_MS = 5_300;
const RENEW_JITTER_MS = 500;
/**
 * Both while nothing is sent, ms: within a fifth of 14 s. An answer that is not there by the next
 * request of the client's leaves four more checks at the usual pace before consent ends.
 */
const REST_AFTER_MS = 11_500;
const REST_ANYWAY_MS = 15_800;
/** A client that has stopped asking is asked so much later, ms: before it would count as silent. */
const UNASKED_MS = 8_000;
/** Least time between two checks on a path, ms: proven, and not. */
const PROVEN_SPACING_MS = 500;
const SPACING_MS = 40;
/** For so long what is sent again is the same check, ms; an answer to any copy counts. */
const CHECK_LIFE_MS = 2_000;
/** Passwords of the client's that are known: its first and those of restarts. */
const MAX_REMOTES = 8;
/** RFC 8445 §5.1.2.1: of a peer-reflexive candidate. */
const PRIORITY = 0x6eff_ffff;

/** What is known of one path. */
export interface PathProof {
  readonly path: NetworkPath;
  /** Names of the last request on it: theirs first. */
  username: string;
  /** When a request of the client's last came by it, monotonic ms. */
  askedAt: number;
  /** When the client last showed to be there, monotonic ms; -Infinity if never. */
  provenAt: number;
  /** When authenticated media last came from there while it was proven. */
  mediaAt: number;
  sentAt: number;
  /** How much longer than usual it is then until it is asked whatever comes, ms. */
  jitterMs: number;
  check: (OpenCheck & { readonly openedAt: number }) | undefined;
}

/** A path of which nothing is known. */
export function unprovenPath(path: NetworkPath): PathProof {
  const never = -Infinity;
  return {
    path,
    username: "",
    askedAt: never,
    provenAt: never,
    mediaAt: never,
    sentAt: never,
    jitterMs: 0,
    check: undefined,
  };
}

/** The checks of one agent. */
export class PathChecks {
  readonly #directory: IceDirectory;
  readonly #random: Random;
  readonly #isUsed: () => boolean;
  readonly #onAnswer: (proof: PathProof, now: number, rttMs: number) => void;
  readonly #remotes: { readonly ufrag: string; readonly mac: StunMac }[] = [];
  readonly #out = new Uint8Array(MAX_REQUEST_BYTES);
  readonly #tieBreaker: Uint8Array;
  /** Since when the client is known to answer. */
  #answersSince = Infinity;

  /**
   * @param isUsed Whether anything but checks was sent since the path in use was last proven.
   * @param onAnswer After the proof was noted; with the round trip, or -1 for a check that was sent
   *   again: it cannot be told which copy was answered.
   */
  constructor(
    directory: IceDirectory,
    random: Random,
    isUsed: () => boolean,
    onAnswer: (proof: PathProof, now: number, rttMs: number) => void,
  ) {
    this.#directory = directory;
    this.#random = random;
    this.#isUsed = isUsed;
    this.#onAnswer = onAnswer;
    this.#tieBreaker = random.bytes(8);
  }

  /** Whether the client has answered a check: then proofs age. */
  get areAnswered(): boolean {
    return this.#answersSince < Infinity;
  }

  /** Tells the client's credentials, without which nothing can be asked. */
  setRemote({ ufrag, pwd }: IceCredentials): void {
    const known = this.#remotes.findIndex((remote) => remote.ufrag === ufrag);
    if (known >= 0) this.#remotes.splice(known, 1);
    this.#remotes.push({ ufrag, mac: stunKey(pwd) });
    if (this.#remotes.length > MAX_REMOTES) this.#remotes.shift();
  }

  /** Whether the client is there: media may be sent. */
  isProven(proof: PathProof, now: number): boolean {
    return now < this.endsAt(proof);
  }

  /** When that ends unless it answers again, monotonic ms; -Infinity if it never began. */
  endsAt({ path, provenAt, mediaAt }: PathProof): number {
    if (provenAt === -Infinity) return -Infinity;
    if (path.protocol === "tcp") return Infinity;
    return Math.max(provenAt, mediaAt, this.#answersSince) + CONSENT_MS;
  }

  /** When the path in use is to be asked whatever comes, monotonic ms. */
  renewsAt(proof: PathProof): number {
    if (!this.areAnswered || proof.path.protocol === "tcp") return Infinity;
    const since = proof.sentAt === -Infinity ? proof.provenAt : proof.sentAt;
    const at = since + proof.jitterMs;
    const usualAt = at + RENEW_ANYWAY_MS;
    if (!this.#rests(proof)) return usualAt;
    return Math.max(usualAt, Math.min(at + REST_ANYWAY_MS, proof.askedAt + UNASKED_MS));
  }

  /** Whether the path in use is answered on, and nobody sends on it. */
  #rests(proof: PathProof): boolean {
    return proof.check === undefined && !this.#isUsed();
  }

  /**
   * A request came by the path: asks back if there is a reason.
   *
   * @param renew Whether it is in use.
   */
  requested(proof: PathProof, now: number, renew: boolean): void {
    const isStream = proof.path.protocol === "tcp";
    if (isStream && !this.areAnswered) proof.provenAt = now;
    const isProven = this.isProven(proof, now);
    if (isProven && this.areAnswered) {
      if (isStream) return;
      const renewAfterMs = this.#rests(proof) ? REST_AFTER_MS : RENEW_AFTER_MS;
      if (!renew || now - proof.provenAt < renewAfterMs) return;
    }
    if (now - proof.sentAt >= (isProven ? PROVEN_SPACING_MS : SPACING_MS)) this.send(proof, now);
  }

  /** Sends a check, if the client's password is known. */
  send(proof: PathProof, now: number): void {
    const { username, path } = proof;
    const ufrag = username.slice(0, username.indexOf(":"));
    const mac = this.#remotes.find((remote) => remote.ufrag === ufrag)?.mac;
    if (mac === undefined || username.length > MAX_REQUEST_NAME) return;
    if (proof.check === undefined || now - proof.check.openedAt >= CHECK_LIFE_MS) {
      this.#open(proof, mac, now);
    }
    const { transaction } = proof.check!;
    const fields = { transaction, username, priority: PRIORITY, tieBreaker: this.#tieBreaker };
    path.send(this.#out, writeBindingRequest(this.#out, fields, mac));
    proof.sentAt = now;
  }

  /** The path is gone. */
  forget(proof: PathProof): void {
    if (proof.check !== undefined) this.#directory.deleteCheck(proof.check);
    proof.check = undefined;
  }

  #open(proof: PathProof, mac: StunMac, now: number): void {
    this.forget(proof);
    let transaction: Uint8Array;
    let tag: number;
    do {
      transaction = this.#random.bytes(TRANSACTION_BYTES);
      tag = readUint32(transaction, 0);
    } while (!this.#directory.isFree(tag));
    proof.jitterMs = tag % RENEW_JITTER_MS;
    const answered = (at: number) => this.#answered(proof, at);
    proof.check = { transaction, tag, mac, path: proof.path, openedAt: now, answered };
    this.#directory.addCheck(proof.check);
  }

  #answered(proof: PathProof, now: number): void {
    const rttMs = proof.check?.openedAt === proof.sentAt ? now - proof.sentAt : -1;
    proof.check = undefined;
    proof.provenAt = now;
    this.#answersSince = Math.min(this.#answersSince, now);
    this.#onAnswer(proof, now, rttMs);
  }
}
