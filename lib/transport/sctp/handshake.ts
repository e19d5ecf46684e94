/**
 * How an association begins, and begins anew (RFC 9260 §5): INIT, INIT ACK, COOKIE ECHO and COOKIE
 * ACK, whoever sends the first one, or both at once.
 *
 * Of an INIT nothing is kept but the latest to be answered; the answer's cookie, signed as it is
 * written, carries what was agreed on. So a flood of them costs one answer for each time we send.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Random } from "../../base/platform.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import {
  type AssociationParameters,
  readCookie,
  readParameters,
  writeParameters,
} from "./association_parameters.ts";
import { RetransmissionTimeout } from "./retransmission_timeout.ts";
import { CHUNK, CHUNK_HEADER_BYTES, type PacketWriter } from "./sctp_packet.ts";
import { type CookieContent, readCookieContent, writeCookie } from "./state_cookie.ts";

const SECRET_BYTES = 32;
/** Cause of an ERROR (§3.3.10.3). */
const STALE_COOKIE = 3;

/** What a COOKIE ECHO came to. */
export type CookieOutcome = "ignored" | "again" | "established" | "restarted";

/** One association's beginning. Nothing a peer sends throws. */
export class Handshake {
  /** Ours, as in the packets to us; 0 before there is an association or an INIT of ours. */
  localTag = 0;
  localTsn = 0;
  /** The peer of the association that stands. */
  peer: AssociationParameters | undefined;
  /** Whether the peer has sent an INIT. */
  wasAsked = false;
  /** Whether the peer was told that it may leave checksums out. */
  takesZeroChecksum = false;
  readonly #random: Random;
  readonly #drops: DropSink<TransportDrop>;
  readonly #secret: Uint8Array;
  readonly #timeout = new RetransmissionTimeout();
  #state: "idle" | "cookie_wait" | "cookie_echoed" | "done" = "idle";
  /** The INIT to be answered. */
  #asked: AssociationParameters | undefined;
  /** Of the peer's INIT ACK: what it said, and what is to be sent back. */
  #offered: AssociationParameters | undefined;
  #cookie: Uint8Array | undefined;
  #acknowledge = false;
  /** When the INIT, or COOKIE ECHO, goes (again), monotonic ms. */
  #timerAt = Infinity;

  constructor(random: Random, drops: DropSink<TransportDrop>) {
    this.#random = random;
    this.#drops = drops;
    this.#secret = random.bytes(SECRET_BYTES);
  }

  /** When something is to be written, monotonic ms; `-Infinity` for now. */
  get dueAt(): number {
    return this.#asked !== undefined || this.#acknowledge ? -Infinity : this.#timerAt;
  }

  /** Sends an INIT of ours, unless the association has begun. */
  begin(): void {
    if (this.#state !== "idle") return;
    this.localTag = this.#randomTag();
    this.localTsn = this.#random.uint32() | 0;
    this.takesZeroChecksum = true;
    this.#state = "cookie_wait";
    this.#timerAt = -Infinity;
  }

  /** Takes the peer's INIT. */
  receiveInit(view: DataView, at: number, size: number): void {
    const parameters = readParameters(view, at, size);
    if (parameters === undefined) this.#drops.count("sctp_bad_chunk");
    else {
      this.#asked = parameters;
      this.wasAsked = true;
    }
  }

  /** Takes the answer to our INIT. */
  receiveInitAck(bytes: Uint8Array, view: DataView, at: number, size: number): void {
    if (this.#state !== "cookie_wait") return; // a late copy (§5.2.3)
    this.#offered = readParameters(view, at, size);
    this.#cookie = readCookie(bytes, view, at, size);
    if (this.#offered === undefined || this.#cookie === undefined) {
      return this.#drops.count("sctp_bad_chunk");
    }
    this.#state = "cookie_echoed";
    this.#timeout.succeeded();
    this.#timerAt = -Infinity;
  }

  /**
   * Takes a cookie that came back in a packet with the tag `packetTag`: §5.1.5, and the table of
   * §5.2.4.
   */
  receiveCookieEcho(cookie: Uint8Array, packetTag: number, now: number): CookieOutcome {
    const content = readCookieContent(cookie, this.#secret, now);
    if (content === undefined || content === "stale" || content.localTag !== packetTag) {
      this.#drops.count(content === "stale" ? "sctp_stale_cookie" : "sctp_bad_cookie");
      return "ignored";
    }
    if (this.#state === "idle") return this.#establish(content, "established");
    const isOurs = content.localTag === this.localTag;
    if (this.#state !== "done") {
      return isOurs ? this.#establish(content, "established") : this.#ignore();
    }
    const peer = this.peer!;
    if (isOurs) {
      this.peer = { ...peer, tag: content.peer.tag };
      this.#acknowledge = true;
      return "again";
    }
    const knew = content.tieLocal === this.localTag && content.tiePeer === peer.tag;
    return knew ? this.#establish(content, "restarted") : this.#ignore();
  }

  /** Takes a COOKIE ACK; `true` if the association stands with it. */
  receiveCookieAck(): boolean {
    if (this.#state !== "cookie_echoed") return false;
    this.#finish(this.#offered!);
    return true;
  }

  /** Takes an ERROR: a cookie that was too old is asked for anew. */
  receiveError(view: DataView, at: number, size: number): void {
    if (this.#state !== "cookie_echoed" || size < CHUNK_HEADER_BYTES + 4) return;
    if (view.getUint16(at + CHUNK_HEADER_BYTES) !== STALE_COOKIE) return;
    this.#state = "cookie_wait";
    this.#timerAt = -Infinity;
  }

  /** Writes an INIT ACK or INIT, each a packet of its own; `true` if it did. */
  writeAlone(writer: PacketWriter, out: Uint8Array, remotePort: number, now: number): boolean {
    const asked = this.#asked;
    if (asked !== undefined) {
      this.#asked = undefined;
      this.#answer(asked, writer, out, remotePort, now);
      return true;
    }
    if (this.#state !== "cookie_wait" || now < this.#timerAt) return false;
    writer.begin(out, remotePort, 0);
    writeParameters(writer, this.localTag, this.localTsn, true);
    this.#repeat(now);
    return true;
  }

  /** The tag for {@linkcode Handshake.writeBundled} before the association stands. */
  get offeredTag(): number | undefined {
    return this.#state === "cookie_echoed" ? this.#offered?.tag : undefined;
  }

  /** Writes what may have other chunks behind it. */
  writeBundled(writer: PacketWriter, now: number): void {
    if (this.#acknowledge) {
      this.#acknowledge = false;
      writer.chunk(CHUNK.cookieAck, 0, CHUNK_HEADER_BYTES);
    }
    if (this.#state !== "cookie_echoed" || now < this.#timerAt) return;
    const cookie = this.#cookie!;
    const at = writer.chunk(CHUNK.cookieEcho, 0, CHUNK_HEADER_BYTES + cookie.length);
    writer.bytes.set(cookie, at + CHUNK_HEADER_BYTES);
    this.#repeat(now);
  }

  #answer(
    peer: AssociationParameters,
    writer: PacketWriter,
    out: Uint8Array,
    remotePort: number,
    now: number,
  ): void {
    const opening = this.#state === "cookie_wait" || this.#state === "cookie_echoed";
    const stands = this.#state === "done";
    const localTag = opening ? this.localTag : this.#randomTag();
    const localTsn = opening ? this.localTsn : this.#random.uint32() | 0;
    const tieLocal = stands ? this.localTag : 0;
    const tiePeer = stands ? this.peer!.tag : 0;
    const content = { peer, localTag, localTsn, tieLocal, tiePeer };
    const cookie = writeCookie(content, this.#secret, now);
    writer.begin(out, remotePort, peer.tag);
    writeParameters(writer, localTag, localTsn, peer.zeroChecksum, cookie);
  }

  #establish(content: CookieContent, outcome: CookieOutcome): CookieOutcome {
    this.localTag = content.localTag;
    this.localTsn = content.localTsn;
    this.#acknowledge = true;
    if (content.peer.zeroChecksum) this.takesZeroChecksum = true;
    this.#finish(content.peer);
    return outcome;
  }

  #finish(peer: AssociationParameters): void {
    this.peer = peer;
    this.#state = "done";
    this.#timerAt = Infinity;
    this.#cookie = undefined;
  }

  #ignore(): CookieOutcome {
    this.#drops.count("sctp_bad_cookie");
    return "ignored";
  }

  #repeat(now: number): void {
    this.#timerAt = now + this.#timeout.ms;
    this.#timeout.backOff();
  }

  #randomTag(): number {
    return (this.#random.uint32() | 0) || 1;
  }
}
