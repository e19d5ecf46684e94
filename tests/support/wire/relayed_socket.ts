/**
 * A client's socket that goes through a channel of a TURN server over UDP (RFC 8656), written here
 * and not with the server's own writers.
 *
 * @module
 */
import type { MediaAddress } from "../../../lib/base/media_vocabulary.ts";
import { channelData } from "../virtual/turn_world.ts";
import { allocateChannels, FIRST_CHANNEL, type TurnAccount } from "./turn_dialogue.ts";
import { openUdpSocket, type WireSocket } from "./wire_socket.ts";

/** Whom a client relays as, and where. */
export interface RelayAccess extends TurnAccount {
  readonly server: Omit<MediaAddress, "protocol">;
}

/** Allocates, and binds a channel for each peer; what it sends goes by the one that is chosen. */
export class RelayedWireSocket implements WireSocket {
  onDatagram: WireSocket["onDatagram"] = () => {};
  /** Which of its peers it sends to, by their order. */
  peer = 0;
  #onAnswer: (bytes: Uint8Array) => void = () => {};

  private constructor(readonly carrier: WireSocket) {
    carrier.onDatagram = (bytes) => this.#receive(bytes);
  }

  static async open(access: RelayAccess, peers: readonly MediaAddress[]) {
    const carrier = await openUdpSocket({ protocol: "udp", ...access.server });
    const socket = new RelayedWireSocket(carrier);
    await allocateChannels((request) => socket.#ask(request), access, peers);
    return socket;
  }

  get ended(): Promise<void> {
    return this.carrier.ended;
  }

  send(bytes: Uint8Array): Promise<void> {
    return this.carrier.send(channelData(FIRST_CHANNEL + this.peer, bytes));
  }

  close(): void {
    this.carrier.close();
  }

  #receive(bytes: Uint8Array): void {
    if (bytes[0]! < FIRST_CHANNEL >> 8) return this.#onAnswer(bytes);
    const length = bytes[2]! << 8 | bytes[3]!;
    this.onDatagram(bytes.slice(4, 4 + length));
  }

  /** Nothing is lost on loopback before media flows. */
  async #ask(request: Uint8Array): Promise<Uint8Array> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    this.#onAnswer = resolve;
    await this.carrier.send(request);
    return await promise;
  }
}
