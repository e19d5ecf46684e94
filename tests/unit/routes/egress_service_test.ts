/** `livekit.Egress` over HTTP: rights, and what is answered in which words. */
import assert from "node:assert/strict";
import type { AccessToken } from "../../../lib/signalling/access_token.ts";
import { egressService } from "../../../routes/egress_service.ts";
import { adminWorld, tokenWith } from "../../support/virtual/admin_world.ts";
import { testCalls } from "../../support/virtual/test_egress.ts";
import { twirpPost } from "../../support/virtual/twirp_world.ts";

const RECORDER = tokenWith({ roomRecord: true });

async function api() {
  const { world } = adminWorld();
  await world.joined("alice");
  const post = twirpPost(world, [egressService(testCalls(world))]);
  return async (method: string, body: unknown, token: AccessToken | undefined = RECORDER) => {
    const response = await post(`/twirp/livekit.Egress/${method}`, token, JSON.stringify(body));
    return { status: response.status, body: JSON.parse(await response.text()) };
  };
}

Deno.test("egressService() lets nobody in without roomRecord, whatever else they may", async () => {
  const call = await api();
  const other = tokenWith({ roomAdmin: true, roomCreate: true, roomList: true, room: "lobby" });
  const methods = [
    ...["StartEgress", "StartRoomCompositeEgress", "StartWebEgress", "StartParticipantEgress"],
    ...["StartTrackCompositeEgress", "StartTrackEgress", "UpdateLayout", "UpdateStream"],
    ...["ListEgress", "StopEgress"],
  ];
  for (const method of methods) {
    for (const token of [other, tokenWith({ recorder: true })]) {
      const answer = await call(method, { roomName: "lobby" }, token);
      assert.deepEqual(answer, {
        status: 401,
        body: { code: "unauthenticated", msg: "permissions denied" },
      }, method);
    }
  }
});

Deno.test("egressService() says what it does not do, and what there is not", async () => {
  const call = await api();
  const started = await call("StartParticipantEgress", { roomName: "lobby", identity: "alice" });
  assert.equal(started.status, 200);
  assert.equal(started.body.room_name, "lobby");
  assert.equal(started.body.participant.identity, "alice");
  const { egress_id: egressId } = started.body;
  const table: readonly (readonly [string, unknown, number, RegExp])[] = [
    ["UpdateLayout", { egressId, layout: "grid" }, 501, /what is composed here is a grid/],
    ["UpdateStream", { egressId, addOutputUrls: ["rtmp://x"] }, 501, /no stream outputs/],
    ["UpdateLayout", { egressId: "EG_none" }, 404, /egress does not exist/],
    ["StopEgress", { egressId: "EG_none" }, 404, /egress does not exist/],
    ["StartWebEgress", { url: "https://x" }, 501, /web pages/],
    ["StartTrackEgress", { roomName: "nowhere", trackId: "TR_1" }, 404, /room does not exist/],
    ["StartTrackEgress", { roomName: "lobby" }, 400, /missing track_id/],
  ];
  for (const [method, body, status, words] of table) {
    const answer = await call(method, body);
    assert.equal(answer.status, status, method);
    assert.match(answer.body.msg, words);
  }
  const listed = await call("ListEgress", { roomName: "lobby", active: true });
  assert.deepEqual(listed.body.items.map((item: { egress_id: string }) => item.egress_id), [
    egressId,
  ]);
  assert.deepEqual((await call("ListEgress", { roomName: "other" })).body.items ?? [], []);
});
