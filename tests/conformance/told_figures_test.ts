/**
 * LiveKit's tests of what is told of rooms, participants and their media to whoever measures. It
 * sends events and statistics to a service of its own; here observers are told of what happens,
 * metrics sum up what is measured, and operators see it by room, participant and track.
 */
import assert from "node:assert/strict";
import {
  ClientInfo,
  ClientInfo_SDK,
  DisconnectReason,
  LeaveRequest,
  type ParticipantInfo,
  type Room,
  TrackSource,
  TrackType,
  UpdateLocalVideoTrack,
} from "@livekit/protocol";
import type { ConnectionId, DownTrackId, UpTrackId } from "../../lib/base/ids.ts";
import type { EngineStats } from "../../lib/engine/messages/media_messages.ts";
import { DownTrackCondition } from "../../lib/media/down/down_track_condition.ts";
import type { IntervalLosses } from "../../lib/media/layer/interval_figures.ts";
import type { RoomObserver } from "../../lib/room/context/room_events.ts";
import type { QualityReport } from "../../lib/room/context/telemetry.ts";
import { Metrics } from "../../lib/server/metrics/metrics.ts";
import { ReportBlock } from "../../lib/wire/rtcp.ts";
import { codec } from "../support/media/forwarding_fixtures.ts";
import { PrometheusText } from "../support/process/prometheus_text.ts";
import { NO_STATS } from "../support/virtual/fake_engine.ts";
import { operatorsOf } from "../support/virtual/operator_world.ts";
import { World } from "../support/virtual/scripted_client.ts";
import { VirtualPlatform } from "../support/virtual/virtual_platform.ts";
import { unitScenario } from "./support.ts";

/** What an observer was told, in order. */
interface Told {
  readonly event: string;
  readonly room: Room;
  readonly participant: ParticipantInfo;
  readonly client?: ClientInfo;
}

/** A world with an observer that writes down what it is told of participants. */
function observed() {
  const told: Told[] = [];
  const observer: RoomObserver = {
    participantConnecting: (room, participant, client) =>
      told.push({ event: "connecting", room, participant, client }),
    participantJoined: (room, participant) => told.push({ event: "joined", room, participant }),
    participantLeft: (room, participant) => told.push({ event: "left", room, participant }),
    participantConnectionAborted: (room, participant) =>
      told.push({ event: "aborted", room, participant }),
  };
  const world = new World({}, true, 0, undefined, undefined, [observer]);
  /** Everything that was told under this name, all of it of this room. */
  const of = (event: string) => {
    const found = told.filter((one) => one.event === event);
    const { sid } = world.rooms.get("lobby")!;
    for (const { room } of found) assert.deepEqual([room.name, room.sid], ["lobby", sid]);
    return found;
  };
  return { world, told, of };
}

unitScenario("Test_OnParticipantJoin_EventIsSent", async () => {
  const { world, of } = observed();
  const clientInfo = new ClientInfo({
    ...{ sdk: ClientInfo_SDK.SWIFT, version: "2.1.0", protocol: 16, deviceModel: "iPhone14,2" },
    ...{ os: "iOS", osVersion: "17.4", browser: "Safari", browserVersion: "17.4" },
  });
  const ann = await world.open("ann", { clientInfo });
  const [{ participant, client }, ...others] = of("connecting") as [Told];
  assert.deepEqual([participant.identity, participant.sid], ["ann", ann.participant.sid]);
  assert.ok(client!.equals(clientInfo), "with all that its client says of itself");
  assert.equal(others.length, 0);
  assert.deepEqual(of("joined"), [], "it is not there yet");
});

unitScenario("Test_OnParticipantActive_EventIsSent", async () => {
  const { world, of } = observed();
  const ann = await world.open("ann");
  await world.pass(300);
  assert.deepEqual(of("joined"), []);
  await ann.connect();
  const [{ participant }] = of("joined") as [Told];
  assert.equal(participant.sid, of("connecting")[0]!.participant.sid);
  assert.equal(participant.joinedAtMs, ann.participant.info().joinedAtMs);
  await ann.connect();
  assert.equal(of("joined").length, 1, "once");
});

unitScenario("Test_OnParticipantLeft_EventIsSent", async () => {
  const { world, of } = observed();
  const ann = await world.joined("ann");
  await world.joined("bob");
  const { sid } = ann.participant;
  const value = new LeaveRequest({ reason: DisconnectReason.CLIENT_INITIATED });
  await ann.request({ case: "leave", value });
  const [{ participant }, ...others] = of("left") as [Told];
  assert.deepEqual([participant.sid, participant.disconnectReason], [
    sid,
    DisconnectReason.CLIENT_INITIATED,
  ]);
  assert.equal(others.length, 0);
  const cat = await world.open("cat");
  await cat.request({ case: "leave", value });
  assert.equal(of("left").length, 1, "who never came cannot leave");
  assert.equal(of("aborted")[0]!.participant.identity, "cat");
});

/** Ann sends bob a camera, and operators look at their room. */
async function watched() {
  const world = new World();
  const ann = await world.joined("ann");
  const bob = await world.joined("bob");
  const sid = await ann.publishCamera();
  await world.pass(200);
  const operators = operatorsOf(world);
  const reader = operators.open({ room: "lobby", participant: "bob" });
  await world.pass(1_500);
  return { world, ann, bob, sid, operators, reader };
}

unitScenario("Test_OnTrackUpdate_EventIsSent", async () => {
  const { world, ann, sid, reader } = await watched();
  const size = () => {
    const { width, height } = reader.participant("ann").tracks[sid]!;
    return [width, height];
  };
  assert.deepEqual(size(), [1280, 720]);
  const value = new UpdateLocalVideoTrack({ trackSid: sid, width: 360, height: 720 });
  await ann.request({ case: "updateVideoTrack", value });
  await world.pass(1_500);
  assert.deepEqual(size(), [360, 720]);
});

unitScenario("Test_OnTrackSubscribed_EventIsSent", async () => {
  const { world, sid, reader } = await watched();
  assert.ok(world.figures.includes("subscription success"), world.figures.join());
  assert.ok(world.figures.some((line) => /^subscribe VIDEO after \d+ ms, number 1$/.test(line)));
  assert.equal(reader.participant("bob").subscriptions, 1);
  assert.deepEqual(Object.keys(reader.state.received!), [sid]);
  const { identity, source, kind } = reader.state.received![sid]!;
  assert.deepEqual([identity, source, kind], ["ann", "camera", "video"]);
});

type Down = EngineStats["downTracks"][number];
type Layer = EngineStats["upTracks"][number]["layers"][number];

/** One stream to a subscriber. */
function down(id: string, more: Partial<Down>): Down {
  return {
    downTrack: id as DownTrackId,
    upTrack: "UT_1" as UpTrackId,
    spatial: 0,
    ...{ packets: 0, bytes: 0, retransmitted: 0 },
    ...{ nacksReceived: 0, plisReceived: 0, firsReceived: 0 },
    ...more,
  };
}

/** One track from a publisher; each layer is a stream. */
function up(id: string, ...layers: readonly Partial<Layer>[]): EngineStats["upTracks"][number] {
  return {
    upTrack: id as UpTrackId,
    layers: layers.map((layer, spatial) => ({
      spatial: spatial as 0 | 1 | 2,
      ssrc: spatial + 1,
      ...{ packets: 0, bytes: 0, lost: 0, repaired: 0, nacksSent: 0, plisSent: 0 },
      ...layer,
    })),
  };
}

const INCOMING = { direction: "incoming" };
const OUTGOING = { direction: "outgoing" };
const FIRST = { transmission: "initial" };

/** Metrics, and what they say after each look at what the media plane has counted. */
class Measured implements Disposable {
  readonly platform = new VirtualPlatform();
  readonly metrics = new Metrics(this.platform, "ND_test");
  #stats: EngineStats = NO_STATS;

  constructor() {
    this.metrics.start({ stats: () => Promise.resolve(this.#stats), rooms: () => [] });
  }

  async look(stats: Partial<EngineStats> = {}): Promise<PrometheusText> {
    this.#stats = { ...NO_STATS, ...stats };
    await this.platform.advanceAsync(1_000, 500);
    return new PrometheusText(await this.metrics.text());
  }

  /** Reports of one interval. */
  report(report: Partial<QualityReport>): void {
    this.metrics.telemetry.qualityReport({
      type: "quality_report",
      connection: "CN_1" as ConnectionId,
      intervalMs: 5_000,
      upTracks: [],
      downTracks: [],
      ...report,
    });
  }

  [Symbol.dispose](): void {
    this.metrics.stop();
  }
}

unitScenario("Test_OnDownstreamPackets", async () => {
  using measured = new Measured();
  await measured.look({ downTracks: [down("a", { packets: 1, bytes: 33 })] });
  const text = await measured.look({ downTracks: [down("a", { packets: 2, bytes: 56 })] });
  assert.equal(text.value("livekit_packet_total", { ...OUTGOING, ...FIRST }), 2);
  assert.equal(text.value("livekit_packet_bytes", { ...OUTGOING, ...FIRST }), 56);
});

unitScenario("Test_OnDownstreamPackets_SeveralTracks", async () => {
  using measured = new Measured();
  const text = await measured.look({
    downTracks: [down("a", { packets: 1, bytes: 33 }), down("b", { packets: 1, bytes: 23 })],
  });
  assert.equal(text.value("livekit_packet_total", { ...OUTGOING, ...FIRST }), 2);
  assert.equal(text.value("livekit_packet_bytes", { ...OUTGOING, ...FIRST }), 56);
  // Each by itself is seen by operators.
  const { world, ann, bob, sid, operators, reader } = await watched();
  const { AUDIO: type } = TrackType;
  await ann.announce({ cid: "mic", name: "mic", type, source: TrackSource.MICROPHONE });
  await ann.offer([
    { mid: "1", kind: "video", cid: "cam", rids: ["q", "h", "f"] },
    { mid: "2", kind: "audio", cid: "mic" },
  ]);
  const other = ann.last("trackPublished").track!.sid;
  await world.pass(1_500);
  const kbps: Readonly<Record<string, number>> = { [ann.upTrack("1")]: 33, [ann.upTrack("2")]: 23 };
  for (const second of [1, 2]) {
    operators.media.stats = {
      downTracks: bob.forwarded().map(({ downTrack, upTrack }) =>
        down(downTrack, { upTrack, bytes: second * kbps[upTrack]! * 125 })
      ),
    };
    await world.pass(1_000);
  }
  const { [sid]: camera, [other]: microphone } = reader.state.received!;
  assert.deepEqual([camera!.outBps, microphone!.outBps], [33_000, 23_000]);
});

const condition = { mime: "video/VP8", inbandFec: false, muted: false } as const;
const losses: IntervalLosses = { expected: 100, lost: 0, outOfOrder: 0, jitterMs: 0 };
const VIDEO = { source: "UNKNOWN", type: "VIDEO", country: "" };

/** One interval of a stream to a subscriber. */
function downInterval(
  reported: Partial<NonNullable<QualityReport["downTracks"][number]["reported"]>>,
): QualityReport["downTracks"][number] {
  return {
    ...condition,
    downTrack: "a" as DownTrackId,
    ...{ packetsSent: 100, missingLayers: 0, pausedPart: 0 },
    reported: { ...losses, ...reported },
  };
}

unitScenario("Test_OnDownStreamStat", async () => {
  using measured = new Measured();
  const counted = (nacksReceived: number, plisReceived: number, firsReceived: number) => ({
    downTracks: [down("a", { packets: 1, nacksReceived, plisReceived, firsReceived })],
  });
  await measured.look(counted(1, 1, 0));
  measured.report({ downTracks: [downInterval({ lost: 3, jitterMs: 3, rttMs: 23 })] });
  measured.report({ downTracks: [downInterval({ lost: 4, jitterMs: 5, rttMs: 10 })] });
  const text = await measured.look(counted(2, 2, 1));
  for (const [name, count] of [["nack", 2], ["pli", 2], ["fir", 1]] as const) {
    assert.equal(text.value(`livekit_${name}_total`, OUTGOING), count, name);
  }
  const labels = { ...OUTGOING, ...VIDEO };
  assert.equal(text.value("livekit_packet_loss_total", labels), 7);
  // Each interval's, so that the largest is among them.
  assert.equal(text.value("livekit_rtt_ms_count", labels), 2);
  assert.equal(text.value("livekit_rtt_ms_sum", labels), 33);
  assert.equal(text.value("livekit_jitter_us_sum", labels), 8_000);
});

unitScenario("Test_PacketLostDiffShouldBeSentToTelemetry", async () => {
  using measured = new Measured();
  const lost = async (intervals: readonly number[]) => {
    const stream = new DownTrackCondition();
    const told: (number | undefined)[] = [];
    for (const [i, cumulativeLost] of intervals.entries()) {
      for (let number = 1; number <= 100; number++) stream.sent(i * 100 + number);
      const block = new ReportBlock();
      block.highestSequence = (i + 1) * 100;
      block.cumulativeLost = cumulativeLost;
      stream.receiveReport(block, 50, i * 5_000);
      const interval = stream.interval(codec("video/VP8", 96), 90_000, i * 5_000);
      measured.report({ downTracks: [{ ...interval, downTrack: "a" as DownTrackId }] });
      const text = await measured.look();
      told.push(text.value("livekit_packet_loss_total", { ...OUTGOING, ...VIDEO }));
    }
    return told;
  };
  // Reports say what was lost since the start. The first of them tells where that was.
  assert.deepEqual(await lost([1, 2, 6, 6]), [undefined, 1, 5, 5]);
});

unitScenario("Test_OnDownStreamRTCP_SeveralTracks", async () => {
  using measured = new Measured();
  const a = { packets: 1 };
  await measured.look({ downTracks: [down("a", a), down("b", a)] });
  const text = await measured.look({
    downTracks: [down("a", { packets: 3, nacksReceived: 1 }), down("b", { ...a, firsReceived: 1 })],
  });
  assert.equal(text.value("livekit_nack_total", OUTGOING), 1);
  assert.equal(text.value("livekit_fir_total", OUTGOING), 1);
  assert.equal(text.value("livekit_pli_total", OUTGOING), 0);
  assert.equal(text.value("livekit_packet_total", { ...OUTGOING, ...FIRST }), 4);
});

/** One interval of a track from a publisher. */
function upInterval(
  upTrack: string,
  more: Partial<IntervalLosses>,
  rttMs?: number,
): QualityReport["upTracks"][number] {
  return {
    ...condition,
    upTrack: upTrack as UpTrackId,
    topLayer: 0,
    layers: [{ ...losses, ...more, spatial: 0 }],
    ...(rttMs === undefined ? {} : { rttMs }),
  };
}

unitScenario("Test_OnUpstreamStat", async () => {
  using measured = new Measured();
  const counted = (nacksSent: number, plisSent: number) => ({
    upTracks: [up("a", { packets: 1, nacksSent, plisSent })],
  });
  await measured.look(counted(1, 1));
  measured.report({ upTracks: [upInterval("a", { lost: 3, jitterMs: 5 }, 13)] });
  measured.report({ upTracks: [upInterval("a", { lost: 4, jitterMs: 2 }, 33)] });
  const text = await measured.look(counted(2, 2));
  assert.equal(text.value("livekit_nack_total", INCOMING), 2);
  assert.equal(text.value("livekit_pli_total", INCOMING), 2);
  assert.equal(text.value("livekit_fir_total", INCOMING), 0, "publishers are asked by PLI alone");
  const labels = { ...INCOMING, ...VIDEO };
  assert.equal(text.value("livekit_packet_loss_total", labels), 7);
  assert.equal(text.value("livekit_rtt_ms_sum", labels), 46);
  assert.equal(text.value("livekit_jitter_us_sum", labels), 7_000);
});

unitScenario("Test_OnUpstreamRTCP_SeveralTracks", async () => {
  using measured = new Measured();
  const one = { packets: 1, bytes: 1 };
  await measured.look({ upTracks: [up("a", one), up("b", one)] });
  const three = { packets: 3, bytes: 3 };
  const [a, b] = [up("a", { ...three, nacksSent: 1 }), up("b", { ...three, plisSent: 1 })];
  const values = (text: PrometheusText) => [
    text.value("livekit_nack_total", INCOMING),
    text.value("livekit_pli_total", INCOMING),
    text.value("livekit_packet_total", { ...INCOMING, ...FIRST }),
    text.value("livekit_packet_bytes", { ...INCOMING, ...FIRST }),
  ];
  assert.deepEqual(values(await measured.look({ upTracks: [a, b] })), [1, 1, 6, 6]);
  assert.deepEqual(values(await measured.look({ upTracks: [a] })), [1, 1, 6, 6], "one has ended");
  assert.deepEqual(values(await measured.look()), [1, 1, 6, 6], "and the other");
});

unitScenario("Test_AnalyticsSentWhenParticipantLeaves", async () => {
  using measured = new Measured();
  measured.report({});
  const packets = async (stats: Partial<EngineStats>) => {
    const text = await measured.look(stats);
    assert.equal(
      text.value("livekit_packet_loss_percent_count", { ...INCOMING, ...VIDEO }),
      undefined,
      "of whom nothing was measured nothing is told",
    );
    return text.value("livekit_packet_total", { ...INCOMING, ...FIRST });
  };
  assert.equal(await packets({}), 0);
  assert.equal(await packets({ upTracks: [up("a", { packets: 5 })] }), 5);
  assert.equal(await packets({}), 5, "who leaves takes nothing back");
  assert.equal(await packets({ upTracks: [up("a", { packets: 2 })] }), 7, "who is new begins anew");
});

unitScenario("Test_AddUpTrack", async () => {
  using measured = new Measured();
  const text = await measured.look({ upTracks: [up("a", { packets: 3, bytes: 30 })] });
  assert.equal(text.value("livekit_packet_total", { ...INCOMING, ...FIRST }), 3);
  assert.equal(text.value("livekit_packet_bytes", { ...INCOMING, ...FIRST }), 30);
});

unitScenario("Test_AddUpTrack_SeveralBuffers_Simulcast", async () => {
  using measured = new Measured();
  const layers = [{ packets: 1, bytes: 10 }, { packets: 2, bytes: 20 }, { packets: 4, bytes: 40 }];
  const text = await measured.look({ upTracks: [up("a", ...layers)] });
  assert.equal(text.value("livekit_packet_total", { ...INCOMING, ...FIRST }), 7);
  assert.equal(text.value("livekit_packet_bytes", { ...INCOMING, ...FIRST }), 70);
  const { world, ann, sid, operators, reader } = await watched();
  for (const second of [1, 2]) {
    const layersNow = [100, 400].map((kbps) => ({ packets: second, bytes: second * kbps * 125 }));
    operators.media.stats = { upTracks: [up(ann.upTrack("1"), ...layersNow)] };
    await world.pass(1_000);
  }
  const track = reader.participant("ann").tracks[sid]!;
  assert.equal(track.inBps, 500_000, "a track is the sum of its layers");
  assert.deepEqual([track.layers[0]!.inBps, track.layers[1]!.inBps], [100_000, 400_000]);
});

unitScenario("Test_BothDownstreamAndUpstreamStatsAreSentTogether", async () => {
  using measured = new Measured();
  const text = await measured.look({
    upTracks: [up("a", { packets: 3, bytes: 3 })],
    downTracks: [down("b", { packets: 1, bytes: 1 })],
  });
  const packets = (direction: object) =>
    text.value("livekit_packet_total", { ...direction, ...FIRST });
  assert.deepEqual([packets(INCOMING), packets(OUTGOING)], [3, 1]);
});

unitScenario("Test_ParticipantAndRoomDataAreSentWithAnalytics", async () => {
  const { world, ann, bob, operators, reader } = await watched();
  for (const second of [1, 2]) {
    operators.media.stats = {
      upTracks: [up(ann.upTrack("1"), { packets: second, bytes: second * 33 * 125 })],
      downTracks: bob.forwarded().map(({ downTrack, upTrack }) =>
        down(downTrack, { upTrack, bytes: second * 23 * 125 })
      ),
    };
    await world.pass(1_000);
  }
  const { sid, name } = world.rooms.get("lobby")!;
  const { [sid]: room } = reader.state.rooms;
  assert.deepEqual([room!.name, room!.inBps, room!.outBps], [name, 33_000, 23_000]);
  const { participants } = reader.state;
  const { [ann.participant.sid]: publisher, [bob.participant.sid]: subscriber } = participants!;
  assert.deepEqual([publisher!.identity, publisher!.inBps], ["ann", 33_000]);
  assert.deepEqual([subscriber!.identity, subscriber!.outBps], ["bob", 23_000]);
});
