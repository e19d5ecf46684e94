/** Where a pool records: where the track is, or where it then comes to. */
import assert from "node:assert/strict";
import type { DownTrackId, UpTrackId } from "../../../../lib/base/ids.ts";
import type { EngineCommand } from "../../../../lib/engine/messages/engine_messages.ts";
import {
  connection,
  FakePool,
  openConnection,
  receiveAudio,
} from "../../../support/virtual/fake_pool.ts";
import { audioSection } from "../../../support/wire/wire_media.ts";

const DOWN = "D" as DownTrackId;
const TRACKS = ["U0", "U1"] as UpTrackId[];
const REMOTE = "R" as UpTrackId;

/** Three engines; two connections on two of them publish a track each. */
async function pool() {
  const fake = await FakePool.started(3);
  const homes = TRACKS.map((track, n) => {
    fake.pool.send(openConnection(connection(n)));
    fake.pool.send(receiveAudio(connection(n), track));
    return fake.homeOf(connection(n));
  });
  assert.notEqual(homes[0], homes[1]);
  return { fake, homes };
}

const record = (upTrack: UpTrackId): EngineCommand => ({
  type: "record_track",
  downTrack: DOWN,
  upTrack,
  kind: "audio",
  codecs: [],
});

Deno.test("A pool records on the engine that has the track, and ends it there", async () => {
  const { fake, homes } = await pool();
  fake.pool.send(record(TRACKS[0]!));
  fake.pool.send({ type: "request_key_frame", downTrack: DOWN });
  fake.pool.send({ type: "remove_down_track", downTrack: DOWN });
  fake.engines.forEach((engine, i) => {
    const count = i === homes[0] ? 1 : 0;
    assert.equal(engine.of("record_track").length, count);
    assert.equal(engine.of("request_key_frame").length, count);
    assert.equal(engine.of("remove_down_track").length, count);
    assert.equal(engine.of("send_relay").length, 0);
  });
});

Deno.test("A recording that goes on with a track of another engine gets that by a relay", async () => {
  const { fake, homes } = await pool();
  const [here, there] = homes.map((home) => fake.engines[home]!);
  fake.pool.send(record(TRACKS[0]!));
  fake.pool.send({ type: "set_down_track_source", downTrack: DOWN, upTrack: TRACKS[1]! });
  assert.equal(there!.of("send_relay").length, 1);
  assert.equal(here!.of("receive_relay").length, 1);
  assert.equal(here!.of("set_down_track_source").length, 1);
  fake.pool.send({ type: "remove_down_track", downTrack: DOWN });
  assert.equal(there!.of("stop_relay").length, 1);
  assert.equal(here!.of("end_relay").length, 1);
});

Deno.test("A track of another node is wanted while it is recorded", async () => {
  const { fake } = await pool();
  const told = () =>
    fake.events.map(({ type }) => type).filter((type) => type.startsWith("relay_"));
  fake.pool.send({
    type: "add_remote_track",
    upTrack: REMOTE,
    section: audioSection("0", REMOTE),
  });
  assert.deepEqual(told(), []);
  fake.pool.send(record(REMOTE));
  assert.deepEqual(told(), ["relay_wanted"]);
  fake.pool.send({ type: "remove_down_track", downTrack: DOWN });
  assert.deepEqual(told(), ["relay_wanted", "relay_unwanted"]);
});

Deno.test("A recording whose engine is lost is told as lost, and may begin elsewhere", async () => {
  const { fake, homes } = await pool();
  fake.pool.send(record(TRACKS[0]!));
  fake.pool.send({ type: "set_down_track_source", downTrack: DOWN, upTrack: TRACKS[1]! });
  fake.engines[homes[0]!]!.onLost("killed");
  assert.deepEqual(
    fake.events.filter(({ type }) => type === "recording_lost"),
    [{ type: "recording_lost", downTrack: DOWN }],
  );
  fake.pool.send(record(TRACKS[1]!));
  assert.equal(fake.engines[homes[1]!]!.of("record_track").length, 1);
});
