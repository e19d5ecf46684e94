/** Recordings in a cluster: of tracks that other nodes serve, and by calls that come anywhere. */
import assert from "node:assert/strict";
import type { AnyMessage } from "@bufbuild/protobuf";
import {
  AutoParticipantEgress,
  AutoTrackEgress,
  CreateRoomRequest,
  type EgressInfo,
  EgressStatus,
  EncodedFileOutput,
  LeaveRequest,
  ListEgressRequest,
  ParticipantEgressRequest,
  RoomCompositeEgressRequest,
  RoomEgress,
  S3Upload,
  StopEgressRequest,
  VideoQuality,
} from "@livekit/protocol";
import type { AdminFailure } from "../../lib/admin/admin_failure.ts";
import type { EgressCalls, StartCallName } from "../../lib/egress/egress_calls.ts";
import { planParticipant } from "../../lib/egress/egress_plan.ts";
import type { EgressServiceOptions } from "../../lib/egress/egress_service.ts";
import { failed, succeeded } from "../support/virtual/admin_world.ts";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";
import { recordOn, testEgress } from "../support/virtual/test_egress.ts";

Deno.test("a node records somebody of another one, who is told that the best layer is wanted", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const ann = await cluster.join("a", "ann");
  await cluster.join("b", "bob", { autoSubscribe: false });
  await ann.publishCamera();
  await cluster.pass(6_000);
  const { world } = cluster.node("b");
  const states: string[] = [];
  const service = testEgress(world, {
    returnMs: 1_000,
    tell: (_, { status }) => states.push(EgressStatus[status]!),
  });
  const request = new ParticipantEgressRequest({ roomName: "lobby", identity: "ann" });
  succeeded(service.start(planParticipant(request)));
  await cluster.pass(1_000);
  const [recorded] = world.engine.of("record_track");
  assert.equal(recorded!.upTrack, ann.upTrack("1"));
  const isKnown = (upTrack: string) =>
    world.engine.of("add_remote_track").some((command) => command.upTrack === upTrack);
  assert.ok(isKnown(recorded!.upTrack), "before it is used");
  const { subscribedQualities } = ann.last("subscribedQualityUpdate");
  const best = subscribedQualities.find(({ quality }) => quality === VideoQuality.HIGH);
  assert.equal(best?.enabled, true);
  assert.equal(cluster.room("b").info().activeRecording, true);

  await ann.offer([{ mid: "1", kind: "video", cid: "cam", direction: "inactive" }]);
  cluster.room("a").session("ann")!.close(1, "disconnect");
  await cluster.pass(10_000);
  assert.deepEqual(states, ["EGRESS_STARTING", "EGRESS_ENDING", "EGRESS_ABORTED"]);
  assert.equal(world.engine.of("remove_down_track").at(-1)!.downTrack, recorded!.downTrack);
});

/** Three nodes that record; nobody's media comes. */
class RecordingCluster {
  readonly cluster = new ClusterWorld(["a", "b", "c"]);
  /** What each node told: `a egress_ended EGRESS_COMPLETE`. */
  readonly told: string[] = [];
  readonly #calls: Readonly<Record<string, EgressCalls>>;

  constructor(options: Partial<EgressServiceOptions> = { returnMs: 1_000 }) {
    const entries = ["a", "b", "c"].map((name) =>
      [name, recordOn(this.cluster, name, this.told, options).calls] as const
    );
    this.#calls = Object.fromEntries(entries);
  }

  async start(node: string, name: StartCallName, request: AnyMessage): Promise<EgressInfo> {
    return succeeded(await this.cluster.during(this.#calls[node]!.start(name, request)));
  }

  /** A participant's recording. */
  participant(node: string, identity: string): Promise<EgressInfo> {
    const request = new ParticipantEgressRequest({ roomName: "lobby", identity });
    return this.start(node, "StartParticipantEgress", request as AnyMessage);
  }

  async refused(node: string, roomName: string): Promise<string> {
    const request = new ParticipantEgressRequest({ roomName, identity: "ann" }) as AnyMessage;
    const asked = this.#calls[node]!.start("StartParticipantEgress", request);
    return failed(await this.cluster.during(asked))[0]!;
  }

  async stop(node: string, egressId: string): Promise<EgressInfo | AdminFailure> {
    const request = new StopEgressRequest({ egressId });
    return await this.cluster.during(this.#calls[node]!.stop(request));
  }

  async list(node: string, more: Partial<ListEgressRequest> = {}): Promise<EgressInfo[]> {
    const asked = this.#calls[node]!.list(new ListEgressRequest(more));
    return (await this.cluster.during(asked)).items;
  }

  async refuse(node: string, egressId: string): Promise<string> {
    return failed(await this.cluster.during(this.#calls[node]!.refuse(egressId, "no layout")))[0]!;
  }

  /** Nodes that record, by what they told. */
  get started(): string[] {
    return this.told.filter((line) => line.includes("started")).map((line) => line.slice(0, 1));
  }
}

Deno.test("a recording is asked for, listed and stopped at any node, and made where its room is", async () => {
  const recording = new RecordingCluster();
  const { cluster, told } = recording;
  const ann = await cluster.join("a", "ann");
  await ann.publishCamera();
  await cluster.pass(6_000);
  const { egressId, status } = await recording.participant("c", "ann");
  assert.equal(status, EgressStatus.EGRESS_STARTING);
  await cluster.pass(500);
  assert.deepEqual(recording.started, ["a"]);
  assert.equal(cluster.node("a").world.engine.of("record_track").length, 1);
  for (const node of ["a", "b", "c"]) {
    const ids = (items: EgressInfo[]) => items.map((info) => info.egressId);
    assert.deepEqual(ids(await recording.list(node)), [egressId], node);
    assert.deepEqual(ids(await recording.list(node, { egressId, active: true })), [egressId]);
    assert.deepEqual(await recording.list(node, { roomName: "hall" }), []);
    assert.equal(await recording.refuse(node, egressId), "unimplemented");
    assert.equal(await recording.refuse(node, "EG_none"), "not_found");
    assert.equal(failed(await recording.stop(node, "EG_none"))[0], "not_found");
    assert.equal(await recording.refused(node, "nowhere"), "not_found");
  }
  const stopped = succeeded(await recording.stop("b", egressId));
  assert.equal(stopped.status, EgressStatus.EGRESS_ENDING);
  await cluster.pass(1_000);
  assert.deepEqual(told, [
    "a egress_started EGRESS_STARTING",
    "a egress_updated EGRESS_ENDING",
    "a egress_ended EGRESS_ABORTED",
  ]);
  assert.deepEqual(failed(await recording.stop("c", egressId)), [
    "failed_precondition",
    "egress with status EGRESS_ABORTED cannot be stopped",
  ]);
});

Deno.test("a node goes on with a room that it records though nobody there is served any more", async () => {
  const recording = new RecordingCluster();
  const { cluster } = recording;
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  await bob.publishCamera();
  await cluster.pass(1_000);
  const request = new RoomCompositeEgressRequest({ roomName: "lobby" }) as AnyMessage;
  const { egressId } = await recording.start("a", "StartRoomCompositeEgress", request);
  await ann.request({ case: "leave", value: new LeaveRequest() });
  await cluster.pass(40_000, 20);
  assert.deepEqual(cluster.seen("a"), ["bob"]);
  const [info] = await recording.list("c", { egressId });
  assert.equal(info!.status, EgressStatus.EGRESS_STARTING);
  await recording.stop("c", egressId);
  await cluster.pass(20_000, 20);
  assert.equal(cluster.node("a").world.rooms.get("lobby"), undefined, "it has nothing more to do");
});

Deno.test("a recorded room ends with its last participant, on whatever node that is", async () => {
  const recording = new RecordingCluster();
  const { cluster, told } = recording;
  const ann = await cluster.join("a", "ann");
  const bob = await cluster.join("b", "bob");
  await cluster.pass(1_000);
  const request = new RoomCompositeEgressRequest({ roomName: "lobby" }) as AnyMessage;
  await recording.start("a", "StartRoomCompositeEgress", request);
  await ann.request({ case: "leave", value: new LeaveRequest() });
  await cluster.pass(5_000);
  await bob.request({ case: "leave", value: new LeaveRequest() });
  await cluster.pass(90_000, 50);
  assert.equal(cluster.events.filter((event) => event.startsWith("finished")).length, 1);
  assert.equal(told.filter((line) => line.includes("ended")).length, 1);
});

Deno.test("what a room asks for by itself is recorded once in a cluster, and not again by a move", async () => {
  const recording = new RecordingCluster({ returnMs: 20_000 });
  const { cluster } = recording;
  const egress = new RoomEgress({
    room: new RoomCompositeEgressRequest({ audioOnly: true }),
    participant: new AutoParticipantEgress(),
    tracks: new AutoTrackEgress(),
  });
  const create = new CreateRoomRequest({ name: "lobby", egress });
  succeeded(await cluster.during(cluster.node("c").admin.createRoom(create)));
  await cluster.join("b", "bob");
  const ann = await cluster.join("a", "ann");
  await ann.publishCamera();
  await cluster.pass(2_000);
  const cases = async () =>
    (await recording.list("b", { active: true })).map(({ request }) => request.case).sort();
  assert.deepEqual(await cases(), ["participant", "roomComposite", "track"]);
  assert.deepEqual(recording.started.toSorted(), ["a", "a", "c"]);
  // Her network is another one, so she comes in elsewhere.
  const again = await cluster.join("b", "ann");
  await again.publishCamera();
  await cluster.pass(5_000);
  assert.deepEqual(await cases(), ["participant", "roomComposite", "track"]);
});

Deno.test("recordings of a node that dies are told of once, in words, and listed everywhere", async () => {
  const recording = new RecordingCluster();
  const { cluster, told } = recording;
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(6_000);
  const { egressId } = await recording.participant("b", "ann");
  const kept = await recording.participant("b", "bob");
  const owner = recording.started[0]!;
  assert.equal(owner, "b");
  cluster.kill("b");
  await cluster.pass(60_000, 20);
  const ended = told.filter((line) => line.includes("ended"));
  assert.deepEqual(ended.map((line) => line.slice(2)), [
    "egress_ended EGRESS_FAILED",
    "egress_ended EGRESS_FAILED",
  ]);
  for (const node of ["a", "c"]) {
    for (const id of [egressId, kept.egressId]) {
      const [info] = await recording.list(node, { egressId: id });
      assert.match(info!.error, /node that recorded it is gone/);
      assert.match(info!.details, /nothing goes on with it/, "only applications know");
      assert.equal(info!.roomName, "lobby");
      assert.equal(info!.request.case, "participant");
    }
  }
});

Deno.test("a room's recording goes on at another node when its own dies, once and in files of its own", async () => {
  const recording = new RecordingCluster();
  const { cluster, told } = recording;
  const ann = await cluster.join("a", "ann");
  await ann.publishCamera();
  await cluster.join("b", "bob");
  await cluster.pass(6_000);
  const request = new RoomCompositeEgressRequest({ roomName: "lobby" }) as AnyMessage;
  const { egressId } = await recording.start("b", "StartRoomCompositeEgress", request);
  const stopped = await recording.start("b", "StartRoomCompositeEgress", request);
  await recording.stop("c", stopped.egressId);
  await cluster.pass(500);
  cluster.kill("b");
  await cluster.pass(60_000, 20);
  assert.deepEqual(recording.started, ["b", "b", "a"], "what was stopped is not begun again");
  const ended = told.filter((line) => line.includes("ended"));
  assert.equal(ended.filter((line) => line.endsWith("EGRESS_FAILED")).length, 1);
  const [next] = await recording.list("c", { active: true });
  assert.match(next!.details, new RegExp(`goes on with ${egressId}, whose node is gone`));
  assert.equal(next!.request.case, "roomComposite");
  const [lost] = await recording.list("c", { egressId });
  assert.match(lost!.details, new RegExp(`${next!.egressId} goes on with it`));
  assert.ok(cluster.node("a").world.engine.of("record_track").length > 0);
  const told2 = told.length;
  await cluster.pass(60_000, 20);
  assert.equal(told.length, told2);
});

Deno.test("a room's recording goes on once though the heir dies in the moment after it has begun", async () => {
  const recording = new RecordingCluster();
  const { cluster, told } = recording;
  for (const [node, identity] of [["a", "ann"], ["b", "bob"], ["c", "cyd"]] as const) {
    await cluster.join(node, identity);
  }
  await cluster.pass(6_000);
  const request = new RoomCompositeEgressRequest({ roomName: "lobby" }) as AnyMessage;
  const { egressId } = await recording.start("b", "StartRoomCompositeEgress", request);
  for (const name of ["a", "c"]) {
    const { shelf } = cluster.node(name).directory;
    const put = shelf.put.bind(shelf);
    // Its last word on what it took over does not get there.
    shelf.put = (on, id, text, over) =>
      recording.started.length < 3 && text.startsWith("- ")
        ? new Promise(() => {})
        : put(on, id, text, over);
  }
  cluster.kill("b");
  for (let i = 0; i < 3_000 && recording.started.length < 2; i++) await cluster.pass(20, 20);
  const heir = recording.started[1]!;
  cluster.kill(heir);
  await cluster.pass(60_000, 20);
  const last = heir === "a" ? "c" : "a";
  assert.deepEqual(recording.started, ["b", heir, last]);
  const listed = await recording.list(last);
  const [next] = listed.filter(({ status }) => status <= EgressStatus.EGRESS_ACTIVE);
  const [second] = listed.filter(({ details }) => details.includes(`goes on with ${egressId},`));
  const [first] = listed.filter((info) => info.egressId === egressId);
  assert.equal(listed.length, 3);
  for (const info of [first, second]) assert.equal(info!.status, EgressStatus.EGRESS_FAILED);
  assert.match(first!.details, new RegExp(`${second!.egressId} goes on with it`));
  assert.match(second!.details, new RegExp(`${next!.egressId} goes on with it`));
  assert.match(next!.details, new RegExp(`goes on with ${second!.egressId},`));
  assert.equal(told.filter((line) => line.startsWith(`${last} egress_ended`)).length, 2);
});

Deno.test("a room that has ended with its node, or is another by now, is not recorded again", async () => {
  const recording = new RecordingCluster();
  const { cluster } = recording;
  await cluster.join("b", "bob");
  await cluster.pass(1_000);
  const request = new RoomCompositeEgressRequest({ roomName: "lobby" }) as AnyMessage;
  await recording.start("b", "StartRoomCompositeEgress", request);
  cluster.kill("b");
  await cluster.pass(60_000, 20);
  assert.deepEqual(recording.started, ["b"]);
});

Deno.test("what a room asks for by itself goes on where its publisher is by now", async () => {
  const recording = new RecordingCluster({ returnMs: 60_000 });
  const { cluster } = recording;
  const egress = new RoomEgress({ participant: new AutoParticipantEgress() });
  const create = new CreateRoomRequest({ name: "lobby", egress });
  succeeded(await cluster.during(cluster.node("c").admin.createRoom(create)));
  await cluster.join("c", "cyd");
  const ann = await cluster.join("b", "ann");
  await ann.publishCamera();
  await cluster.pass(2_000);
  const [first] = await recording.list("a", { active: true });
  // She comes in elsewhere, and the recording at her former node goes on.
  const again = await cluster.join("a", "ann");
  await again.publishCamera();
  await cluster.pass(2_000);
  assert.deepEqual(recording.started, ["b"]);
  cluster.kill("b");
  await cluster.pass(60_000, 20);
  const running = await recording.list("c", { active: true });
  assert.equal(running.length, 1);
  assert.match(running[0]!.details, new RegExp(`goes on with ${first!.egressId}`));
});

Deno.test("a node that was taken for gone gives its recording up, and tells nothing of that", async () => {
  const recording = new RecordingCluster();
  const { cluster, told } = recording;
  await cluster.join("a", "ann");
  await cluster.join("b", "bob");
  await cluster.pass(6_000);
  const request = new RoomCompositeEgressRequest({ roomName: "lobby" }) as AnyMessage;
  const { egressId } = await recording.start("b", "StartRoomCompositeEgress", request);
  const { directory, id } = cluster.node("b");
  directory.reach = "away";
  for (const other of ["a", "c"]) cluster.links.network.partition(id, cluster.node(other).id);
  await cluster.pass(60_000, 20);
  const ends = () => told.filter((line) => line.includes("ended"));
  assert.equal(ends().length, 1);
  directory.reach = "here";
  for (const other of ["a", "c"]) cluster.links.network.heal(id, cluster.node(other).id);
  await cluster.pass(30_000, 20);
  assert.equal(ends().length, 1);
  const [info] = await recording.list("b", { egressId });
  assert.equal(info!.status, EgressStatus.EGRESS_FAILED);
});

Deno.test("credentials of what a room records reach all nodes, and no reader of the directory", async () => {
  const recording = new RecordingCluster();
  const { cluster } = recording;
  const s3 = new S3Upload({ accessKey: "AKIA", secret: "hush-hush", bucket: "rec" });
  const file = new EncodedFileOutput({ output: { case: "s3", value: s3 } });
  const egress = new RoomEgress({
    participant: new AutoParticipantEgress({ fileOutputs: [file] }),
  });
  const create = new CreateRoomRequest({ name: "lobby", egress });
  succeeded(await cluster.during(cluster.node("c").admin.createRoom(create)));
  await cluster.join("b", "bob");
  await cluster.pass(1_000);
  assert.equal(cluster.room("b").internal.egress?.toJsonString(), egress.toJsonString());
  const [listed] = await cluster.during(cluster.node("a").directory.list(undefined));
  assert.match(listed!.record.plan, /"sealedEgress":"1\./);
  assert.ok(!JSON.stringify(listed).includes("hush"));
});

Deno.test("recordings of a node that ends in order are told of by itself, and by nobody else", async () => {
  const told: string[] = [];
  const cluster = new ClusterWorld(["a", "b"]);
  const { service, calls } = recordOn(cluster, "a", told, { returnMs: 1_000 });
  recordOn(cluster, "b", told);
  await cluster.join("a", "ann");
  await cluster.pass(6_000);
  const request = new RoomCompositeEgressRequest({ roomName: "lobby" }) as AnyMessage;
  const asked = calls.start("StartRoomCompositeEgress", request);
  const { egressId }: EgressInfo = succeeded(await cluster.during(asked));
  await cluster.pass(500);
  await cluster.during(service.close());
  const [info] = service.list({ roomName: "", egressId, active: false });
  assert.match(info!.details, /its server ended/);
  await cluster.pass(500);
  cluster.kill("a");
  await cluster.pass(60_000, 20);
  assert.equal(told.filter((line) => line.includes("ended")).length, 1);
});

Deno.test("what has gone while other nodes were asked is not recorded, and fails nothing", async () => {
  const answer = Promise.withResolvers<boolean>();
  const told: string[] = [];
  const cluster = new ClusterWorld(["a", "b"]);
  recordOn(cluster, "a", told, { returnMs: 1_000, isRecordedElsewhere: () => answer.promise });
  const egress = new RoomEgress({
    participant: new AutoParticipantEgress(),
    tracks: new AutoTrackEgress(),
  });
  const create = new CreateRoomRequest({ name: "lobby", egress });
  succeeded(await cluster.during(cluster.node("a").admin.createRoom(create)));
  await cluster.join("a", "bob");
  const ann = await cluster.join("a", "ann");
  await ann.publishCamera();
  await cluster.pass(2_000);
  cluster.room("a").session("ann")!.close(1, "disconnect");
  await cluster.pass(2_000);
  answer.resolve(false);
  await cluster.pass(40_000, 100);
  assert.deepEqual(told, []);
});
