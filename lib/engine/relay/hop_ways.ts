/**
 * The two ways to the other end of a hop, UDP and the one for where that is blocked, and which of
 * them a datagram takes.
 *
 * While UDP is in doubt everything takes both, so that an outage of UDP is one of media for as long
 * as it takes to doubt, and not until it is certain. What comes twice by that counts once.
 *
 * @module
 */
import { HopPath } from "./hop_path.ts";
import type { HopOutlet } from "./hop_ports.ts";

/** Where nothing comes by the other way either, the two take turns of so long, ms. */
const TURN_MS = 600;

/** Where the datagrams of a hop go. */
export class HopWays {
  readonly path = new HopPath();
  readonly udp: HopOutlet;
  readonly #other: HopOutlet | undefined;

  /** @param other The way where UDP is blocked, if there is one. */
  constructor(udp: HopOutlet, other: HopOutlet | undefined) {
    this.udp = udp;
    this.#other = other;
  }

  /**
   * The way that a datagram takes.
   *
   * @param silentSince Since when nothing at all has come; negative if something has.
   */
  first(now: number, silentSince: number): HopOutlet {
    const { isBlocked, blockedAt } = this.path;
    if (!isBlocked || this.#other === undefined) return this.udp;
    const silentMs = silentSince < 0 ? 0 : now - Math.max(silentSince, blockedAt);
    return Math.floor(silentMs / TURN_MS) % 2 === 0 ? this.#other : this.udp;
  }

  /** The way that it takes besides; `undefined` if one is enough. */
  second(now: number, rttMs: number): HopOutlet | undefined {
    return this.path.isDoubtful(now, rttMs) ? this.#other : undefined;
  }

  /**
   * Sends a hello, which is no part of what is sealed.
   *
   * @param byOther It answers one that came by the other way.
   */
  sendHello(hello: Uint8Array, now: number, rttMs: number, byOther: boolean): void {
    const { path, udp } = this;
    const { isBlocked } = path;
    if (!isBlocked) path.asked(now);
    if (this.#other !== undefined && (isBlocked || byOther || path.isDoubtful(now, rttMs))) {
      sendBytes(this.#other, hello);
    }
    if (!isBlocked || path.isDue(now)) sendBytes(udp, hello);
  }
}

function sendBytes(outlet: HopOutlet, bytes: Uint8Array): void {
  const out = outlet.reserve();
  if (out === undefined) return; // counted there
  out.set(bytes);
  outlet.commit(bytes.length, false);
}
