import assert from "node:assert/strict";
import {
  DisconnectReason,
  IngressAudioOptions,
  IngressInput,
  IngressState,
  IngressState_Status as Status,
  IngressVideoOptions,
  ParticipantInfo_Kind,
  TrackSource,
  UpdateIngressRequest,
} from "@livekit/protocol";
import type { NodeId } from "../../lib/base/ids.ts";
import type { CarriedRequest } from "../../lib/cluster/carry/carried_message.ts";
import { MemoryShelf } from "../../lib/ingress/text_shelf.ts";
import type { IngressRouteOptions } from "../../routes/ingress.ts";
import { tokenWith } from "../support/virtual/admin_world.ts";
import { IngressWorld } from "../support/virtual/ingress_world.ts";

Deno.test("an ingress is made, listed, changed and removed by those with the grant alone", async () => {
  const world = new IngressWorld();
  for (const method of ["CreateIngress", "UpdateIngress", "ListIngress", "DeleteIngress"]) {
    assert.equal((await world.call(method, {}, tokenWith({ roomCreate: true }))).status, 401);
  }
  const made = await world.create();
  assert.match(made.ingressId, /^IN_/);
  assert.ok(made.streamKey.length >= 24);
  assert.equal(made.url, "http://sfu.example/w");
  assert.equal(made.reusable, true);
  assert.equal(made.state?.status, Status.ENDPOINT_INACTIVE);
  const other = await world.create({ roomName: "stage" });
  assert.notEqual(other.streamKey, made.streamKey);
  const listed = async (request: object) => {
    const { json } = await world.call("ListIngress", request);
    return (json.items as { ingress_id?: string; ingressId?: string }[])
      .map(({ ingressId, ingress_id }) => ingressId ?? ingress_id).sort();
  };
  assert.deepEqual(await listed({}), [made.ingressId, other.ingressId].sort());
  assert.deepEqual(await listed({ roomName: "stage" }), [other.ingressId]);
  assert.deepEqual(await listed({ ingressId: made.ingressId, roomName: "stage" }), []);
  await world.call("UpdateIngress", { ingressId: made.ingressId, name: "hall", roomName: "hall" });
  const changed = await world.get(made.ingressId);
  assert.deepEqual(
    [changed.name, changed.roomName, changed.participantIdentity, changed.streamKey],
    ["hall", "hall", "cam", made.streamKey],
  );
  assert.equal((await world.call("DeleteIngress", { ingressId: made.ingressId })).status, 200);
  assert.deepEqual(await listed({}), [other.ingressId]);
  for (const method of ["UpdateIngress", "DeleteIngress"]) {
    const { status, json } = await world.call(method, { ingressId: made.ingressId });
    assert.deepEqual([status, json.msg], [404, "twirp error unknown: ingress does not exist"]);
  }
});

Deno.test("what cannot be had of an ingress is refused in words", async () => {
  const world = new IngressWorld({ hasRtmp: false });
  const cases: [object, number, RegExp][] = [
    [{ inputType: "URL_INPUT", url: "https://x" }, 501, /URL/],
    [{ inputType: "RTMP_INPUT" }, 412, /rtmp_port/],
    [{ inputType: "WHIP_INPUT", enableTranscoding: true }, 400, /transcoded/],
    [{ inputType: "WHIP_INPUT", url: "https://x" }, 400, /url/],
    [{ inputType: "WHIP_INPUT", video: { source: "MICROPHONE" } }, 400, /source/],
    [{ inputType: "WHIP_INPUT", audio: { preset: "OPUS_MONO_64KBS" } }, 400, /transcoded/],
    [{ inputType: "WHIP_INPUT", name: "x".repeat(257) }, 400, /name/],
    [{ inputType: "WHIP_INPUT", roomName: "x".repeat(257) }, 400, /room name/],
    [{ inputType: "WHIP_INPUT", participantIdentity: "x".repeat(257) }, 400, /identity/],
    [{ inputType: "WHIP_INPUT", participantMetadata: "x".repeat(600_000) }, 400, /metadata/],
  ];
  for (const [request, status, words] of cases) {
    const answer = await world.call("CreateIngress", request);
    assert.equal(answer.status, status, JSON.stringify(answer.json));
    assert.match(answer.json.msg, words);
  }
  assert.deepEqual((await world.call("ListIngress", {})).json.items, []);
});

Deno.test("a stream key publishes as the ingress says, and its state is followed", async () => {
  const world = new IngressWorld();
  const { ingressId, streamKey } = await world.create({
    video: new IngressVideoOptions({ name: "slides", source: TrackSource.SCREEN_SHARE }),
    audio: new IngressAudioOptions({ name: "sound" }),
  });
  const reply = await world.post(streamKey);
  assert.equal(reply.status, 201, reply.body);
  assert.match(reply.location, /^\/w\/-\/PA_/);
  const { name, metadata, kind, tracks } = world.participant()!.info();
  assert.deepEqual([name, metadata, kind], ["Camera", "m", ParticipantInfo_Kind.INGRESS]);
  assert.deepEqual(tracks.map(({ name, source }) => [name, source]), [
    ["sound", TrackSource.MICROPHONE],
    ["slides", TrackSource.SCREEN_SHARE],
  ]);
  const before = (await world.get(ingressId)).state!;
  assert.equal(before.status, Status.ENDPOINT_BUFFERING);
  assert.deepEqual(world.told, []);
  await world.connect();
  const state = (await world.get(ingressId)).state!;
  assert.equal(state.status, Status.ENDPOINT_PUBLISHING);
  assert.equal(state.resourceId, world.participant()!.sid);
  assert.equal(state.roomId, world.world.rooms.get("lobby")!.sid);
  assert.equal(state.tracks.length, 2);
  assert.ok(state.startedAt > 1_000_000_000n && state.endedAt === 0n);
  assert.deepEqual(world.told, [`ingress_started ${ingressId} ENDPOINT_PUBLISHING`]);
  const gone = await world.request("DELETE", reply.location, {
    Authorization: `Bearer ${streamKey}`,
  });
  assert.equal(gone.status, 200);
  await world.world.settle();
  assert.equal(world.participant(), undefined);
  const after = (await world.get(ingressId)).state!;
  assert.deepEqual([after.status, after.error], [Status.ENDPOINT_INACTIVE, ""]);
  assert.ok(after.endedAt > 0n);
  assert.equal(world.told.at(-1), `ingress_ended ${ingressId} ENDPOINT_INACTIVE`);
  assert.equal((await world.post(streamKey)).status, 201, "a key is good again and again");
});

Deno.test("a stream key may be in the address, and nothing else opens an ingress", async () => {
  const world = new IngressWorld();
  const { ingressId, streamKey } = await world.create();
  const reply = await world.post("", `/w/${streamKey}`);
  assert.equal(reply.status, 201);
  assert.match(reply.location, new RegExp(`^/w/${streamKey}/PA_`));
  assert.equal((await world.request("DELETE", reply.location.replace(streamKey, "x"))).status, 404);
  assert.ok(world.participant());
  assert.equal((await world.request("DELETE", reply.location)).status, 200);
  for (const key of ["", "x", ingressId, "__proto__", "x".repeat(5_000)]) {
    assert.equal((await world.post(key)).status, 404, key);
  }
  assert.equal((await world.post("", "/w/%")).status, 404);
  const rtmp = await world.create({ inputType: IngressInput.RTMP_INPUT });
  const wrong = await world.post(rtmp.streamKey);
  assert.deepEqual([wrong.status, /RTMP_INPUT/.test(wrong.body)], [400, true]);
  const empty = await world.create({ roomName: "", participantIdentity: "" });
  assert.match((await world.post(empty.streamKey)).body, /room name/);
  const off = await world.create({ enabled: false });
  assert.equal((await world.post(off.streamKey)).status, 403);
});

Deno.test("one publishes by an ingress at a time: the last to come", async () => {
  const world = new IngressWorld();
  const { ingressId, streamKey } = await world.create();
  await world.post(streamKey);
  await world.connect();
  const first = world.participant()!;
  await world.post(streamKey);
  assert.equal(first.closed, true);
  assert.equal(first.info().disconnectReason, DisconnectReason.DUPLICATE_IDENTITY);
  await world.connect();
  const { state } = await world.get(ingressId);
  assert.equal(state!.status, Status.ENDPOINT_PUBLISHING);
  assert.equal(state!.resourceId, world.participant()!.sid);
  assert.deepEqual(world.told.map((line) => line.split(" ")[0]), [
    "ingress_started",
    "ingress_ended",
    "ingress_started",
  ]);
});

Deno.test("who publishes by an ingress ends with it, and with its being enabled", async () => {
  for (const how of ["DeleteIngress", "UpdateIngress"]) {
    const world = new IngressWorld();
    const { ingressId, streamKey } = await world.create();
    await world.post(streamKey);
    await world.connect();
    const participant = world.participant()!;
    await world.call(how, { ingressId, enabled: false });
    await world.world.settle();
    assert.equal(participant.closed, true, how);
    assert.equal(world.told.at(-1), `ingress_ended ${ingressId} ENDPOINT_INACTIVE`);
    assert.ok((await world.post(streamKey)).status >= 403, how);
    if (how === "DeleteIngress") continue;
    await world.call("UpdateIngress", { ingressId, enabled: true });
    assert.equal((await world.post(streamKey)).status, 201);
  }
});

Deno.test("an ingress into which nothing comes ends with an error", async () => {
  const world = new IngressWorld();
  const { ingressId, streamKey } = await world.create();
  await world.post(streamKey);
  await world.world.pass(61_000, 1_000);
  const { state } = await world.get(ingressId);
  assert.deepEqual([state!.status, state!.error], [Status.ENDPOINT_ERROR, "nothing came in time"]);
  assert.deepEqual(world.told, [`ingress_ended ${ingressId} ENDPOINT_ERROR`]);
});

Deno.test("the state of an ingress is that of the last resource, and of a node that lives", async () => {
  const world = new IngressWorld();
  const info = await world.create();
  const { ingressId } = info;
  const there = "ND_there" as NodeId;
  const state = (resourceId: string, status: Status) => new IngressState({ resourceId, status });
  await world.store.setState(info, there, state("PA_1", Status.ENDPOINT_PUBLISHING), true);
  world.alive.add(there);
  assert.equal((await world.get(ingressId)).state!.status, Status.ENDPOINT_PUBLISHING);
  await world.store.setState(info, there, state("PA_2", Status.ENDPOINT_PUBLISHING), true);
  await world.store.setState(info, there, state("PA_1", Status.ENDPOINT_INACTIVE), false);
  assert.equal((await world.get(ingressId)).state!.resourceId, "PA_2");
  world.alive.delete(there);
  assert.equal((await world.get(ingressId)).state!.status, Status.ENDPOINT_INACTIVE);
});

Deno.test("there are so many ingresses and no more", async () => {
  const shelf = new MemoryShelf();
  for (let at = 0; at < 10_000; at++) shelf.fill("ingress", `IN_${at}`, "{}");
  const world = new IngressWorld({ shelf });
  const { status, json } = await world.call("CreateIngress", { inputType: "WHIP_INPUT" });
  assert.deepEqual([status, json.code], [429, "resource_exhausted"]);
});

/** Something else happens behind what is read next. */
class BusyShelf extends MemoryShelf {
  meanwhile: (() => Promise<unknown>) | undefined;
  override async get(...asked: Parameters<MemoryShelf["get"]>): Promise<string | undefined> {
    const text = await super.get(...asked);
    const { meanwhile } = this;
    this.meanwhile = undefined;
    await meanwhile?.();
    return text;
  }
}

Deno.test("an ingress that is removed while it is updated stays removed, and its key with it", async () => {
  const shelf = new BusyShelf();
  const world = new IngressWorld({ shelf });
  const { ingressId, streamKey } = await world.create();
  shelf.meanwhile = () => world.service.remove({ ingressId }, "http://a");
  const update = new UpdateIngressRequest({ ingressId, name: "other" });
  const outcome = await world.service.update(update, "http://a");
  assert.equal("code" in outcome && outcome.code, "not_found");
  assert.deepEqual(await world.store.all(), []);
  assert.equal((await world.post(streamKey)).status, 404);
});

/** A shelf that says how often it was asked for a text. */
class CountingShelf extends MemoryShelf {
  asked = 0;

  override get(...args: Parameters<MemoryShelf["get"]>): ReturnType<MemoryShelf["get"]> {
    this.asked++;
    return super.get(...args);
  }
}

Deno.test("a stream key that opens nothing is not looked for each time it comes, and the others are", async () => {
  const shelf = new CountingShelf();
  const world = new IngressWorld({ shelf });
  const { streamKey } = await world.create();
  shelf.asked = 0;
  for (let i = 0; i < 50; i++) assert.equal((await world.post("no such key")).status, 404);
  assert.equal(shelf.asked, 1);
  assert.equal((await world.post(streamKey)).status, 201);
  shelf.asked = 0;
  world.world.platform.advance(2_000);
  assert.equal((await world.post("no such key")).status, 404);
  assert.equal(shelf.asked, 1, "it may be there by now");
  for (let i = 0; i < 3_000; i++) {
    const opened = await world.service.opened(`key ${i}`, IngressInput.WHIP_INPUT);
    assert.ok("status" in opened);
  }
  shelf.asked = 0;
  await world.service.opened("key 2999", IngressInput.WHIP_INPUT);
  assert.equal(shelf.asked, 1, "so many are remembered and no more");
});

Deno.test("that a key was used in vain is told now and then, however often it is", async () => {
  const world = new IngressWorld();
  const [info, other] = [await world.create(), await world.create({ name: "other" })];
  for (let i = 0; i < 200; i++) {
    world.service.refused(info, "H.265 is nothing that viewers take");
    world.world.platform.advance(100);
  }
  const refused = `ingress_ended ${info.ingressId} ENDPOINT_ERROR`;
  assert.deepEqual(world.told, [refused, refused]);
  world.service.refused(other, "the same");
  assert.equal(world.told.at(-1), `ingress_ended ${other.ingressId} ENDPOINT_ERROR`);
  const { state } = await world.get(info.ingressId);
  assert.equal(state?.error, "H.265 is nothing that viewers take");
});

Deno.test("a publishing is ended by its address although its ingress leads elsewhere by now", async () => {
  const world = new IngressWorld();
  const { ingressId, streamKey } = await world.create();
  const other = await world.create({ participantIdentity: "other" });
  const { location } = await world.post("", `/w/${streamKey}`);
  await world.connect();
  const participant = world.participant()!;
  const elsewhere = { ingressId, roomName: "stage", participantIdentity: "camera" };
  assert.equal((await world.call("UpdateIngress", elsewhere)).status, 200);
  const notItsKey = location.replace(streamKey, other.streamKey);
  assert.equal((await world.request("DELETE", notItsKey)).status, 404);
  assert.equal(participant.closed, false, "another ingress's key ends nobody");
  const etag = { "If-Match": "*", "Content-Type": "application/trickle-ice-sdpfrag" };
  assert.equal((await world.request("PATCH", location, etag, "")).status, 400);
  assert.equal((await world.request("DELETE", location)).status, 200);
  assert.equal(participant.closed, true);
  assert.equal((await world.request("DELETE", location)).status, 404);
});

Deno.test("a publishing at another node is ended by its address, wherever its ingress leads by now", async () => {
  const shelf = new MemoryShelf();
  const worlds = new Map<string, IngressWorld>();
  const nodes = {
    to: async (node: NodeId, { method, target, headers }: CarriedRequest) => {
      const { status, body } = await worlds.get(node)!.request(
        method,
        target,
        Object.fromEntries(headers),
      );
      const bytes = new TextEncoder().encode(body);
      return { kind: "answered" as const, response: { status, headers: [], body: bytes } };
    },
  };
  for (const nodeId of ["ND_a", "ND_b"] as NodeId[]) {
    const carrying = { nodeId, nodes } as unknown as IngressRouteOptions["carrying"];
    worlds.set(nodeId, new IngressWorld({ shelf, carrying }));
  }
  const [here, there] = [worlds.get("ND_a")!, worlds.get("ND_b")!];
  const { ingressId, streamKey } = await here.create();
  const bearer = { Authorization: `Bearer ${streamKey}` };
  for (const [path, headers] of [["/w", bearer], [`/w/${streamKey}`, {}]] as const) {
    const { location } = await there.post(streamKey, path);
    await there.connect();
    const participant = there.participant()!;
    assert.match(location, /\.ND_b$/);
    const elsewhere = { ingressId, roomName: "stage", participantIdentity: "camera" };
    assert.equal((await here.call("UpdateIngress", elsewhere)).status, 200);
    assert.equal((await here.request("DELETE", location, headers)).status, 200);
    assert.equal(participant.closed, true);
    assert.equal((await here.request("DELETE", location, headers)).status, 404);
    const back = { ingressId, roomName: "lobby", participantIdentity: "cam" };
    assert.equal((await here.call("UpdateIngress", back)).status, 200);
  }
});

Deno.test("an ingress that is changed keeps what a newer node has written of it", async () => {
  const shelf = new MemoryShelf();
  const world = new IngressWorld({ shelf });
  const { ingressId } = await world.create();
  const newer = { ...JSON.parse((await shelf.get("ingress", ingressId))!), tier: { gold: true } };
  await shelf.put("ingress", ingressId, JSON.stringify(newer));
  assert.equal((await world.call("UpdateIngress", { ingressId, name: "other" })).status, 200);
  const kept = JSON.parse((await shelf.get("ingress", ingressId))!);
  assert.deepEqual(kept, { ...newer, name: "other" });
  assert.equal((await world.get(ingressId)).name, "other");
});
