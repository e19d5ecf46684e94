import assert from "node:assert/strict";
import {
  AutoParticipantEgress,
  AutoTrackEgress,
  EgressInfo,
  EgressStatus,
  EncodedFileOutput,
  ParticipantEgressRequest,
  RoomCompositeEgressRequest,
  RoomEgress,
  S3Upload,
  StartEgressRequest,
  TemplateSource,
  TrackCompositeEgressRequest,
  TrackEgressRequest,
} from "@livekit/protocol";
import { AdminFailure } from "../../../lib/admin/admin_failure.ts";
import { planRoom } from "../../../lib/egress/egress_plan.ts";
import { mayGoOn, planGoingOn } from "../../../lib/egress/egress_takeover.ts";
import { failed, succeeded } from "../../support/virtual/admin_world.ts";

function lost(request: EgressInfo["request"], status = EgressStatus.EGRESS_ACTIVE): EgressInfo {
  return new EgressInfo({ egressId: "EG_1", roomName: "lobby", roomId: "RM_1", request, status });
}

function ofRoom(secret?: string): RoomCompositeEgressRequest {
  const s3 = new S3Upload({ accessKey: "AKIA", secret: secret ?? "", bucket: "rec" });
  const output = secret === undefined ? {} : { case: "s3" as const, value: s3 };
  const file = new EncodedFileOutput({ filepath: "calls/{time}", output });
  return new RoomCompositeEgressRequest({
    roomName: "lobby",
    audioOnly: true,
    fileOutputs: [file],
  });
}

Deno.test("planGoingOn() is a room's recording as it was asked for, by either request", () => {
  for (
    const request of [
      { case: "roomComposite", value: ofRoom() },
      {
        case: "egress",
        value: new StartEgressRequest({
          roomName: "lobby",
          source: { case: "template", value: new TemplateSource({ audioOnly: true }) },
        }),
      },
    ] as const
  ) {
    const { selector } = succeeded(planGoingOn(lost(request), undefined));
    assert.deepEqual(selector, { type: "room", audio: true, video: false });
  }
});

Deno.test("planGoingOn() takes a bucket's credentials from the room, and none that nobody has", () => {
  const planned = planRoom(ofRoom("hush"));
  assert.ok(!(planned instanceof AdminFailure));
  const info = lost(planned.request);
  assert.ok(!info.toJsonString().includes("hush"));
  const own = new RoomEgress({ room: ofRoom("hush") });
  assert.equal(succeeded(planGoingOn(info, own)).upload?.secret, "hush");
  const [code, message] = failed(planGoingOn(info, undefined));
  assert.equal(code, "failed_precondition");
  assert.match(message!, /credentials of its bucket/);
  const other = new RoomEgress({
    room: new RoomCompositeEgressRequest({ ...ofRoom("hush"), audioOnly: false }),
  });
  assert.equal(failed(planGoingOn(info, other))[0], "failed_precondition");
});

Deno.test("planGoingOn() is of a participant or track what the room asks for by itself alone", () => {
  const participant = new ParticipantEgressRequest({ roomName: "lobby", identity: "ann" });
  const track = new TrackEgressRequest({ roomName: "lobby", trackId: "TR_1" });
  const own = new RoomEgress({
    participant: new AutoParticipantEgress(),
    tracks: new AutoTrackEgress({ filepath: "tracks/{track_id}" }),
  });
  const ofAnn = lost({ case: "participant", value: participant });
  const ofTrack = lost({ case: "track", value: track });
  assert.equal(succeeded(planGoingOn(ofAnn, own)).selector.type, "participant");
  assert.equal(succeeded(planGoingOn(ofTrack, own)).filepath, "tracks/{track_id}");
  const composite = new TrackCompositeEgressRequest({ roomName: "lobby", audioTrackId: "TR_1" });
  for (
    const [info, rules] of [
      [ofAnn, undefined],
      [ofAnn, new RoomEgress()],
      [ofTrack, undefined],
      [lost({ case: "trackComposite", value: composite }), own],
      [lost({ case: undefined }), own],
    ] as const
  ) assert.equal(failed(planGoingOn(info, rules))[0], "failed_precondition");
});

Deno.test("mayGoOn() is of what runs, and of a request that is known", () => {
  const request = { case: "roomComposite", value: ofRoom() } as const;
  const statuses = Object.values(EgressStatus).filter((value) => typeof value === "number");
  const going = statuses.filter((status) => mayGoOn(lost(request, status as EgressStatus)));
  assert.deepEqual(going, [EgressStatus.EGRESS_STARTING, EgressStatus.EGRESS_ACTIVE]);
  assert.ok(!mayGoOn(lost({ case: undefined })));
});
