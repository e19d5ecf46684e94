/** Recordings of whole sessions on virtual time: states, webhooks, who comes and goes. */
import assert from "node:assert/strict";
import {
  AutoParticipantEgress,
  AutoTrackEgress,
  ChatMessage,
  DataPacket,
  EgressInfo,
  EgressStatus,
  EncodedFileOutput,
  MuteTrackRequest,
  ParticipantEgressRequest,
  RoomCompositeEgressRequest,
  RoomEgress,
  TrackEgressRequest,
  UserPacket,
} from "@livekit/protocol";
import type { AdminFailure } from "../../lib/admin/admin_failure.ts";
import type { DownTrackId } from "../../lib/base/ids.ts";
import { FIRST_TRACK_MS } from "../../lib/egress/egress.ts";
import {
  type EgressPlan,
  planParticipant,
  planRoom,
  planTrack,
} from "../../lib/egress/egress_plan.ts";
import type { EgressService } from "../../lib/egress/egress_service.ts";
import { readReplayPage } from "../../lib/recording/replay_page.ts";
import type { RecordingStorage, StoredFile } from "../../lib/recording/recording_storage.ts";
import { readMatroska, readOgg } from "../support/media/container_reader.ts";
import { bundle } from "../support/media/packet_bundles.ts";
import { vp8Frame, vp8Payloads } from "../support/media/recorded_payloads.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { failed, succeeded } from "../support/virtual/admin_world.ts";
import { type ScriptedClient, World } from "../support/virtual/scripted_client.ts";
import { testEgress } from "../support/virtual/test_egress.ts";

const RETURN_MS = 20_000;

/** Files in memory; `full` is how much it takes. */
class MemoryStorage implements RecordingStorage {
  readonly files = new Map<string, Uint8Array>();
  readonly closed = new Set<string>();
  full = Infinity;
  tidied = 0;

  open(path: string, failed: (why: string) => void, opened = () => {}): StoredFile {
    this.files.set(path, new Uint8Array(0));
    queueMicrotask(opened);
    let isOpen = true;
    return {
      name: path,
      location: `memory:${path}`,
      append: (bytes) => {
        const before = this.files.get(path)!;
        if (!isOpen) return;
        if (before.length + bytes.length > this.full) {
          isOpen = false;
          return failed("the disk is full");
        }
        this.files.set(path, Uint8Array.from([...before, ...bytes]));
      },
      rewriteHead: (bytes) => isOpen && this.files.get(path)!.set(bytes),
      close: () => {
        this.closed.add(path);
        return Promise.resolve(this.files.get(path)!.length);
      },
    };
  }

  tidy(): void {
    this.tidied++;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

class Recorder {
  readonly storage = new MemoryStorage();
  readonly told: string[] = [];
  readonly world: World;
  readonly service: EgressService;
  #sequence = new Map<string, number>();

  constructor(maxMs = 0) {
    let service: EgressService | undefined;
    this.world = new World({}, true, 0, undefined, undefined, [{
      roomStarted: (room) => service!.roomStarted(room),
      roomClosed: (room) => service!.roomClosed(room),
      trackPublished: (...event) => service!.trackPublished(...event),
    }]);
    this.service = service = testEgress(this.world, {
      storage: this.storage,
      returnMs: RETURN_MS,
      maxMs,
      tell: (event, { status }) => this.told.push(`${event} ${EgressStatus[status]}`),
    });
  }

  start(plan: EgressPlan | AdminFailure): EgressInfo {
    return succeeded(this.service.start(plan));
  }

  /** All of the room. */
  startRoom(): EgressInfo {
    return this.start(planRoom(new RoomCompositeEgressRequest({ roomName: "lobby" })));
  }

  participant(identity: string, filepath = "out"): EgressInfo {
    const fileOutputs = [new EncodedFileOutput({ filepath })];
    return this.start(
      planParticipant(new ParticipantEgressRequest({ roomName: "lobby", identity, fileOutputs })),
    );
  }

  /** Somebody's connection ends, for good. */
  leave(identity: string): void {
    this.world.rooms.get("lobby")!.session(identity)!.close(1, "disconnect");
  }

  info(id: string): EgressInfo {
    return this.service.list({ roomName: "", egressId: id, active: false })[0]!;
  }

  status(id: string): string {
    return EgressStatus[this.info(id).status]!;
  }

  /** What the media plane was told to record, as it is now. */
  recorded(): { downTrack: DownTrackId; upTrack: string; kind: string }[] {
    const live = new Map<DownTrackId, { downTrack: DownTrackId; upTrack: string; kind: string }>();
    for (const command of this.world.engine.commands) {
      if (command.type === "record_track") {
        const { downTrack, upTrack, kind } = command;
        live.set(downTrack, { downTrack, upTrack, kind });
      }
      if (command.type === "set_down_track_source" && live.has(command.downTrack)) {
        live.get(command.downTrack)!.upTrack = command.upTrack;
      }
      if (command.type === "remove_down_track") live.delete(command.downTrack);
    }
    return [...live.values()];
  }

  /** A packet of what is recorded, each a whole frame. */
  media(downTrack: DownTrackId, kind: string, isKey = true): void {
    const n = (this.#sequence.get(downTrack) ?? 0) + 1;
    this.#sequence.set(downTrack, n);
    const now = this.world.platform.clock.now();
    const isVideo = kind === "video";
    const rate = isVideo ? 90 : 48;
    const payload = isVideo
      ? vp8Payloads(vp8Frame(isKey, 320, 240, new Uint8Array(40)), 900)[0]!
      : Uint8Array.of(0xfc, 1, 2, 3);
    const packet = rtpPacket({
      ssrc: 1,
      payloadType: isVideo ? 96 : 111,
      sequenceNumber: n & 0xffff,
      timestamp: (now * rate) >>> 0,
      marker: true,
      payload,
    });
    this.world.engine.emit({
      type: "recorded",
      downTrack,
      packets: bundle(packet),
      ageMs: 0,
      clock: { ntpMs: 1_000_000 + now, rtpTimestamp: (now * rate) >>> 0 },
    });
  }

  /** So long, with media of everything that is recorded each 100 ms. */
  async run(ms: number): Promise<void> {
    for (let i = 0; i < ms; i += 100) {
      for (const { downTrack, kind } of this.recorded()) this.media(downTrack, kind);
      await this.world.pass(100);
    }
  }
}

async function both(client: ScriptedClient): Promise<void> {
  await client.announce({ cid: "mic", name: "mic", type: 0, source: 2 });
  await client.announce({ cid: "cam", name: "cam", type: 1, source: 1 });
  await client.offer([
    { mid: "1", kind: "audio", cid: "mic" },
    { mid: "2", kind: "video", cid: "cam" },
  ]);
}

const WHOLE_LIFE = [
  "egress_started EGRESS_STARTING",
  "egress_updated EGRESS_ACTIVE",
  "egress_updated EGRESS_ENDING",
  "egress_ended EGRESS_COMPLETE",
];

Deno.test("a participant is recorded into one file, and each state is told once", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  const bob = await recorder.world.joined("bob");
  await both(alice);
  await both(bob);
  const { egressId, status } = recorder.participant("alice");
  assert.equal(status, EgressStatus.EGRESS_STARTING);
  const upTracks = [alice.upTrack("1"), alice.upTrack("2")];
  assert.deepEqual(recorder.recorded().map(({ upTrack }) => upTrack).sort(), upTracks.sort());
  assert.equal(bob.last("roomUpdate").room!.activeRecording, true);
  await recorder.run(5_000);
  assert.equal(recorder.status(egressId), "EGRESS_ACTIVE");
  const stopped = recorder.service.stop(egressId);
  assert.equal((stopped as EgressInfo).status, EgressStatus.EGRESS_ENDING);
  assert.deepEqual(recorder.recorded(), []);
  await recorder.world.pass(1_000);
  assert.deepEqual(recorder.told, WHOLE_LIFE);
  const info = recorder.info(egressId);
  assert.deepEqual(info.fileResults.map(({ filename }) => filename), ["out.webm"]);
  assert.equal(info.manifestLocation, "memory:out.json");
  assert.equal(info.request.case, "participant");
  const file = readMatroska(recorder.storage.files.get("out.webm")!);
  assert.deepEqual([...file.tracks].sort(), ["A_OPUS", "V_VP8"]);
  assert.equal(file.frames.length, 100);
  assert.equal(BigInt(recorder.storage.files.get("out.webm")!.length), info.fileResults[0]!.size);
  assert.equal(bob.last("roomUpdate").room!.activeRecording, false);
  assert.equal(recorder.storage.tidied, 1);
});

Deno.test("somebody who comes back in time goes on in the same file, later it is over", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  await recorder.world.joined("bob");
  await both(alice);
  const { egressId } = recorder.participant("alice");
  await recorder.run(2_000);
  const before = recorder.recorded();
  recorder.leave("alice");
  await recorder.world.pass(RETURN_MS - 5_000, 500);
  assert.equal(recorder.status(egressId), "EGRESS_ACTIVE");
  const again = await recorder.world.joined("alice");
  await both(again);
  const after = recorder.recorded();
  assert.deepEqual(
    after.map(({ downTrack }) => downTrack),
    before.map(({ downTrack }) => downTrack),
  );
  assert.deepEqual(
    after.map(({ upTrack }) => upTrack).sort(),
    [again.upTrack("1"), again.upTrack("2")].sort(),
  );
  await recorder.run(2_000);
  recorder.leave("alice");
  await recorder.world.pass(RETURN_MS + 2_000, 500);
  assert.equal(recorder.status(egressId), "EGRESS_COMPLETE");
  assert.deepEqual([...recorder.storage.files.keys()], ["out.webm", "out.json"]);
  const { frames } = readMatroska(recorder.storage.files.get("out.webm")!);
  const last = Math.max(...frames.map(({ timeMs }) => timeMs));
  assert.ok(last > 17_000 && last < 25_000, `the gap is in it: ${last}`);
});

Deno.test("a track that is taken back ends its recording, a muted one does not", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  await recorder.world.joined("bob");
  const trackId = await alice.publishMicrophone();
  const { egressId } = recorder.start(
    planTrack(new TrackEgressRequest({ roomName: "lobby", trackId })),
  );
  await recorder.run(2_000);
  await recorder.world.pass(60_000, 500);
  assert.equal(recorder.status(egressId), "EGRESS_ACTIVE", "silence is no end");
  await recorder.run(1_000);
  await alice.offer([{ mid: "1", kind: "audio", cid: "mic", direction: "inactive" }]);
  await recorder.world.pass(5_000);
  assert.equal(recorder.status(egressId), "EGRESS_COMPLETE");
  const [name] = recorder.storage.files.keys();
  assert.match(name!, new RegExp(`^lobby-${trackId}-\\d{4}-\\d\\d-\\d\\dT\\d{6}\\.ogg$`));
  const { samples } = readOgg(recorder.storage.files.get(name!)!);
  assert.ok(Math.abs(samples / 48_000 - 63) < 1, `${samples / 48_000} s`);
});

Deno.test("a room is recorded track by track, with one manifest of when each began", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  const bob = await recorder.world.joined("bob");
  await both(alice);
  const request = new RoomCompositeEgressRequest({ roomName: "lobby" });
  const { egressId, details } = recorder.start(planRoom(request));
  assert.match(details, /nothing is composed/);
  await recorder.run(4_000);
  await bob.publishMicrophone();
  await recorder.run(4_000);
  recorder.world.rooms.get("lobby")!.close(0);
  await recorder.world.pass(1_000);
  assert.equal(recorder.status(egressId), "EGRESS_COMPLETE");
  const names = [...recorder.storage.files.keys()];
  assert.equal(names.filter((name) => name.endsWith(".ogg")).length, 2);
  assert.equal(names.filter((name) => name.endsWith(".webm")).length, 1);
  const manifest = JSON.parse(
    new TextDecoder().decode(recorder.storage.files.get(`${egressId}.json`)!),
  );
  const offsets = manifest.files.map(
    (
      file: { offset_ms: number; tracks: { publisher_identity: string }[] },
    ) => [file.tracks[0]!.publisher_identity, Math.round(file.offset_ms / 1_000)],
  );
  assert.deepEqual(offsets.sort(), [["alice", 0], ["alice", 0], ["bob", 4]]);
});

Deno.test("a recording that goes on with a lost one says so in its info, manifest and journal", async () => {
  const recorder = new Recorder();
  await both(await recorder.world.joined("alice"));
  const request = new RoomCompositeEgressRequest({ roomName: "lobby" });
  const { sid } = recorder.world.rooms.get("lobby")!;
  const lost = (roomId: string) =>
    new EgressInfo({
      egressId: "EG_lost",
      roomName: "lobby",
      roomId,
      request: { case: "roomComposite", value: request },
      status: EgressStatus.EGRESS_ACTIVE,
    });
  assert.equal(failed(await recorder.service.goOn(lost("RM_former")))[0], "not_found");
  const { egressId } = succeeded(await recorder.service.goOn(lost(sid)));
  await recorder.run(3_000);
  // Whoever asked first died before it had heard of that.
  assert.equal(succeeded(await recorder.service.goOn(lost(sid))).egressId, egressId);
  assert.equal(recorder.service.list({ roomName: "lobby", egressId: "", active: true }).length, 1);
  recorder.service.stop(egressId);
  await recorder.world.pass(1_000);
  assert.match(recorder.info(egressId).details, /goes on with EG_lost, whose node is gone/);
  const manifest = JSON.parse(
    new TextDecoder().decode(recorder.storage.files.get(`${egressId}.json`)!),
  );
  assert.equal(manifest.continues, "EG_lost");
  assert.equal(journalOf(recorder, egressId)[0]!.continues, "EG_lost");
});

Deno.test("a recording that others have taken over ends here, and nothing more is told of it", async () => {
  const recorder = new Recorder();
  await both(await recorder.world.joined("alice"));
  const { egressId } = recorder.participant("alice");
  await recorder.run(3_000);
  const before = recorder.told.length;
  recorder.service.standDown(egressId);
  recorder.service.standDown("EG_none");
  await recorder.world.pass(2_000);
  assert.equal(recorder.told.length, before);
  const { status, error } = recorder.info(egressId);
  assert.equal(status, EgressStatus.EGRESS_FAILED);
  assert.match(error, /out of reach/);
  assert.ok(readMatroska(recorder.storage.files.get("out.webm")!).frames.length > 20);
  assert.deepEqual(recorder.recorded(), []);
});

Deno.test("whoever sets the clock during a recording puts no file off against the others", async () => {
  const recorder = new Recorder();
  const { platform } = recorder.world;
  await both(await recorder.world.joined("alice"));
  const bob = await recorder.world.joined("bob");
  const { egressId } = recorder.startRoom();
  await recorder.run(2_000);
  platform.wallSetMs = -3_600_000;
  await bob.publishMicrophone();
  await recorder.run(2_000);
  platform.wallSetMs = 86_400_000;
  recorder.service.stop(egressId);
  await recorder.world.pass(1_000);
  const manifest = JSON.parse(
    new TextDecoder().decode(recorder.storage.files.get(`${egressId}.json`)!),
  );
  const offsets = manifest.files.map(
    ({ offset_ms }: { offset_ms: number }) => Math.round(offset_ms / 1_000),
  );
  assert.deepEqual(offsets.sort(), [0, 0, 2]);
  const tookMs = Date.parse(manifest.ended_at) - Date.parse(manifest.started_at);
  assert.ok(tookMs > 3_500 && tookMs < 5_000, `${tookMs} ms`);
  for (const { offset_ms: offset } of journalOf(recorder, egressId)) {
    assert.ok((offset as number) >= 0 && (offset as number) < 6_000, `${offset} ms`);
  }
  const { startedAt, endedAt } = recorder.info(egressId);
  assert.ok(endedAt - startedAt < 5_000_000_000n && endedAt > startedAt);
});

Deno.test("a message that is sent twice, and dropped the second time, stands once in the journal", async () => {
  const recorder = new Recorder();
  await both(await recorder.world.joined("alice"));
  const { egressId } = recorder.startRoom();
  await recorder.run(1_000);
  const { data } = recorder.world.rooms.get("lobby")!;
  const payload = new TextEncoder().encode(JSON.stringify({ id: "1", message: "hello" }));
  const send = (n: number, to: string[] = []) => {
    const nonce = new Uint8Array(16).fill(n);
    const user = new UserPacket({ topic: "lk-chat-topic", payload, nonce });
    const value = { case: "user", value: user } as const;
    data.send(new DataPacket({ value, destinationIdentities: to }), "reliable");
  };
  send(1);
  send(1);
  send(2);
  send(3, ["alice"]);
  send(3);
  recorder.service.stop(egressId);
  await recorder.world.pass(1_000);
  const said = journalOf(recorder, egressId).filter(({ type }) => type === "chat");
  assert.equal(said.length, 2);
});

Deno.test("where recordings are found by pages, a room's has one with the names that its files got", async () => {
  for (const indexFolder of [undefined, ".index"]) {
    const recorder = new Recorder();
    Object.assign(recorder.storage, { indexFolder });
    await both(await recorder.world.joined("alice"));
    const { egressId } = recorder.startRoom();
    await recorder.run(2_000);
    recorder.service.stop(egressId);
    await recorder.world.pass(1_000);
    const page = recorder.storage.files.get(`.index/${egressId}.json`);
    if (indexFolder === undefined) {
      assert.equal(page, undefined);
      continue;
    }
    const index = readReplayPage(new TextDecoder().decode(page), egressId)!;
    assert.equal(index.journal, `${egressId}.jsonl`);
    const told = journalOf(recorder, egressId).flatMap(({ type, filename }) =>
      type === "file" ? [filename] : []
    );
    assert.equal(told.length, 2);
    assert.deepEqual(index.files, told);
    assert.ok(index.files.every((name) => recorder.storage.files.has(name)));
    const single = recorder.participant("alice");
    await recorder.run(1_000);
    recorder.service.stop(single.egressId);
    await recorder.world.pass(1_000);
    assert.equal(recorder.storage.files.has(`.index/${single.egressId}.json`), false);
  }
});

/** Lines of a recording's journal, without those facts that differ from run to run. */
function journalOf(recorder: Recorder, egressId: string): Record<string, unknown>[] {
  const text = new TextDecoder().decode(recorder.storage.files.get(`${egressId}.jsonl`)!);
  assert.ok(text.endsWith("\n"), "whole lines");
  return text.trimEnd().split("\n").map((line) => JSON.parse(line));
}

Deno.test("a room's recording keeps who came, what was muted, said and written, as it happens", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  await both(alice);
  const { egressId } = recorder.startRoom();
  await recorder.run(3_000);
  const room = recorder.world.rooms.get("lobby")!;
  const written = (identity: string, value: DataPacket["value"], to: string[] = []) =>
    recorder.world.engine.emit({
      type: "data_said",
      connection: room.session("alice")!.publisher.id,
      bytes: new DataPacket({
        participantIdentity: identity,
        destinationIdentities: to,
        value,
      }).toBinary(),
    });
  const chat = (message: string, id = message) =>
    ({ case: "chatMessage", value: new ChatMessage({ id, message }) }) as const;
  written("alice", chat("hello"));
  written("alice", chat("psst"), ["bob"]);
  await recorder.world.joined("bob");
  const { info } = room.session("alice")!.tracks.find(({ kind }) => kind === "audio")!;
  await alice.request({
    case: "mute",
    value: new MuteTrackRequest({ sid: info.sid, muted: true }),
  });
  await recorder.run(1_000);
  await room.setMetadata("agenda");
  recorder.leave("bob");
  await recorder.run(1_000);
  const running = journalOf(recorder, egressId);
  const said = running.map(({ type, identity }) =>
    identity === undefined ? type : `${type} ${identity}`
  );
  assert.deepEqual(said, [
    "began",
    "joined alice",
    "published alice",
    "published alice",
    "file alice",
    "file alice",
    "chat alice",
    "muted alice",
    "joined bob",
    "left bob",
    "room_metadata",
  ], "before it has ended: a process that is killed leaves it");
  assert.ok(room.data.recorded);
  recorder.service.stop(egressId);
  await recorder.world.pass(1_000);
  assert.ok(!room.data.recorded, "nobody is told of a chat that is not kept");
  const whole = journalOf(recorder, egressId);
  const [began] = whole;
  assert.deepEqual(whole.at(-1)!.status, "EGRESS_COMPLETE");
  const line = whole.find(({ type }) => type === "chat")!;
  assert.equal(line.text, "hello");
  const since = Date.parse(line.at as string) - Date.parse(began!.at as string);
  assert.ok(Math.abs(since - 3_000) < 500 && line.offset_ms === since, `${since}`);
  const manifest = JSON.parse(
    new TextDecoder().decode(recorder.storage.files.get(`${egressId}.json`)!),
  );
  assert.equal(manifest.events.filename, `${egressId}.jsonl`);
  const files = whole.filter(({ type }) => type === "file");
  for (const { filename, offset_ms: offset } of files) {
    const listed = manifest.files.find((file: { filename: string }) => file.filename === filename);
    assert.ok(Math.abs(listed.offset_ms - manifest.events.offset_ms - (offset as number)) <= 2);
  }
});

Deno.test("whoever switches without end fills no journal, and is told of as it ends", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  await both(alice);
  const { egressId } = recorder.startRoom();
  await recorder.run(2_000);
  const session = recorder.world.rooms.get("lobby")!.session("alice")!;
  const { sid } = session.tracks.find(({ kind }) => kind === "audio")!.info;
  for (let i = 0; i < 301; i++) {
    const value = new MuteTrackRequest({ sid, muted: i % 2 === 0 });
    await alice.request({ case: "mute", value });
  }
  await recorder.world.pass(10_000, 250);
  recorder.service.stop(egressId);
  await recorder.world.pass(1_000);
  const lines = journalOf(recorder, egressId).filter(({ type }) => /muted$/.test(String(type)));
  assert.ok(lines.length >= 20 && lines.length <= 70, `${lines.length}`);
  assert.equal(lines.at(-1)!.type, "muted", "as it is in the end");
});

Deno.test("whoever writes without end leaves room for the others in a recording", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  await both(alice);
  const { egressId } = recorder.startRoom();
  await recorder.run(2_000);
  const connection = recorder.world.rooms.get("lobby")!.session("alice")!.publisher.id;
  for (let i = 0; i < 500; i++) {
    const value = { case: "chatMessage", value: new ChatMessage({ message: `${i}` }) } as const;
    const bytes = new DataPacket({ participantIdentity: "alice", value }).toBinary();
    recorder.world.engine.emit({ type: "data_said", connection, bytes });
  }
  recorder.world.engine.emit({ type: "data_said", connection, bytes: Uint8Array.of(255, 1, 2) });
  recorder.service.stop(egressId);
  await recorder.world.pass(1_000);
  const lines = journalOf(recorder, egressId);
  const kept = lines.filter(({ type }) => type === "chat").length;
  assert.ok(kept >= 20 && kept < 30, `${kept}`);
  assert.equal(lines.at(-1)!.chat_dropped, 500 - kept);
});

Deno.test("a disk that is full ends the recording, keeps what there is, and harms no call", async () => {
  const recorder = new Recorder();
  recorder.storage.full = 10_000;
  const alice = await recorder.world.joined("alice");
  const bob = await recorder.world.joined("bob");
  await both(alice);
  const { egressId } = recorder.participant("alice");
  await recorder.run(6_000);
  await recorder.world.pass(1_000);
  const info = recorder.info(egressId);
  assert.deepEqual([EgressStatus[info.status], info.error], ["EGRESS_FAILED", "the disk is full"]);
  assert.equal(recorder.told.at(-1), "egress_ended EGRESS_FAILED");
  const kept = recorder.storage.files.get("out.webm")!;
  assert.ok(kept.length > 8_192 && readMatroska(kept).frames.length > 0);
  assert.equal(bob.forwarded().length, 2);
  assert.deepEqual(recorder.recorded(), []);
});

Deno.test("a recording of nobody fails after a while, and one that is stopped before is aborted", async () => {
  const recorder = new Recorder();
  await recorder.world.joined("bob");
  const nobody = recorder.participant("nobody");
  const quiet = recorder.participant("bob");
  const early = recorder.participant("alice");
  succeeded(recorder.service.stop(early.egressId));
  await recorder.world.pass(1_000);
  assert.equal(recorder.status(early.egressId), "EGRESS_ABORTED");
  await recorder.world.pass(FIRST_TRACK_MS, 500);
  assert.equal(recorder.status(nobody.egressId), "EGRESS_FAILED");
  assert.equal(recorder.info(nobody.egressId).error, "participant not found");
  assert.equal(recorder.status(quiet.egressId), "EGRESS_STARTING", "who is here may begin later");
  assert.deepEqual(failed(recorder.service.stop(early.egressId)), [
    "failed_precondition",
    "egress with status EGRESS_ABORTED cannot be stopped",
  ]);
  assert.equal(failed(recorder.service.stop("EG_none"))[0], "not_found");
  const elsewhere = planTrack(new TrackEgressRequest({ roomName: "nowhere", trackId: "TR_1" }));
  assert.equal(failed(recorder.service.start(elsewhere))[0], "not_found");
  const active = recorder.service.list({ roomName: "lobby", egressId: "", active: true });
  assert.deepEqual(active.map(({ egressId }) => egressId), [quiet.egressId]);
});

Deno.test("what cannot be recorded is said: encrypted tracks, and codecs that no file here takes", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  await alice.announce({ cid: "mic", name: "mic", type: 0, source: 2, encryption: 1 });
  await alice.offer([{ mid: "1", kind: "audio", cid: "mic" }]);
  const trackId = alice.last("trackPublished").track!.sid;
  const room = recorder.startRoom();
  const track = recorder.start(
    planTrack(new TrackEgressRequest({ roomName: "lobby", trackId })),
  );
  await recorder.world.pass(2_000);
  assert.deepEqual(recorder.recorded(), []);
  assert.match(recorder.info(room.egressId).details, /encrypted tracks are left out/);
  assert.equal(recorder.status(track.egressId), "EGRESS_FAILED");
  assert.match(recorder.info(track.egressId).error, /end-to-end encrypted/);
});

Deno.test("what the media plane lost is recorded again, in the same file", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  await both(alice);
  const { egressId } = recorder.participant("alice");
  await recorder.run(2_000);
  const [first, ...others] = recorder.recorded();
  recorder.world.engine.emit({ type: "recording_lost", downTrack: first!.downTrack });
  await recorder.world.pass(2_000);
  const restarted = recorder.recorded().filter(({ downTrack }) =>
    downTrack !== first!.downTrack && others.every((other) => other.downTrack !== downTrack)
  );
  assert.deepEqual(restarted.map(({ upTrack }) => upTrack), [first!.upTrack]);
  recorder.service.stop(egressId);
  await recorder.world.pass(1_000);
  assert.equal(recorder.status(egressId), "EGRESS_COMPLETE");
});

Deno.test("a recording ends when it is as long as it may be", async () => {
  const recorder = new Recorder(5_000);
  const alice = await recorder.world.joined("alice");
  await both(alice);
  const { egressId } = recorder.participant("alice");
  await recorder.run(7_000);
  assert.equal(recorder.status(egressId), "EGRESS_LIMIT_REACHED");
});

Deno.test("a room that asks for it is recorded by itself: all of it, each participant, each track", async () => {
  const recorder = new Recorder();
  const egress = new RoomEgress({
    room: new RoomCompositeEgressRequest({ audioOnly: true }),
    participant: new AutoParticipantEgress(),
    tracks: new AutoTrackEgress(),
  });
  recorder.world.rooms.create({ name: "lobby", egress });
  const alice = await recorder.world.joined("alice");
  await both(alice);
  const kinds = recorder.service.list({ roomName: "lobby", egressId: "", active: false })
    .map(({ request }) => request.case);
  assert.deepEqual(kinds.sort(), ["participant", "roomComposite", "track", "track"]);
  await recorder.run(1_000);
  const closed = recorder.service.close();
  await recorder.world.pass(1_000);
  await closed;
  const states = recorder.service.list({ roomName: "", egressId: "", active: false })
    .map(({ status }) => EgressStatus[status]);
  assert.deepEqual(states, Array(4).fill("EGRESS_COMPLETE"));
});

Deno.test("of somebody with many cameras as many are recorded as a file takes, and that is said", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  const names = Array.from({ length: 12 }, (_, i) => `cam${i}`);
  for (const name of names) await alice.announce({ cid: name, name, type: 1, source: 1 });
  await alice.offer(names.map((cid, i) => ({ mid: `${i + 1}`, kind: "video", cid })));
  const { egressId } = recorder.participant("alice", "out.mp4");
  assert.equal(recorder.recorded().length, 4);
  await recorder.run(5_000);
  recorder.service.stop(egressId);
  await recorder.world.pass(1_000);
  assert.equal(recorder.status(egressId), "EGRESS_COMPLETE");
  assert.match(recorder.info(egressId).details, /more than 4 tracks/);
});

Deno.test("a recording of a room closes the files of who does not come back", async () => {
  const recorder = new Recorder();
  const alice = await recorder.world.joined("alice");
  const bob = await recorder.world.joined("bob");
  await both(alice);
  await bob.publishMicrophone();
  const { egressId } = recorder.startRoom();
  await recorder.run(2_000);
  assert.equal(recorder.recorded().length, 3);
  recorder.leave("alice");
  await recorder.world.pass(RETURN_MS - 2_000, 500);
  assert.equal(recorder.recorded().length, 3, "they are waited for");
  await recorder.world.pass(4_000, 500);
  assert.equal(recorder.recorded().length, 1);
  assert.equal(recorder.storage.closed.size, 2);
  assert.equal(recorder.status(egressId), "EGRESS_ACTIVE");
  const again = await recorder.world.joined("alice");
  await both(again);
  await recorder.run(2_000);
  recorder.service.stop(egressId);
  await recorder.world.pass(1_000);
  assert.equal(recorder.info(egressId).fileResults.length, 5, "and begins anew");
  assert.equal(recorder.status(egressId), "EGRESS_COMPLETE");
});

Deno.test("who comes back in time into a room that records each track is not recorded twice", async () => {
  const recorder = new Recorder();
  const egress = new RoomEgress({ tracks: new AutoTrackEgress({ filepath: "{track_id}" }) });
  recorder.world.rooms.create({ name: "lobby", egress });
  const alice = await recorder.world.joined("alice");
  await recorder.world.joined("bob");
  await both(alice);
  await recorder.run(1_000);
  assert.equal(recorder.recorded().length, 2);
  recorder.leave("alice");
  await recorder.world.pass(2_000, 500);
  const again = await recorder.world.joined("alice");
  await both(again);
  await recorder.run(1_000);
  assert.equal(recorder.recorded().length, 2);
  assert.equal(recorder.service.list({ roomName: "", egressId: "", active: false }).length, 2);
});

Deno.test("rooms that ask for recordings by themselves are bounded like everybody", async () => {
  const recorder = new Recorder();
  const egress = new RoomEgress({ room: new RoomCompositeEgressRequest() });
  for (let n = 0; n < 510; n++) recorder.world.rooms.create({ name: `room${n}`, egress });
  await recorder.world.pass(100);
  const running = recorder.service.list({ roomName: "", egressId: "", active: true });
  assert.equal(running.length, 500);
  const one = new ParticipantEgressRequest({ roomName: "room509", identity: "ann" });
  assert.deepEqual(failed(recorder.service.start(planParticipant(one))), [
    "resource_exhausted",
    "500 recordings are running here",
  ]);
});

Deno.test("a server that ends begins no recording any more", async () => {
  const world = new World();
  await world.joined("ann");
  const service = testEgress(world, {
    storage: { open: () => assert.fail("nothing is kept"), tidy() {}, async close() {} },
    tell: () => assert.fail("nothing is told"),
  });
  const closing = service.close();
  const request = new ParticipantEgressRequest({ roomName: "lobby", identity: "ann" });
  assert.equal(failed(service.start(planParticipant(request)))[0], "unavailable");
  await closing;
});
