/** Data tracks between participants of two processes that share a directory. */
import assert from "node:assert/strict";
import { RoomServiceClient } from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { RedisServer } from "../support/process/redis_server.ts";
import { startRoomwire, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import {
  openDataTrackChannel,
  OwnDataTrack,
  receivedDataTrackPackets,
  subscribedDataTracks,
} from "../support/wire/data_track_publisher.ts";
import { until } from "../support/wire/until.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const HOST = "127.0.0.1";
const ROOM = "tracks";
const AUTO_DATA = { query: { auto_subscribe_data_track: "1" } };
const text = new TextDecoder();

/** What came of one track, as text. */
function heard(client: WireParticipant, sid: string): string[] {
  const handle = subscribedDataTracks(client).get(sid);
  return receivedDataTrackPackets(client).filter((packet) => packet.handle === handle)
    .map(({ payload }) => text.decode(payload));
}

/** Until `client` has `word` of the track, which may be lost and is said again. */
async function hears(client: WireParticipant, track: OwnDataTrack, word: string): Promise<void> {
  await until(`${word} at ${client.identity}`, async () => {
    track.send(word);
    await new Promise((resolve) => setTimeout(resolve, 50));
    return heard(client, track.info.sid).includes(word);
  });
}

endToEndTest("data tracks between two nodes", ["redis"], async () => {
  await using redis = await RedisServer.start();
  const config = { redis: { address: `${HOST}:${redis.port}` } };
  await using one = await startRoomwire({ config, address: HOST });
  await using two = await startRoomwire({ config, address: HOST });
  const clients: WireParticipant[] = [];
  const join = async (url: string, identity: string) => {
    const token = await mintToken({ room: ROOM, identity });
    const client = await WireParticipant.open(url, token, AUTO_DATA);
    clients.push(client);
    await client.connected();
    return client;
  };
  try {
    const ann = await join(one.url, "ann");
    const bob = await join(two.url, "bob");
    const cid = await join(two.url, "cid");
    const track = await OwnDataTrack.publish(ann, 7);
    const back = await OwnDataTrack.publish(bob, 9);
    for (const client of [bob, cid]) {
      await openDataTrackChannel(client);
      await until("the track", () => subscribedDataTracks(client).has(track.info.sid));
    }
    for (const client of [bob, cid]) await hears(client, track, "there");
    await until("bob's track", () => subscribedDataTracks(ann).has(back.info.sid));
    await hears(ann, back, "back");
    await hears(cid, back, "beside");
    await track.unpublish();
    await until("its end", () => !subscribedDataTracks(bob).has(track.info.sid));
    const before = receivedDataTrackPackets(cid).length;
    for (let i = 0; i < 5; i++) track.send("ended");
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.equal(receivedDataTrackPackets(cid).length, before);
    // Of a room and a participant of the other node.
    const api = new RoomServiceClient(one.httpUrl, TEST_KEY, TEST_SECRET);
    await api.updateParticipant(ROOM, "bob", { permission: { canPublishData: false } });
    await until("the end of bob's", () => !subscribedDataTracks(ann).has(back.info.sid));
  } finally {
    await Promise.all(clients.map((client) => client.vanish()));
  }
});
