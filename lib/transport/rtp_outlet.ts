/**
 * Where the RTP packets of one peer connection leave: sealed in the room that the path in use
 * lends.
 *
 * Contract: without keys or a proven path nothing is lent and nothing is sent. Per packet there is
 * no allocation, and its header is not read again.
 *
 * @module
 */
import {
  NOT_NUMBERED,
  type NumberedPacket,
  PACKET_KIND,
  type PacketSink,
  type SendHistory,
  SKIPPED,
  type WrittenPacket,
} from "../base/packet_sink.ts";
import { type Datagrams, SendKind } from "./datagrams/datagrams.ts";
import type { NetworkPath } from "./ice/network_path.ts";
import type { SrtpSession } from "./srtp/srtp_session.ts";

/** Who is told of every packet that is sent: shared by the connections of an engine. */
export interface CopyCounter {
  /** A packet was given to a path. */
  copied(): void;
}

/** Who looks at packets before they are sealed. */
export interface PacketTap {
  /** A packet that begins in `head` is about to be sent; both are only read, and only now. */
  sending(head: Uint8Array, packet: WrittenPacket): void;
}

/**
 * One connection's way out for RTP. Lends and sends nothing before it has keys and a proven path;
 * numbers are handed out all the same, once somebody keeps their history.
 */
export class RtpOutlet implements PacketSink {
  /** Gives what seals, from when there are keys: asked for the first packet. */
  keys: () => SrtpSession | undefined = () => undefined;
  /** Who hears of numbered packets; without it packets are not numbered. */
  history: SendHistory | undefined;
  /** Absent but while somebody captures packets. */
  tap: PacketTap | undefined;
  #srtp: SrtpSession | undefined;
  readonly #route: { readonly mediaPath: NetworkPath | undefined };
  readonly #copies: CopyCounter | undefined;
  /** Lent by the path in use for the next packet. */
  #reserved: Uint8Array | undefined;
  #transportSequence = 0;

  /** @param route Says which path is in use. */
  constructor(
    route: { readonly mediaPath: NetworkPath | undefined },
    copies: CopyCounter | undefined,
  ) {
    this.#route = route;
    this.#copies = copies;
  }

  /** What packets wait in now until they leave; absent where nobody tells when they do. */
  get datagrams(): Datagrams | undefined {
    return this.#route.mediaPath?.datagrams;
  }

  reserve(): Uint8Array | undefined {
    const path = this.#route.mediaPath;
    if (path === undefined || (this.#srtp ??= this.keys()) === undefined) return undefined;
    return this.#reserved = path.reserve();
  }

  send(packet: NumberedPacket, now: number): void {
    const path = this.#route.mediaPath;
    const srtp = this.#srtp;
    if (srtp === undefined || path === undefined || this.#reserved === undefined) return;
    if (this.tap !== undefined) this.tap.sending(this.#reserved, packet);
    const sealed = srtp.protectWritten(this.#reserved, packet);
    if (sealed === 0) return;
    path.commit(sealed, packet.isVideo ? SendKind.video : SendKind.other);
    this.#copies?.copied();
    const { transportSequence } = packet;
    if (transportSequence >= 0) {
      const { history } = this;
      if (history === undefined) return;
      history.sent(transportSequence, sealed, packet.packetKind, now);
      if (packet.packetKind === PACKET_KIND.media) history.sentMedia?.(transportSequence, packet);
    } else if (transportSequence === SKIPPED) this.history?.skipped(sealed, now);
    else this.history?.unnumbered(sealed, now);
  }

  outdate(ssrc: number): boolean {
    return this.#route.mediaPath?.outdate?.(ssrc) ?? false;
  }

  nextTransportSequence(now: number): number {
    const { history } = this;
    if (history === undefined) return NOT_NUMBERED;
    if (!history.numbers(now)) return SKIPPED;
    const sequence = this.#transportSequence;
    this.#transportSequence = (sequence + 1) & 0xffff;
    return sequence;
  }
}
