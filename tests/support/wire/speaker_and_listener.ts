/**
 * Two in a call of their own on a server that others use, or attack.
 *
 * @module
 */
import { mintToken } from "../process/access_tokens.ts";
import type { RoomwireProcess } from "../process/roomwire_process.ts";
import { type Standstill, standstillDuring } from "../process/standstill.ts";
import { WireParticipant } from "./wire_participant.ts";

/** They feel what the server does. */
export class SpeakerAndListener implements AsyncDisposable {
  private constructor(
    readonly server: RoomwireProcess,
    readonly speaker: WireParticipant,
    readonly listener: WireParticipant,
  ) {}

  static async on(server: RoomwireProcess): Promise<SpeakerAndListener> {
    const join = async (identity: string) => {
      const token = await mintToken({ room: "bystanders", identity });
      return (await WireParticipant.open(server.url, token)).connected();
    };
    const [speaker, listener] = [await join("speaker"), await join("listener")];
    const { sid } = await speaker.publish("audio");
    await listener.track(sid);
    return new SpeakerAndListener(server, speaker, listener);
  }

  /** How long they waited meanwhile. */
  feel(action: () => Promise<void>): Promise<Standstill> {
    return standstillDuring(this.server, this.listener, action);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.speaker[Symbol.asyncDispose]();
    await this.listener[Symbol.asyncDispose]();
  }
}
