/** Data tracks and slow readers through the whole media engine over real sockets. */
import assert from "node:assert/strict";
import type { MediaEvent } from "../../lib/engine/messages/media_messages.ts";
import { readDataTrackPacket, writeDataTrackPacket } from "../../lib/wire/data_track_packet.ts";
import { WireRoom } from "../support/wire/wire_room.ts";

const LABEL = "_data_track";
const dataPolicy = {
  dataTracks: true,
  slowThresholdBps: 0,
  lossyTargetLatencyMs: 0,
  dataTrackTargetLatencyMs: 100,
};

/** One each time it is looked for: as long as the wait for it, or somewhat less. */
const MAX_REPEATS = 200;

Deno.test({
  name: "MediaEngine sends data track packets on by their routes and tells nobody of them",
  // werift's client keeps timers.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using room = await WireRoom.open();
    const publisher = await room.connect({ dataChannels: "accept", dataPolicy });
    const subscriber = await room.connect({ dataChannels: "create", dataPolicy });
    publisher.client.channels!.open(LABEL, { ordered: false, maxRetransmits: 0 });
    for (const { client } of [publisher, subscriber]) {
      await room.until("the data track channel", () => client.channels!.isOpen(LABEL));
    }
    const receivers = [{ connection: subscriber.id, handle: 500 }];
    const routes = [{ handle: 3, receivers }];
    room.send({ type: "set_data_track_routes", connection: publisher.id, routes });
    const payload = new TextEncoder().encode("frame");
    const packet = (handle: number) =>
      writeDataTrackPacket({
        version: 0,
        startOfFrame: true,
        finalOfFrame: true,
        handle,
        sequence: 1,
        frameNumber: 1,
        timestamp: 90_000,
        extensions: [],
        payload,
      })!;
    publisher.client.channels!.send(LABEL, packet(4));
    publisher.client.channels!.send(LABEL, Uint8Array.of(1, 2, 3));
    const messages = () => subscriber.client.channels!.messages;
    // Lossy: what waits too long for a busy machine is dropped, and nobody sends it again but us.
    let sent = 0;
    await room.until("the packet", () => {
      if (sent++ < MAX_REPEATS) publisher.client.channels!.send(LABEL, packet(3));
      return messages().length > 0;
    });
    const [{ label, bytes }] = messages() as [ReturnType<typeof messages>[number]];
    assert.deepEqual([label, readDataTrackPacket(bytes)], [
      LABEL,
      readDataTrackPacket(packet(500)),
    ]);
    assert.ok(messages().every((message) => message.bytes.join() === bytes.join()), "and no other");
    const isData = ({ type }: MediaEvent) =>
      type.startsWith("data_") && type !== "data_channel_open";
    assert.equal(room.events.some(isData), false);
    assert.deepEqual(room.errors, []);
  },
});
