/** LiveKit's integration tests of data tracks, data blobs and slow readers. */
import assert from "node:assert/strict";
import {
  ConnectionSettings,
  RequestResponse_Reason as Reason,
  UserPacket,
} from "@livekit/protocol";
import type { Cancel } from "../../lib/base/platform.ts";
import {
  BLOB_CONTENTS,
  blobKey,
  blobRefusal,
  getBlob,
  storeBlob,
} from "../support/wire/data_blobs.ts";
import {
  openDataTrackChannel,
  OwnDataTrack,
  receivedDataTrackPackets,
  subscribedDataTracks,
} from "../support/wire/data_track_publisher.ts";
import { until } from "../support/wire/until.ts";
import type { WireParticipant } from "../support/wire/wire_participant.ts";
import { type ClientOptions, ROOM, scenario } from "./support.ts";

const settings = { autoSubscribe: true, autoSubscribeDataTrack: true };
/** Says so in each flavour's way. */
const AUTO_DATA: ClientOptions = {
  query: { auto_subscribe_data_track: "1" },
  joinRequest: { connectionSettings: new ConnectionSettings(settings) },
};
const text = new TextDecoder();

scenario("TestSinglePublisherDataTrack", async (test) => {
  const [c1, c2] = await test.joinAll(["c1", "c2"], AUTO_DATA);
  const tracks = [await OwnDataTrack.publish(c1!, 1), await OwnDataTrack.publish(c1!, 65_535)];
  const sids = tracks.map(({ info }) => info.sid);
  for (const sid of sids) assert.match(sid, /^DTR_/);
  const receives = async (client: WireParticipant, word: string) => {
    await openDataTrackChannel(client);
    const has = () => sids.every((sid) => subscribedDataTracks(client).has(sid));
    await until(`${client.identity}'s subscriptions`, has);
    const handles = subscribedDataTracks(client);
    for (const track of tracks) {
      const { sid, name } = track.info;
      const came = () =>
        receivedDataTrackPackets(client).some(({ handle, payload }) =>
          handle === handles.get(sid) && text.decode(payload) === `${word} ${sid}`
        );
      await until(`a packet of ${name}`, () => {
        // Packets may be lost, and the routes be under way.
        if (!came()) track.send(`${word} ${sid}`);
        return came();
      });
    }
  };
  await receives(c2!, "first");
  const { dataTracks } = await c2!.remote("c1", (info) => info.dataTracks.length === 2);
  assert.deepEqual(dataTracks.map(({ sid }) => sid), sids);
  const c3 = await test.join("c3", AUTO_DATA);
  await receives(c3, "late");
  await c3.leave();
  const subscriber = () => test.server.rooms.get(ROOM)!.byIdentity("c3");
  await until("the late joiner to be gone", () => subscriber() === undefined);
  await tracks[0]!.unpublish();
  await until("its end at c2", () => !subscribedDataTracks(c2!).has(sids[0]!));
  assert.ok(subscribedDataTracks(c2!).has(sids[1]!));
  const own = receivedDataTrackPackets(c1!);
  assert.deepEqual(own, [], "nothing comes back to the publisher");
});

const KEY = blobKey("blob-1");

scenario("TestSingleNodeDataBlob", async (test) => {
  const [pub, sub] = await test.joinAll(["pub", "sub"]);
  storeBlob(pub!, 1, KEY);
  const stored = await pub!.signal.message("storeDataBlobResponse");
  assert.equal(stored.requestId, 1);
  assert.ok(stored.key!.equals(KEY));
  assert.deepEqual(pub!.signal.all("requestResponse"), []);
  getBlob(sub!, 2, "pub", KEY);
  const { requestId, blob } = await sub!.signal.message("getDataBlobResponse");
  assert.equal(requestId, 2);
  assert.ok(blob!.key!.equals(KEY));
  assert.deepEqual(blob!.contents, BLOB_CONTENTS);
  getBlob(sub!, 3, "pub", blobKey("does-not-exist"));
  assert.equal(await blobRefusal(sub!, 3), Reason.NOT_FOUND);
  getBlob(sub!, 4, "unknown-publisher", KEY);
  assert.equal(await blobRefusal(sub!, 4), Reason.NOT_FOUND);
  storeBlob(pub!, 5);
  assert.equal(await blobRefusal(pub!, 5), Reason.INVALID_REQUEST);
}, { config: { enable_participant_data_blob: true } });

scenario("TestSingleNodeDataBlobDisabled", async (test) => {
  const pub = await test.join("pub");
  storeBlob(pub, 1, KEY);
  assert.equal(await blobRefusal(pub, 1), Reason.NOT_ALLOWED);
});

/** LiveKit's threshold, bit/s. */
const THRESHOLD_BPS = 21_024;
const MESSAGE_BYTES = 8_000;
/** Receive windows of the slow clients, so that they fill in moments. */
const WINDOW_BYTES = 64 * 1024;
/** Bytes the writer lets its own channel hold back. */
const WRITER_BUFFER_BYTES = 32 * 1024;

/** The writer has to be stopped for so long, ms. */
const BLOCK_MS = 300;
/** More than all windows and buffers hold. */
const ENOUGH_MESSAGES = 180;

/** The numbers of the messages that came. */
function numbers(client: WireParticipant): number[] {
  return client.data.map(({ value }) => {
    const { payload } = value.value as UserPacket;
    return new DataView(payload.buffer, payload.byteOffset).getUint32(0);
  });
}

scenario("TestDataPublishSlowSubscriber", async (test) => {
  const [pub, fast, above, below] = await test.joinAll(["pub", "fast", "above", "below"]);
  await pub!.openData();
  const own = pub!.publisher.client!.channels!;
  for (const client of [fast!, above!, below!]) await client.openData();
  const readers = [above!, below!].map((client) =>
    client.primary.client!.channels!.readSlowly(WINDOW_BYTES)
  );
  // 20 times the threshold, and a quarter of it, in steps of 50 ms.
  const steps = [THRESHOLD_BPS * 20, THRESHOLD_BPS / 4].map((bps) => bps / 8 / 20);
  // By the server's time, or a machine that is busy elsewhere would make everybody a slow reader.
  const { clock, timers } = test.platform;
  let stopReading: Cancel = () => {};
  const read = () => {
    readers.forEach((reader, i) => reader.read(steps[i]!));
    stopReading = timers.after(50, read);
  };
  read();
  let written = 0;
  const startedAt = clock.now();
  let blockedSince = startedAt;
  let longestBlock = 0;
  const enough = () => longestBlock > BLOCK_MS && written > ENOUGH_MESSAGES;
  while (!enough() && clock.now() - startedAt < 20_000) {
    const now = clock.now();
    if (own.bufferedAmount("_reliable") < WRITER_BUFFER_BYTES) {
      const payload = new Uint8Array(MESSAGE_BYTES);
      new DataView(payload.buffer).setUint32(0, ++written);
      await pub!.sendData({ value: { case: "user", value: new UserPacket({ payload }) } });
      longestBlock = Math.max(longestBlock, now - blockedSince);
      blockedSince = now;
    }
    // Everybody here shares one thread.
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  stopReading();
  readers.forEach((reader) => reader.readAll());
  const everything = Array.from({ length: written }, (_, i) => i + 1);
  for (const client of [fast!, above!]) {
    await until(
      `all ${written} messages at ${client.identity}`,
      () => client.data.length === written,
      () => client.data.length,
    );
    assert.deepEqual(numbers(client), everything, "in order, nothing lost");
  }
  const rest = numbers(below!);
  assert.ok(rest.length < written, "the slow one has lost messages");
  assert.deepEqual(rest, rest.toSorted((a, b) => a - b));
  assert.ok(longestBlock > BLOCK_MS, `the writer waited ${longestBlock} ms at most`);
}, {
  config: { rtc: { node_ip: "127.0.0.1", datachannel_slow_threshold: THRESHOLD_BPS } },
  speed: 1,
});
