import assert from "node:assert/strict";
import {
  CreateIngressRequest,
  type IngressInfo,
  IngressInput,
  IngressState_Status as Status,
  UpdateIngressRequest,
} from "@livekit/protocol";
import { ingressExtras } from "../../lib/ingress/ingress_publishing.ts";
import { IngressService } from "../../lib/ingress/ingress_service.ts";
import { IngressStore } from "../../lib/ingress/ingress_store.ts";
import { WhipService } from "../../lib/signalling/whip_service.ts";
import { ADMIN_LIMITS, succeeded } from "../support/virtual/admin_world.ts";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";
import { WHIP_OFFER } from "../support/virtual/whip_world.ts";

/** The ingresses of two nodes, and encoders that come to either. */
function nodes() {
  const cluster = new ClusterWorld(["a", "b"]);
  const told: string[] = [];
  const on = (name: string) => {
    const { world, directory, admin, id } = cluster.node(name);
    const service = new IngressService({
      platform: world.platform,
      nodeId: id,
      store: new IngressStore(directory.shelf),
      limits: { ...ADMIN_LIMITS, maxParticipantIdentityLength: 256 },
      hasRtmp: false,
      urlOf: () => "",
      admin: () => admin,
      isAlive: async (node) => (await directory.nodes()).some(({ nodeId }) => nodeId === node),
      tell: (event, { state }) => told.push(`${name} ${event} ${Status[state!.status]}`),
    });
    const whip = new WhipService(world.rooms, world.service);
    const publish = async (key: string) => {
      const info = await service.opened(key, IngressInput.WHIP_INPUT);
      if ("status" in info) return info.status;
      const asked = world.parameters("cam", { singlePeerConnection: true });
      const extras = ingressExtras(service, info);
      const answer = await cluster.during(whip.create(asked, WHIP_OFFER, new Map(), extras));
      await cluster.pass(500);
      return answer.ok ? 201 : answer.status;
    };
    const participant = () => world.rooms.get("lobby")?.session("cam");
    return { service, publish, participant, directory };
  };
  return { cluster, told, a: on("a"), b: on("b") };
}

async function made(service: IngressService): Promise<IngressInfo> {
  const request = new CreateIngressRequest({
    inputType: IngressInput.WHIP_INPUT,
    roomName: "lobby",
    participantIdentity: "cam",
  });
  return succeeded(await service.create(request, "http://a"));
}

async function stateAt(service: IngressService, ingressId: string) {
  const [info] = succeeded(await service.list({ ingressId, roomName: "" }, "http://a"));
  return info?.state;
}

Deno.test("a stream key opens its ingress at every node, one publisher at a time", async () => {
  const { a, b } = nodes();
  const { ingressId, streamKey } = await made(a.service);
  assert.equal(await b.publish(streamKey), 201);
  const first = b.participant()!;
  for (const { service } of [a, b]) {
    const state = await stateAt(service, ingressId);
    assert.deepEqual([state?.status, state?.resourceId], [Status.ENDPOINT_BUFFERING, first.sid]);
  }
  assert.equal(await a.publish(streamKey), 201);
  assert.equal(first.closed, true);
  const second = a.participant()!;
  for (const { service } of [a, b]) {
    const state = await stateAt(service, ingressId);
    assert.deepEqual([state?.status, state?.resourceId], [Status.ENDPOINT_BUFFERING, second.sid]);
  }
});

Deno.test("who publishes at another node ends with the ingress", async () => {
  const { a, b, cluster } = nodes();
  const { ingressId, streamKey } = await made(a.service);
  await b.publish(streamKey);
  const publisher = b.participant()!;
  succeeded(await cluster.during(a.service.remove({ ingressId }, "http://a")));
  await cluster.pass(500);
  assert.equal(publisher.closed, true);
  assert.equal(await b.publish(streamKey), 404);
  assert.equal(await a.publish(streamKey), 404);
});

Deno.test("who died with its node publishes no more, and without a directory nobody begins", async () => {
  const { a, b, cluster } = nodes();
  const { ingressId, streamKey } = await made(a.service);
  await b.publish(streamKey);
  a.directory.reach = "away";
  assert.equal(await a.publish(streamKey), 503);
  const failure = await a.service.list({ ingressId, roomName: "" }, "http://a");
  assert.equal("code" in failure && failure.code, "unavailable");
  a.directory.reach = "here";
  cluster.kill("b");
  await cluster.pass(20_000, 500);
  const state = await stateAt(a.service, ingressId);
  assert.deepEqual([state?.status, state?.tracks], [Status.ENDPOINT_INACTIVE, []]);
});

Deno.test("who publishes at another node ends although its ingress has another room by now", async () => {
  const { a, b, cluster } = nodes();
  const { ingressId, streamKey } = await made(a.service);
  await b.publish(streamKey);
  const publisher = b.participant()!;
  const renamed = new UpdateIngressRequest({
    ingressId,
    roomName: "stage",
    participantIdentity: "camera",
  });
  succeeded(await cluster.during(a.service.update(renamed, "http://a")));
  succeeded(
    await cluster.during(
      a.service.update(new UpdateIngressRequest({ ingressId, enabled: false }), "http://a"),
    ),
  );
  await cluster.pass(500);
  assert.equal(publisher.closed, true);
});
