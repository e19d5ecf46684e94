/**
 * A subscriber's stream that is opened before its publisher sends anything fit to begin with, over
 * real sockets; with several engines, also across them.
 */
import assert from "node:assert/strict";
import { SUBSCRIBED_PT } from "../support/wire/wire_media.ts";
import {
  assertDense,
  AUDIO,
  frames,
  publisher,
  sequenceNumbers,
  VIDEO,
} from "../support/wire/wire_publisher.ts";
import { roomTest } from "../support/wire/room_tests.ts";
import { WireRoom } from "../support/wire/wire_room.ts";
import { createTestEngine, createTestPool, SPREAD } from "../support/wire/test_engine.ts";

const WORLDS = {
  "one engine": () => WireRoom.open(createTestEngine),
  "two engines": () => WireRoom.open((options) => createTestPool(options, 2, SPREAD)),
};

for (const [where, open] of Object.entries(WORLDS)) {
  roomTest(
    `MediaEngine opens streams that have nothing to begin with, and media goes on from there (${where})`,
    async (room) => {
      const from = await publisher(room);
      const to = await room.connect();
      await frames(from); // no key frame: nothing a subscriber could begin with
      await from.client.sendRtp(from.audio.packet());
      await room.event("layer_arrived", ({ spatial }) => spatial === 2);
      await room.event("layer_arrived", ({ upTrack }) => upTrack === AUDIO);
      room.subscribe(to, VIDEO, "video", 5000);
      room.subscribe(to, AUDIO, "audio", 5100);
      const opened = (ssrc: number) => to.client.paddingOf(ssrc);
      await room.until("padding of both", () => opened(5000).length > 1 && opened(5100).length > 1);
      assert.ok(opened(5000).every(({ payloadType }) => payloadType === SUBSCRIBED_PT.vp8));
      assert.ok(opened(5100).every(({ payloadType }) => payloadType === SUBSCRIBED_PT.opus));
      await room.until("media of both", () => {
        void frames(from, { key: true });
        void from.client.sendRtp(from.audio.packet());
        return to.client.rtpOf(5000).length > 0 && to.client.rtpOf(5100).length > 0;
      });
      for (const ssrc of [5000, 5100]) {
        const all = to.client.rtp.filter((packet) => packet.ssrc === ssrc);
        assertDense(sequenceNumbers(all), `numbers of ${ssrc}`);
        const media = all.findIndex(({ isPadding }) => !isPadding);
        assert.ok(all.slice(media).every(({ isPadding }) => !isPadding), "no padding after media");
      }
    },
    open,
  );
}
