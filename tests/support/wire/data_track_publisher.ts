/**
 * A wire-level client's own data track, and what others receive of such tracks.
 *
 * @module
 */
import {
  type DataTrackInfo,
  PublishDataTrackRequest,
  UnpublishDataTrackRequest,
} from "@livekit/protocol";
import {
  type DataTrackPacket,
  readDataTrackPacket,
  writeDataTrackPacket,
} from "../../../lib/wire/data_track_packet.ts";
import { until } from "./until.ts";
import type { WireParticipant } from "./wire_participant.ts";

const LABEL = "_data_track";
const text = new TextEncoder();

/** One published data track. */
export class OwnDataTrack {
  #sequence = 0;

  private constructor(readonly client: WireParticipant, readonly info: DataTrackInfo) {}

  /** Publishes a track under a handle of the caller's. */
  static async publish(client: WireParticipant, pubHandle: number): Promise<OwnDataTrack> {
    await openDataTrackChannel(client);
    const value = new PublishDataTrackRequest({ pubHandle, name: `track ${pubHandle}` });
    client.signal.send({ case: "publishDataTrackRequest", value });
    const { info } = await client.signal.message(
      "publishDataTrackResponse",
      (response) => response.info?.pubHandle === pubHandle,
    );
    return new OwnDataTrack(client, info!);
  }

  /** Sends a frame of one packet. */
  send(payload: string): void {
    const bytes = writeDataTrackPacket({
      version: 0,
      startOfFrame: true,
      finalOfFrame: true,
      handle: this.info.pubHandle,
      sequence: this.#sequence,
      frameNumber: this.#sequence++,
      timestamp: 0,
      extensions: [],
      payload: text.encode(payload),
    })!;
    this.client.publisher.client!.channels!.send(LABEL, bytes);
  }

  async unpublish(): Promise<void> {
    const { pubHandle } = this.info;
    const value = new UnpublishDataTrackRequest({ pubHandle });
    this.client.signal.send({ case: "unpublishDataTrackRequest", value });
    await this.client.signal.message(
      "unpublishDataTrackResponse",
      ({ info }) => info?.pubHandle === pubHandle,
    );
  }
}

/** Opens the client's own channel, on which a client with a single connection also receives. */
export async function openDataTrackChannel(client: WireParticipant): Promise<void> {
  await client.openData();
  const { channels } = client.publisher.client!;
  if (channels!.isOpen(LABEL)) return;
  channels!.open(LABEL, { ordered: false, maxRetransmits: 0 });
  await until(`${client.identity}'s data track channel`, () => channels!.isOpen(LABEL));
}

/** Packets of data tracks that came to `client`. */
export function receivedDataTrackPackets(client: WireParticipant): DataTrackPacket[] {
  const messages = client.primary.client?.channels?.messages ?? [];
  return messages.filter(({ label }) => label === LABEL)
    .map(({ bytes }) => readDataTrackPacket(bytes)!);
}

/** Data tracks `client` is subscribed to now: sid → its handle. */
export function subscribedDataTracks(client: WireParticipant): Map<string, number> {
  const { subHandles = {} } = client.signal.all("dataTrackSubscriberHandles").at(-1) ?? {};
  const entries = Object.entries(subHandles);
  return new Map(entries.map(([handle, { trackSid }]) => [trackSid, Number(handle)]));
}
