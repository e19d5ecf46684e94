/**
 * What stands in for a peer where there is none: packets that this process makes itself, out of
 * what an encoder sends by another protocol.
 *
 * Contract: it is connected from its description on, and takes packets from then on; whatever is to
 * be sent to the peer goes nowhere, requests for key frames among them.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { PacketSink } from "../../base/packet_sink.ts";
import type { PeerTransport, PeerTransportListener } from "../../transport/peer_transport.ts";
import type { RtpOutlet } from "../../transport/rtp_outlet.ts";
import { readUint16 } from "../../wire/big_endian.ts";
import { RtpView } from "../../wire/rtp_view.ts";
import type { EngineDrop } from "../drop_reasons.ts";

/** What a connection needs of what is below RTP: the part of {@linkcode PeerTransport} it uses. */
export type MediaTransport =
  & Pick<
    PeerTransport,
    | "setRemote"
    | "restartIce"
    | "sendRtcp"
    | "sendData"
    | "isDataOpen"
    | "isDataBacklogged"
    | "holdData"
    | "hasMessages"
    | "deliverData"
    | "flushData"
    | "protocol"
    | "remote"
    | "queuedBytes"
    | "droppedBytes"
    | "connected"
    | "nextWakeAt"
    | "tick"
    | "close"
  >
  & {
    readonly rtp: PacketSink & Partial<Pick<RtpOutlet, "history" | "tap" | "datagrams">>;
    /** Whole packets of RTP or RTCP, each behind its length in two bytes. */
    takePackets?(packets: Uint8Array, now: number, nowUs: number): void;
  };

/** Second byte of RTCP where it shares a stream with RTP (RFC 5761 §4). */
const FIRST_RTCP_TYPE = 192;
const LAST_RTCP_TYPE = 223;

/** A transport without a peer. */
export class SourceTransport implements MediaTransport {
  readonly rtp: MediaTransport["rtp"] = {
    reserve: () => undefined,
    send: () => {},
    nextTransportSequence: () => -1,
  };
  readonly protocol = "tcp";
  readonly remote = undefined;
  readonly queuedBytes = -1;
  readonly droppedBytes = 0;
  readonly hasMessages = false;
  readonly #listener: PeerTransportListener;
  readonly #drops: DropSink<EngineDrop>;
  readonly #view = new RtpView();
  #state: "new" | "described" | "connected" | "closed" = "new";

  constructor(listener: PeerTransportListener, drops: DropSink<EngineDrop>) {
    this.#listener = listener;
    this.#drops = drops;
  }

  get connected(): boolean {
    return this.#state === "connected";
  }

  /** It is told as connected on the next tick, as a peer would be later than it is described. */
  setRemote(): void {
    if (this.#state !== "new") return;
    this.#state = "described";
    this.#listener.onTimed(0);
  }

  tick(): void {
    if (this.#state !== "described") return;
    this.#state = "connected";
    this.#listener.onConnected(this.protocol);
  }

  nextWakeAt(): number {
    return this.#state === "described" ? 0 : Infinity;
  }

  takePackets(packets: Uint8Array, now: number, nowUs: number): void {
    if (this.#state !== "connected") return;
    for (let at = 0; at + 2 <= packets.length;) {
      const length = readUint16(packets, at);
      const end = at + 2 + length;
      if (end > packets.length) return this.#drops.count("source_malformed");
      const packet = packets.subarray(at + 2, end);
      at = end;
      const type = packet[1] ?? 0;
      if (type >= FIRST_RTCP_TYPE && type <= LAST_RTCP_TYPE) {
        this.#listener.onRtcp(packet, length, now);
      } else if (this.#view.wrap(packet, length)) this.#listener.onRtp(this.#view, now, nowUs);
      else this.#drops.count("source_malformed");
    }
  }

  close(): void {
    this.#state = "closed";
  }

  restartIce(): void {}

  sendRtcp(): void {}

  sendData(): boolean {
    return false;
  }

  isDataOpen(): boolean {
    return false;
  }

  isDataBacklogged(): boolean {
    return false;
  }

  holdData(): void {}

  deliverData(): boolean {
    return false;
  }

  flushData(): void {}
}
