/** What publishers put behind their frames, and who gets it. */
import assert from "node:assert/strict";
import {
  ClientInfo,
  ClientInfo_Capability,
  PacketTrailerFeature,
  SessionDescription,
  TrackSource,
} from "@livekit/protocol";
import { type ScriptedClient, World } from "../support/virtual/scripted_client.ts";
import { singleOffer } from "../support/virtual/single_offer.ts";

const READER = new ClientInfo({
  protocol: 16,
  capabilities: [ClientInfo_Capability.CAP_PACKET_TRAILER],
});
const OTHER = new ClientInfo({ protocol: 16 });
const TIMES = [PacketTrailerFeature.PTF_USER_TIMESTAMP];

/** Offers room for some tracks on a single connection. */
async function offerRoom(client: ScriptedClient, id: number): Promise<void> {
  const sections = (["audio", "video", "video"] as const).map((kind, i) => {
    return { mid: `${i + 1}`, kind, direction: "recvonly" } as const;
  });
  const sdp = singleOffer(sections, "clientUfrag");
  const value = new SessionDescription({ type: "offer", sdp, id });
  await client.request({ case: "offer", value });
}

/** A client that is ACTIVE on a single connection. */
async function joinedSingle(
  world: World,
  identity: string,
  clientInfo: ClientInfo,
): Promise<ScriptedClient> {
  const client = await world.open(identity, { singlePeerConnection: true, clientInfo });
  await offerRoom(client, 1);
  const connection = client.participant.publisher.id;
  world.engine.emit({ type: "connection_connected", connection, protocol: "udp" });
  world.engine.emit({ type: "data_channel_open", connection, label: "_reliable" });
  await world.settle();
  return client;
}

for (const mode of ["one connection", "two connections"]) {
  Deno.test(`What a publisher puts behind frames is left out for who cannot read it alone (${mode})`, async () => {
    const world = new World();
    const alice = await world.joined("alice");
    const join = (identity: string, clientInfo: ClientInfo) =>
      mode === "one connection"
        ? joinedSingle(world, identity, clientInfo)
        : world.joined(identity, { clientInfo });
    const bob = await join("bob", OTHER);
    const carol = await join("carol", READER);
    await alice.publishMicrophone();
    const [cam, tab] = [TrackSource.CAMERA, TrackSource.SCREEN_SHARE];
    await alice.announce({ cid: "cam", type: 1, source: cam, packetTrailerFeatures: TIMES });
    await alice.announce({ cid: "tab", type: 1, source: tab });
    await alice.offer([
      { mid: "1", kind: "audio", cid: "mic" },
      { mid: "2", kind: "video", cid: "cam" },
      { mid: "3", kind: "video", cid: "tab" },
    ]);
    await world.pass(400);
    for (const client of [bob, carol]) if (mode === "one connection") await offerRoom(client, 2);
    await world.pass(400);
    const stripped = (client: ScriptedClient) =>
      client.forwarded().map(({ section: { kind, stripsTrailer } }) => {
        return `${kind} ${stripsTrailer === true}`;
      });
    assert.deepEqual(stripped(bob), ["audio false", "video true", "video false"]);
    assert.deepEqual(stripped(carol), ["audio false", "video false", "video false"]);
  });
}
