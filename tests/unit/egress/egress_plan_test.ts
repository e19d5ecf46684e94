/** What requests to record come to, and what is refused in which words. */
import assert from "node:assert/strict";
import {
  DirectFileOutput,
  EncodedFileOutput,
  EncodedFileType,
  EncodingOptions,
  EncodingOptionsPreset,
  FileOutput,
  MediaSource,
  Output,
  ParticipantEgressRequest,
  RoomCompositeEgressRequest,
  SegmentedFileOutput,
  StartEgressRequest,
  StreamOutput,
  TrackCompositeEgressRequest,
  TrackEgressRequest,
  WebEgressRequest,
} from "@livekit/protocol";
import type { AdminFailure } from "../../../lib/admin/admin_failure.ts";
import {
  type EgressPlan,
  planEgress,
  planParticipant,
  planRoom,
  planTrack,
  planTrackComposite,
  planWeb,
} from "../../../lib/egress/egress_plan.ts";
import { failed, succeeded } from "../../support/virtual/admin_world.ts";

const roomName = "lobby";

const refused = (plan: EgressPlan | AdminFailure) => failed(plan).join(": ");

Deno.test("planTrack() records one track, as it was asked for", () => {
  const file = new DirectFileOutput({ filepath: "x/{track_id}.mp4", disableManifest: true });
  const request = new TrackEgressRequest({
    roomName,
    trackId: "TR_1",
    output: { case: "file", value: file },
  });
  const { selector, filepath, format, hasManifest, expected, details } = succeeded(
    planTrack(request),
  );
  assert.deepEqual(selector, { type: "tracks", sids: ["TR_1"] });
  assert.deepEqual([filepath, format, hasManifest, expected, details], [
    "x/{track_id}.mp4",
    "mp4",
    false,
    1,
    "",
  ]);
  const bare = succeeded(planTrack(new TrackEgressRequest({ roomName, trackId: "TR_1" })));
  assert.deepEqual([bare.filepath, bare.format, bare.hasManifest], ["", undefined, true]);
});

Deno.test("Participants and pairs of tracks go into one file, whose kind is what was asked for", () => {
  const fileOutputs = [new EncodedFileOutput({ filepath: "a", fileType: EncodedFileType.MP4 })];
  const participant = succeeded(
    planParticipant(
      new ParticipantEgressRequest({ roomName, identity: "ann", screenShare: true, fileOutputs }),
    ),
  );
  const { selector, format, expected } = participant;
  assert.deepEqual(selector, { type: "participant", identity: "ann", screenShare: true });
  assert.deepEqual([format, expected], ["mp4", 2]);
  const pair = succeeded(
    planTrackComposite(
      new TrackCompositeEgressRequest({ roomName, audioTrackId: "TR_A", videoTrackId: "TR_V" }),
    ),
  );
  assert.deepEqual(pair.selector, { type: "tracks", sids: ["TR_A", "TR_V"] });
});

Deno.test("What is not done is said: composition, and encoding options", () => {
  const options = { case: "advanced", value: new EncodingOptions({ width: 640 }) } as const;
  const whole = succeeded(planRoom(new RoomCompositeEgressRequest({ roomName, options })));
  assert.deepEqual(whole.selector, { type: "room", audio: true, video: true });
  assert.match(whole.details, /^encoding options are not used/);
  const passed = { case: "preset", value: EncodingOptionsPreset.PASSTHROUGH } as const;
  const quiet = succeeded(
    planParticipant(new ParticipantEgressRequest({ roomName, identity: "a", options: passed })),
  );
  assert.equal(quiet.details, "");
});

Deno.test("planEgress() understands the one request that says all of the others", () => {
  const outputs = [
    new Output({ config: { case: "file", value: new FileOutput({ filepath: "f.webm" }) } }),
  ];
  const encoding = { case: "preset", value: EncodingOptionsPreset.PASSTHROUGH } as const;
  const of = (value: ConstructorParameters<typeof MediaSource>[0]) =>
    planEgress(
      new StartEgressRequest({
        roomName,
        source: { case: "media", value: new MediaSource(value) },
        encoding,
        outputs,
      }),
    );
  const track = succeeded(of({ video: { case: "videoTrackId", value: "TR_V" } }));
  assert.deepEqual(track.selector, { type: "tracks", sids: ["TR_V"] });
  assert.equal(track.format, "webm");
  const route = (identity: string) => ({
    routes: [{ match: { case: "participantIdentity", value: identity } as const }],
  });
  const participantVideo = { identity: "ann", preferScreenShare: false };
  const video = { case: "participantVideo", value: participantVideo } as const;
  const ann = succeeded(of({ video, audio: route("ann") }));
  assert.deepEqual(ann.selector, { type: "participant", identity: "ann", screenShare: false });
  assert.match(refused(of({ video, audio: route("bob") })), /^unimplemented: .*several/);
  assert.match(refused(of({ audio: { captureAll: true } })), /^unimplemented/);
  assert.match(refused(of({})), /^invalid_argument: missing a track/);
});

Deno.test("Segments are made of whoever is asked for, as long as asked for", () => {
  const output = new SegmentedFileOutput({ filenamePrefix: "hls/a", segmentDuration: 6 });
  const participant = succeeded(
    planParticipant(
      new ParticipantEgressRequest({ roomName, identity: "ann", segmentOutputs: [output] }),
    ),
  );
  assert.deepEqual([participant.segments?.prefix, participant.segments?.lengthMs], [
    "hls/a",
    6_000,
  ]);
  const source = new MediaSource({ video: { case: "videoTrackId", value: "TR_V" } });
  const outputs = [new Output({ config: { case: "segments", value: output } })];
  const one = succeeded(
    planEgress(
      new StartEgressRequest({ roomName, source: { case: "media", value: source }, outputs }),
    ),
  );
  assert.deepEqual([one.segments?.prefix, one.hasManifest], ["hls/a", false]);
});

Deno.test("Requests for what is not there, or not allowed, are refused in words", () => {
  const base = { roomName, identity: "ann" };
  const participant = (more: ConstructorParameters<typeof ParticipantEgressRequest>[0]) =>
    refused(planParticipant(new ParticipantEgressRequest({ ...base, ...more })));
  const file = (more: ConstructorParameters<typeof EncodedFileOutput>[0]) =>
    participant({ fileOutputs: [new EncodedFileOutput(more)] });
  const table: readonly (readonly [string, RegExp])[] = [
    [participant({ identity: "" }), /^invalid_argument: missing identity$/],
    [participant({ roomName: "" }), /^invalid_argument: missing room_name$/],
    [
      participant({ streamOutputs: [new StreamOutput()] }),
      /^unimplemented: .*than files and segments$/,
    ],
    [participant({ segmentOutputs: [{ filenamePrefix: "../x" }] }), /^invalid_argument/],
    [participant({ segmentOutputs: [{}], fileOutputs: [{}] }), /^invalid_argument: one output/],
    [
      refused(planRoom(new RoomCompositeEgressRequest({ roomName, segmentOutputs: [{}] }))),
      /^unimplemented: .*segments of a whole room/,
    ],
    [file({ filepath: "../../etc/cron.d/x" }), /^invalid_argument: filepath must stay within/],
    [file({ filepath: "/etc/x" }), /^invalid_argument: filepath must stay within/],
    [file({ fileType: EncodedFileType.MP3 }), /^unimplemented: .*MP3/],
    [participant({ fileOutputs: [{}, {}] }), /^invalid_argument: one output/],
    [refused(planWeb(new WebEgressRequest())), /^unimplemented: .*web pages/],
    [refused(planTrack(new TrackEgressRequest({ roomName }))), /missing track_id/],
    [
      refused(planTrack(
        new TrackEgressRequest({
          roomName,
          trackId: "TR_1",
          output: { case: "websocketUrl", value: "wss://x" },
        }),
      )),
      /^unimplemented: .*WebSocket/,
    ],
    [
      refused(
        planRoom(new RoomCompositeEgressRequest({ roomName, audioOnly: true, videoOnly: true })),
      ),
      /^invalid_argument/,
    ],
  ];
  for (const [said, pattern] of table) assert.match(said, pattern);
});
