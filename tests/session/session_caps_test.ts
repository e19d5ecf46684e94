/** Sessions that are one too many, and sockets that leave too much unread. */
import assert from "node:assert/strict";
import { ParticipantInfo_KindDetail as KindDetail, SignalRequest } from "@livekit/protocol";
import { AgentWorld } from "../support/virtual/agent_worker.ts";
import { World } from "../support/virtual/scripted_client.ts";

Deno.test("a session over a cap is refused before its socket opens, and has a place when one is free", async () => {
  const full = new World();
  const user = { publish: "x", tokenIdentity: "ann" };
  for (let i = 0; i < 10; i++) await full.joined(`ann#${i}`, user);
  const admits = () => full.service.admitSession(full.parameters("ann#10", user));
  assert.deepEqual(admits(), {
    ok: false,
    status: 429,
    body: "too many sessions with this identity",
  });
  assert.equal(full.counters.get("session_cap_identity"), 1);
  full.clients[0]!.participant.close(1, "none");
  assert.equal(admits().ok, true);
});

Deno.test("forwarded participants are nobody's sessions", async () => {
  const full = new World();
  const ann = await full.joined("ann", { tokenId: "one" });
  full.rooms.create({ name: "stage" })
    .showForwarded(ann.participant, full.rooms.get("lobby")!);
  const copy = full.rooms.get("stage")!.byIdentity("ann")!;
  assert.ok(copy.init.kindDetails.includes(KindDetail.FORWARDED));
  const others = { room: "hall", identity: "bob" };
  assert.equal(full.rooms.census.hasMany("token", "one", 1, others), true);
  assert.equal(full.rooms.census.hasMany("token", "one", 2, others), false);
});

Deno.test("SignalSession and AgentWorkerSession let go of who leaves too much unread", async () => {
  const full = new World();
  const ann = await full.joined("ann");
  const ping = new SignalRequest({ message: { case: "ping", value: 1n } }).toBinary();
  ann.socket.bufferedAmount = 4 * 1024 * 1024 - 100;
  ann.socket.onMessage(ping);
  assert.equal(ann.closeCode, undefined);
  ann.socket.bufferedAmount = 4 * 1024 * 1024;
  ann.socket.onMessage(ping);
  assert.equal(ann.closeCode, 1008);
  const agents = new AgentWorld();
  const worker = await agents.worker();
  worker.socket.bufferedAmount = 4 * 1024 * 1024;
  agents.openRoom("den");
  assert.equal(worker.socket.closed?.code, 1008);
});
