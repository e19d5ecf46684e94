import assert from "node:assert/strict";
import { DisconnectReason, VideoQuality } from "@livekit/protocol";
import { WhepService } from "../../lib/signalling/whep_service.ts";
import { ClusterWorld } from "../support/virtual/cluster_world.ts";
import { WHEP_OFFER } from "../support/virtual/whip_world.ts";

Deno.test("a WHEP viewer sees who publishes at another node, and the next at its own", async () => {
  const cluster = new ClusterWorld(["a", "b"]);
  const { world } = cluster.node("b");
  const ann = await cluster.join("a", "ann");
  await ann.publishCamera();
  const whep = new WhepService(world.rooms, world.service);
  const choice = { tracks: [], prefersScreen: false, quality: VideoQuality.HIGH };
  const asked = world.parameters("eye", { singlePeerConnection: true });
  const answer = await cluster.during(whep.create(asked, WHEP_OFFER, choice));
  assert.ok(answer.ok);
  const viewer = world.rooms.get("lobby")!.session("eye")!;
  const shown = () =>
    world.engine.forwarding().filter(({ connection }) => connection === viewer.subscriber.id)
      .map(({ section, upTrack }) => [section.mid, upTrack]);
  await cluster.pass(500);
  assert.deepEqual(shown(), [["2", ann.upTrack("1")]]);
  const bob = await cluster.join("b", "bob");
  await bob.publishCamera();
  await cluster.pass(500);
  assert.deepEqual(shown(), [["2", ann.upTrack("1")]]);
  ann.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await cluster.pass(500);
  assert.deepEqual(shown(), [["2", bob.upTrack("1")]]);
});
