import assert from "node:assert/strict";
import { type CodecParameters, EXTENSION_URI } from "../../../../lib/base/media_vocabulary.ts";
import { DownTrackCondition } from "../../../../lib/media/down/down_track_condition.ts";
import { LayerLimit, NOTHING_ALLOWED } from "../../../../lib/media/down/layer_limit.ts";
import type { LayerSource } from "../../../../lib/media/packet/forwarding_ports.ts";
import { LossInterval } from "../../../../lib/media/layer/loss_interval.ts";
import { TimeAverage } from "../../../../lib/media/layer/time_average.ts";
import { UpTrack } from "../../../../lib/media/up/up_track.ts";
import type { UpTrackLayer } from "../../../../lib/media/layer/up_track_layer.ts";
import { ReportBlock } from "../../../../lib/wire/rtcp.ts";
import { RtpView } from "../../../../lib/wire/rtp_view.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const OPUS: CodecParameters = {
  mime: "audio/opus",
  payloadType: 111,
  clockRate: 48_000,
  channels: 2,
  fmtp: "minptime=10;useinbandfec=1",
  feedback: [],
};

function reportBlock(highestSequence: number, cumulativeLost: number, jitter = 0): ReportBlock {
  return Object.assign(new ReportBlock(), { highestSequence, cumulativeLost, jitter });
}

Deno.test("TimeAverage.take() weighs each value by how long it held", () => {
  const average = new TimeAverage(0);
  average.set(2, 1000);
  average.set(0, 4000);
  assert.equal(average.take(6000), (2 * 3000) / 5000);
  assert.equal(average.take(8000), 0, "the next interval knows the newest value only");
});

Deno.test("LossInterval.take() counts each total once and is never negative", () => {
  const losses = new LossInterval();
  assert.deepEqual(losses.take(100, 10, 4), { expected: 100, lost: 10, outOfOrder: 4 });
  assert.deepEqual(losses.take(150, 8, 4), { expected: 50, lost: 0, outOfOrder: 0 });
});

Deno.test("DownTrackCondition tells the subscriber's losses from holes that were never sent", () => {
  const condition = new DownTrackCondition();
  let sequence = 65_536;
  const send = (count: number) => {
    for (let i = 0; i < count; i++) condition.sent(sequence++);
  };
  send(10);
  condition.receiveReport(reportBlock(sequence - 1, 0), -1, 1000); // where counting begins
  send(40);
  sequence += 5; // lost before they reached us
  send(45);
  condition.sent(65_536 + 52); // one of them came late after all
  condition.receiveReport(reportBlock(sequence - 1, 12, 480), 30, 4000);
  const { reported, packetsSent, reportAgeMs } = condition.interval(OPUS, 48_000, 5000);
  assert.deepEqual(reported, { expected: 90, lost: 12, outOfOrder: 5, jitterMs: 10, rttMs: 30 });
  assert.equal(packetsSent, 96);
  assert.equal(reportAgeMs, 1000);
});

Deno.test("DownTrackCondition reports nothing of an interval without a report", () => {
  const condition = new DownTrackCondition();
  condition.sent(65_536);
  assert.equal(condition.interval(OPUS, 48_000, 5000).reported, undefined);
  condition.receiveReport(reportBlock(65_536, 0), -1, 6000);
  assert.ok(condition.interval(OPUS, 48_000, 10_000).reported);
  const third = condition.interval(OPUS, 48_000, 15_000);
  assert.equal(third.reported, undefined);
  assert.equal(third.reportAgeMs, 9000);
  assert.equal(third.packetsSent, 0);
});

const EVERYTHING = { enabled: true, maxSpatial: 2, maxTemporal: 3 } as const;
/** A track of so many streams; of one that has three layers inside if it is alone. */
const source = (layers: number): LayerSource => ({
  muted: false,
  liveLayers: 0,
  layer: (spatial) =>
    spatial < layers ? { svc: { topSpatial: layers === 1 ? 2 : 0 } } as UpTrackLayer : undefined,
  requestKeyFrame() {},
  replay() {},
  needsChanged() {},
  audienceChanged() {},
});

Deno.test("DownTrackCondition averages the layers it misses of those published and wanted", () => {
  const condition = new DownTrackCondition();
  const limit = new LayerLimit(EVERYTHING);
  condition.layersChanged(source(3), limit, 2, 0);
  condition.layersChanged(source(3), limit, 0, 1000); // two of three are gone…
  limit.setTarget({ ...EVERYTHING, maxSpatial: 1 });
  condition.layersChanged(source(3), limit, 1, 3000); // …and later less is wanted
  assert.equal(condition.interval(OPUS, 48_000, 5000).missingLayers, (2 * 2000) / 5000);
});

Deno.test("DownTrackCondition counts what bandwidth does not allow, in simulcast and in one stream", () => {
  for (const layers of [3, 1]) {
    const condition = new DownTrackCondition();
    const limit = new LayerLimit(EVERYTHING);
    const chosen = (spatial: number) => layers === 1 ? 0 : spatial;
    condition.layersChanged(source(layers), limit, chosen(2), 0);
    assert.equal(condition.interval(OPUS, 48_000, 5000).missingLayers, 0);
    limit.setAllowance(1, 3);
    condition.layersChanged(source(layers), limit, chosen(1), 5000);
    const lowered = condition.interval(OPUS, 48_000, 10_000);
    assert.deepEqual([lowered.missingLayers, lowered.pausedPart], [1, 0]);
    limit.setAllowance(NOTHING_ALLOWED, 0);
    condition.layersChanged(source(layers), limit, chosen(1), 10_000);
    const paused = condition.interval(OPUS, 48_000, 15_000);
    assert.deepEqual([paused.missingLayers, paused.pausedPart], [3, 1]);
  }
});

Deno.test("DownTrackCondition says since when a track is unmuted", () => {
  const condition = new DownTrackCondition();
  assert.equal(condition.interval(OPUS, 48_000, 1000).unmutedForMs, undefined);
  condition.setMuted(true, 1500);
  assert.equal(condition.interval(OPUS, 48_000, 2000).muted, true);
  condition.setMuted(false, 2500);
  condition.setMuted(false, 2800); // said twice
  const figures = condition.interval(OPUS, 48_000, 3000);
  assert.equal(figures.muted, false);
  assert.equal(figures.unmutedForMs, 500);
});

Deno.test("UpTrack.interval() counts what is missing, and what came late apart", () => {
  const track = new UpTrack({
    kind: "audio",
    extensions: [],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  assert.equal(track.interval(0), undefined, "nothing is known before the first packet");
  track.bindLayer(0, 7, OPUS, 0);
  const view = new RtpView();
  let now = 0;
  const receive = (sequence: number) => {
    const timestamp = sequence * 960;
    const bytes = rtpPacket({
      payloadType: 111,
      sequenceNumber: sequence,
      timestamp,
      ssrc: 7,
      payload: Uint8Array.of(1, 2, 3),
    });
    assert.ok(view.wrap(bytes, bytes.length));
    assert.equal(track.receive(0, view, now += 20), 0);
  };
  for (const sequence of [1, 2, 5, 6, 4, 7]) receive(sequence);
  const figures = track.interval(5000);
  assert.deepEqual(figures?.layers.map(({ jitterMs: _, ...rest }) => rest), [
    { spatial: 0, expected: 7, lost: 1, outOfOrder: 1 },
  ]);
  assert.equal(figures?.inbandFec, true);
  assert.equal(figures?.topLayer, 0);
  assert.equal(figures?.senderReportAgeMs, undefined);
  track.receiveSenderReport(0, 3_900_000_000, 0, 960, 6000);
  const quiet = track.interval(10_000);
  assert.equal(quiet?.layers[0]?.expected, 0);
  assert.equal(quiet?.senderReportAgeMs, 4000);
});

Deno.test("UpTrack measures loudness from the packets' extension and forgets it when muted", () => {
  const track = new UpTrack({
    kind: "audio",
    extensions: [{ id: 3, uri: EXTENSION_URI.audioLevel }],
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  track.bindLayer(0, 7, OPUS, 0);
  const view = new RtpView();
  let now = 0;
  for (let sequence = 1; sequence <= 21; sequence++) {
    const bytes = rtpPacket({
      payloadType: 111,
      sequenceNumber: sequence,
      timestamp: sequence * 960,
      ssrc: 7,
      payload: Uint8Array.of(1),
      extensions: { 3: Uint8Array.of(0x80 | 20) },
    });
    assert.ok(view.wrap(bytes, bytes.length));
    track.receive(0, view, now += 20);
  }
  assert.equal(track.level?.isActive(now), true);
  track.setMuted(true, now);
  assert.equal(track.level?.isActive(now), false);
});
