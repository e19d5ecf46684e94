import assert from "node:assert/strict";
import {
  EncodedFileOutput,
  RoomCompositeEgressRequest,
  RoomEgress,
  S3Upload,
} from "@livekit/protocol";
import { keptPlanText, readKeptPlan } from "../../../lib/cluster/mirror/kept_plan.ts";
import { planText, type RoomPlan } from "../../../lib/room/context/room_plan.ts";
import { TextSeal } from "../../../lib/transport/crypto/sealed_text.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

function sealOf(secret: number): TextSeal {
  return new TextSeal(new Uint8Array(32).fill(secret), "directory", new SeededRandom(1));
}

function planWith(egress: RoomEgress | undefined): RoomPlan {
  return {
    settings: { emptyTimeoutS: 1, departureTimeoutS: 2, maxParticipants: 3 },
    internal: {
      tags: { colour: "blue" },
      agents: [],
      egress,
      playoutDelay: { enabled: false, min: 0, max: 0 },
      syncStreams: false,
      replayEnabled: false,
      nodeId: "",
    },
    metadata: "agenda",
  };
}

const s3 = new S3Upload({ accessKey: "AKIA-secret", secret: "hush-hush", bucket: "rec" });
const EGRESS = new RoomEgress({
  room: new RoomCompositeEgressRequest({
    fileOutputs: [new EncodedFileOutput({ output: { case: "s3", value: s3 } })],
  }),
});

Deno.test("keptPlanText() shows no credentials, and readKeptPlan() has all of it again", () => {
  const plan = planWith(EGRESS);
  const text = keptPlanText(plan, "lobby", sealOf(1));
  for (const hidden of ["AKIA-secret", "hush-hush", "room_composite"]) {
    assert.ok(!text.includes(hidden), hidden);
  }
  assert.ok(text.includes("agenda"), "the rest is for whoever looks into a directory");
  const read = readKeptPlan(text, "lobby", sealOf(1));
  assert.equal(read?.why, undefined);
  assert.equal(planText(read!.plan), planText(plan));
});

Deno.test("readKeptPlan() has the rest, and says why, where the seal does not open", () => {
  const text = keptPlanText(planWith(EGRESS), "lobby", sealOf(1));
  const rest = planText(planWith(undefined));
  const damaged = JSON.stringify({ ...JSON.parse(text), sealedEgress: "1.AAAA" });
  const senseless = JSON.stringify({
    ...JSON.parse(text),
    sealedEgress: sealOf(1).seal('{"room":7}', "lobby"),
  });
  for (
    const [words, room, seal, why] of [
      [text, "lobby", sealOf(2), /another secret/],
      [text, "hall", sealOf(1), /another secret/],
      [damaged, "lobby", sealOf(1), /cut/],
      [senseless, "lobby", sealOf(1), /another version/],
    ] as const
  ) {
    const read = readKeptPlan(words, room, seal);
    assert.match(read!.why!, why);
    assert.equal(planText(read!.plan), rest);
  }
});

Deno.test("readKeptPlan() believes nobody who has no secret what a room is to record, and where", () => {
  const rest = planText(planWith(undefined));
  for (const sealedEgress of [undefined, 7, null]) {
    const plain = { ...JSON.parse(planText(planWith(EGRESS))), sealedEgress };
    const read = readKeptPlan(JSON.stringify(plain), "lobby", sealOf(1))!;
    assert.equal(read.why, "it is not sealed");
    assert.equal(planText(read.plan), rest);
  }
  // Beside what is sealed, too.
  const sealed = JSON.parse(keptPlanText(planWith(undefined), "lobby", sealOf(1)));
  const both = {
    ...JSON.parse(planText(planWith(EGRESS))),
    sealedEgress: sealOf(2).seal("{}", "lobby"),
  };
  assert.equal(sealed.sealedEgress, undefined);
  assert.equal(planText(readKeptPlan(JSON.stringify(both), "lobby", sealOf(1))!.plan), rest);
});

Deno.test("readKeptPlan() reads plans of rooms that record nothing, and is undefined for no plan", () => {
  const plain = planText(planWith(undefined));
  const read = readKeptPlan(plain, "lobby", sealOf(1))!;
  assert.equal(read.why, undefined);
  assert.equal(planText(read.plan), plain);
  const text = keptPlanText(planWith(EGRESS), "lobby", sealOf(1));
  const random = new SeededRandom(3);
  for (let i = 0; i < 500; i++) {
    const at = random.uint32() % text.length;
    const changed = text.slice(0, at) + String.fromCharCode(random.uint32() % 128) +
      text.slice(at + random.uint32() % 3);
    readKeptPlan(changed, "lobby", sealOf(1));
  }
  for (const text of ["", "null", "[]", "{}", '{"sealedEgress":"1.x"}']) {
    assert.equal(readKeptPlan(text, "lobby", sealOf(1)), undefined);
  }
});
