/**
 * A {@linkcode DataPeer} on `@livekit/rtc-node`: LiveKit's native SDK, whose data functions are all
 * there is.
 *
 * @module
 */
import { DataPacketKind, type RemoteParticipant, Room, RoomEvent } from "@livekit/rtc-node";
import { eventually } from "../process/eventually.ts";
import {
  type Arrival,
  arrivalOf,
  type Burst,
  type DataPeer,
  LOSSY,
  payloadOf,
  RELIABLE,
} from "./data_peer.ts";

/** One participant in this process. */
export class RtcNodeDataPeer implements DataPeer {
  readonly stack = "rtc-node";
  readonly #room = new Room();
  readonly #arrived: Arrival[] = [];

  private constructor(readonly identity: string) {
    this.#room.on(
      RoomEvent.DataReceived,
      (payload: Uint8Array, from?: RemoteParticipant, kind?: DataPacketKind) => {
        const label = kind === DataPacketKind.KIND_LOSSY ? LOSSY : RELIABLE;
        this.#arrived.push(arrivalOf(from?.identity ?? "", label, payload));
      },
    );
  }

  static async join(
    join: {
      readonly identity: string;
      readonly server: string;
      readonly token: string;
      readonly single: boolean;
    },
  ): Promise<RtcNodeDataPeer> {
    const peer = new RtcNodeDataPeer(join.identity);
    // The SDK hands on what the native part under it takes, more than its own type names.
    const options = { autoSubscribe: false, dynacast: false, singlePeerConnection: join.single };
    await peer.#room.connect(join.server, join.token, options);
    return peer;
  }

  async meet(identities: readonly string[]): Promise<void> {
    await eventually(`${this.identity} to know the others`, () => {
      const known = [...this.#room.remoteParticipants.values()].map(({ identity }) => identity);
      return identities.every((one) => one === this.identity || known.includes(one));
    });
  }

  /** @throws {Error} for a channel of one's own. */
  async send({ label, count, size, first = 0, to }: Burst): Promise<void> {
    if (label !== RELIABLE && label !== LOSSY) throw new Error(`no channel "${label}"`);
    for (let place = 0; place < count; place++) {
      await this.#room.localParticipant!.publishData(payloadOf(first + place, size), {
        reliable: label === RELIABLE,
        ...(to === undefined ? {} : { destination_identities: [...to] }),
      });
    }
  }

  arrivals(): Promise<readonly Arrival[]> {
    return Promise.resolve(this.#arrived);
  }

  story(): Promise<unknown> {
    const { isConnected } = this.#room;
    return Promise.resolve({ identity: this.identity, stack: this.stack, isConnected });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#room.isConnected) await this.#room.disconnect();
  }
}
