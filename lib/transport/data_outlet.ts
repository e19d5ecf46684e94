/**
 * Where the SCTP packets of one peer connection leave: sealed in the room that the path in use
 * lends.
 *
 * Contract: before the handshake, or without a proven path, nothing is sent. Per packet there is no
 * copy, as sealing is one, and no allocation where the ciphers make none.
 *
 * @module
 */
import { RECORD_CONTENT_AT, RECORD_TAG_BYTES } from "./crypto/record_cipher.ts";
import { SendKind } from "./datagrams/datagrams.ts";
import type { DtlsSession } from "./dtls/dtls_session.ts";
import type { NetworkPath } from "./ice/network_path.ts";
import { MAX_PACKET_BYTES } from "./sctp/sctp_packet.ts";

/** What has packets to send. */
export interface PacketSource {
  /** Writes the next one into `out` and returns its length; 0 if there is none now. */
  poll(out: Uint8Array, now: number): number;
  /** Whether there is none before {@linkcode PacketSource.nextWakeAt}; else it has to be polled. */
  readonly isDone: boolean;
  /** Monotonic ms. */
  nextWakeAt(): number;
}

/** Where packets are written, to be sealed from here to where they leave. */
const PACKET = new Uint8Array(MAX_PACKET_BYTES);

/** One connection's way out for data. Sends nothing before it has keys and a path. */
export class DataOutlet {
  readonly #route: { readonly mediaPath: NetworkPath | undefined };
  readonly #dtls: DtlsSession;

  /** @param route Says which path is in use. */
  constructor(route: { readonly mediaPath: NetworkPath | undefined }, dtls: DtlsSession) {
    this.#route = route;
    this.#dtls = dtls;
  }

  /**
   * Sends all that `source` has to send; what no path takes is lost, as on the way.
   *
   * @returns When it has something again, monotonic ms.
   */
  drain(source: PacketSource, now: number): number {
    for (;;) {
      const length = source.poll(PACKET, now);
      if (length === 0) return source.nextWakeAt();
      this.send(PACKET, length);
      // Most have one packet, and to look for another costs as much as to write it.
      const wakeAt = source.isDone ? source.nextWakeAt() : now;
      if (wakeAt > now) return wakeAt;
    }
  }

  /** Sends the packet `bytes[0, length)`, which is only read; `false` if it could not. */
  send(bytes: Uint8Array, length: number = bytes.length): boolean {
    const path = this.#route.mediaPath;
    const room = this.#dtls.connected ? path?.reserve() : undefined;
    if (path === undefined || room === undefined) return false;
    if (length + RECORD_CONTENT_AT + RECORD_TAG_BYTES > room.length) {
      return this.#dtls.sendData(bytes, length); // longer than any path's lent room
    }
    const sealed = this.#dtls.sealData(room, bytes, length);
    if (sealed > 0) path.commit(sealed, SendKind.data);
    return sealed > 0;
  }
}
