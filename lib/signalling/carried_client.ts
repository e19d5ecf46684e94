/**
 * Clients that have reached this node and whose sessions are on others: their messages pass
 * through.
 *
 * Contract: nothing is read but its size; what a client may leave unread, and how long a message
 * may be, is as for sessions of this node. Whoever closes, the other side is told with the same
 * code.
 *
 * @module
 */
import { type ClientInfo, DisconnectReason, type RegionSettings } from "@livekit/protocol";
import type { DropSink } from "../base/drop_counters.ts";
import { ClientTraits } from "../room/context/client_traits.ts";
import { resumeRequest } from "../room/context/close_reason.ts";
import type { SignallingDrop } from "./drop_reasons.ts";
import { encodingOf, exceedsLimit, type FrameEncoding, ResponseEncoder } from "./signal_codec.ts";
import { CLOSE_CODE, isUnread, type SignalSocket } from "./signal_socket.ts";

/** In the answer of a node: it cannot take the newcomer itself, and another one may. */
export const ELSEWHERE_HEADER = "roomwire-elsewhere";

/** What carried clients are kept to. */
export interface CarriedClientsOptions {
  readonly counters: DropSink<SignallingDrop>;
  /** Bytes; 0 is no limit. */
  readonly maxFrameBytes: number;
  /** Bytes the client, or the other node, may leave unread; 0 is no limit. */
  readonly maxBufferedBytes: number;
  /** Where else clients may go. */
  readonly regions: () => RegionSettings | undefined;
}

/** All of this node's. */
export class CarriedClients {
  readonly #clients = new Set<CarriedClient>();
  readonly #encoder = new ResponseEncoder();

  constructor(readonly options: CarriedClientsOptions) {}

  get size(): number {
    return this.#clients.size;
  }

  /**
   * From now on messages pass between the two.
   *
   * @param session The session's end, on another node.
   */
  join(socket: SignalSocket, session: SignalSocket, info: ClientInfo): void {
    const client = new CarriedClient(socket, session, info, this.options, () => {
      this.#clients.delete(client);
    });
    this.#clients.add(client);
    client.begin();
  }

  /** This node goes away: sessions go on elsewhere, and clients are to reach them otherwise. */
  leadAway(): void {
    for (const client of [...this.#clients]) client.leadAway(this.#encoder);
  }
}

class CarriedClient {
  #encoding: FrameEncoding = "binary";
  #isClosed = false;

  constructor(
    readonly socket: SignalSocket,
    readonly session: SignalSocket,
    readonly info: ClientInfo,
    readonly options: CarriedClientsOptions,
    readonly onClosed: () => void,
  ) {}

  begin(): void {
    const { socket, session } = this;
    socket.onClose = (code) => this.#end(() => session.close(sendable(code), ""));
    session.onClose = (code, reason = "") => {
      this.#end(() => socket.close(sendable(code), reason));
    };
    session.onMessage = (data) => this.#toClient(data);
    socket.onMessage = (data) => this.#toSession(data);
  }

  leadAway(encoder: ResponseEncoder): void {
    const traits = new ClientTraits(this.info);
    const { regions } = this.options;
    const leave = resumeRequest(traits, DisconnectReason.SERVER_SHUTDOWN, regions());
    if (leave !== undefined) this.socket.send(encoder.encode(leave, this.#encoding));
    this.#close(CLOSE_CODE.normal, "");
  }

  #toSession(data: Uint8Array | string): void {
    if (this.#isClosed) return;
    const { counters, maxFrameBytes, maxBufferedBytes } = this.options;
    if (exceedsLimit(data, maxFrameBytes)) {
      counters.count("signal_frame_too_large");
      return this.#close(CLOSE_CODE.tooBig, "message too large");
    }
    if (isUnread(this.session, data.length, maxBufferedBytes)) {
      counters.count("signal_carry_too_slow");
      return this.#close(CLOSE_CODE.policy, "too slow");
    }
    this.#encoding = encodingOf(data);
    this.session.send(data);
  }

  #toClient(data: Uint8Array | string): void {
    if (this.#isClosed) return;
    const { counters, maxBufferedBytes } = this.options;
    if (isUnread(this.socket, data.length, maxBufferedBytes)) {
      counters.count("signal_slow_reader");
      return this.#close(CLOSE_CODE.policy, "too slow");
    }
    this.socket.send(data);
  }

  #close(code: number, reason: string): void {
    this.#end(() => {
      this.socket.close(code, reason);
      this.session.close(code, reason);
    });
  }

  #end(tell: () => void): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.onClosed();
    tell();
  }
}

/** A code that may be sent: those for a close without words are not (RFC 6455 §7.4.1). */
function sendable(code = 0): number {
  const isReserved = code === 1004 || code === 1005 || code === 1006 || code === 1015;
  return code < 1000 || code > 4999 || isReserved ? CLOSE_CODE.normal : code;
}
