/**
 * What several nodes say of one room, to clients, to the server API and by webhooks: the same, and
 * each thing once.
 */
import assert from "node:assert/strict";
import { DisconnectReason } from "@livekit/protocol";
import { RoomServiceClient } from "livekit-server-sdk";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { RoomwireCluster } from "../support/process/roomwire_cluster.ts";
import { TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { joinUrl } from "../support/process/join_url.ts";
import { SignalClient } from "../support/wire/signal_client.ts";
import { until } from "../support/wire/until.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

let running: Promise<RoomwireCluster> | undefined;
Deno.test.afterAll(async () => {
  await (await running?.catch(() => undefined))?.[Symbol.asyncDispose]();
});

/** One room, and clients that end with their test. */
class Scene {
  constructor(
    readonly room: string,
    readonly cluster: RoomwireCluster,
    readonly clients: AsyncDisposableStack,
  ) {}

  async join(node: number, identity: string): Promise<WireParticipant> {
    const token = await mintToken({ room: this.room, identity });
    const client = await WireParticipant.open(this.cluster.nodes[node]!.url, token);
    return await this.clients.use(client).connected();
  }

  /** A client without media. */
  async openSignal(node: number, identity: string): Promise<SignalClient> {
    const token = await mintToken({ room: this.room, identity });
    const signal = await SignalClient.open(joinUrl(this.cluster.nodes[node]!.url, token));
    this.clients.defer(() => signal.close());
    return signal;
  }

  api(node: number): RoomServiceClient {
    return new RoomServiceClient(this.cluster.nodes[node]!.httpUrl, TEST_KEY, TEST_SECRET);
  }

  /** Who is in the room, as each node says. */
  listed(): Promise<string[][]> {
    return Promise.all(this.cluster.nodes.map(async (_, node) => {
      const participants = await this.api(node).listParticipants(this.room);
      return participants.map(({ identity }) => identity).sort();
    }));
  }

  /** Webhooks of this room so far, as names and of whom or what they are, in no order. */
  told(): string[] {
    return this.cluster.webhooks.events.filter(({ room }) => room?.name === this.room)
      .map(({ event, participant, track }) =>
        [event, participant?.identity, track?.sid].filter(Boolean).join(" ")
      ).sort();
  }
}

function clusterTest(name: string, room: string, body: (scene: Scene) => Promise<void>): void {
  endToEndTest(name, ["redis"], async () => {
    running ??= RoomwireCluster.start({ regions: ["east", "east", "west"] });
    await using clients = new AsyncDisposableStack();
    await body(new Scene(room, await running, clients));
  });
}

clusterTest(
  "each webhook comes once over all nodes, and a list right after it is right",
  "webhooks",
  async (scene) => {
    const { webhooks } = scene.cluster;
    // Asked while whoever waits for the answer to the webhook has not got it yet.
    const listedAt = new Map<string, string[][]>();
    webhooks.behave = async ({ event, participant, room }) => {
      if (room?.name === scene.room && participant !== undefined && !event.startsWith("track")) {
        listedAt.set(`${event} ${participant.identity}`, await scene.listed());
      }
      return 200;
    };
    const everywhere = (...names: string[]) => scene.cluster.nodes.map(() => names);
    const ann = await scene.join(0, "ann");
    await webhooks.event("participant_joined", (e) => e.participant?.identity === "ann");
    assert.deepEqual(listedAt.get("participant_joined ann"), everywhere("ann"));
    const bob = await scene.join(1, "bob");
    await webhooks.event("participant_joined", (e) => e.participant?.identity === "bob");
    assert.deepEqual(listedAt.get("participant_joined bob"), everywhere("ann", "bob"));
    await scene.join(2, "cid");
    await webhooks.event("participant_joined", (e) => e.participant?.identity === "cid");
    assert.deepEqual(listedAt.get("participant_joined cid"), everywhere("ann", "bob", "cid"));
    const { sid, cid } = await bob.publish("audio");
    await ann.track(sid);
    await bob.unpublish(cid);
    await webhooks.event("track_unpublished", ({ track }) => track?.sid === sid);
    await bob.leave();
    await webhooks.event("participant_left", (e) => e.participant?.identity === "bob");
    assert.deepEqual(listedAt.get("participant_left bob"), everywhere("ann", "cid"));
    await scene.api(1).deleteRoom(scene.room);
    await webhooks.event("room_finished", ({ room }) => room?.name === scene.room);
    const expected = [
      ...["ann", "bob", "cid"].flatMap((name) => [
        `participant_joined ${name}`,
        `participant_left ${name}`,
      ]),
      "room_finished",
      "room_started",
      `track_published bob ${sid}`,
      `track_unpublished bob ${sid}`,
    ].sort();
    await until("all of them", () => scene.told().length >= expected.length, () => scene.told());
    // What comes twice comes within a moment.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    assert.deepEqual(scene.told(), expected);
    assert.deepEqual(webhooks.failures, []);
    assert.deepEqual(await scene.listed(), everywhere());
  },
);

clusterTest(
  "who joins again at another node replaces the first at once, for everybody",
  "doubles",
  async (scene) => {
    const watcher = await scene.join(2, "watcher");
    const first = await scene.join(0, "ann");
    const { sid } = await first.publish("audio");
    await watcher.track(sid);
    const second = await scene.join(1, "ann");
    const { reason } = await first.signal.message("leave");
    assert.equal(reason, DisconnectReason.DUPLICATE_IDENTITY);
    await first.signal.ended();
    const again = await second.publish("audio");
    assert.equal((await watcher.track(again.sid)).publisherSid, second.sid);
    await watcher.remote("ann", (info) => info.sid === second.sid);
    assert.ok(!watcher.tracks.has(sid));
    for (const node of [0, 1, 2]) {
      const listed = await scene.api(node).listParticipants(scene.room);
      const sids = listed.filter(({ identity }) => identity === "ann").map(({ sid }) => sid);
      assert.deepEqual(sids, [second.sid], `as node ${node} says`);
    }
  },
);

clusterTest(
  "two who join under one identity at the same time: one stays, and it is one for all",
  "races",
  async (scene) => {
    const watcher = await scene.join(2, "watcher");
    const both = await Promise.all([0, 1].map((node) => scene.openSignal(node, "ann")));
    await until("one of them to be ended", () => both.some(({ closed }) => closed));
    // (The other one may be told to leave before it was told that it has joined.)
    const stays = both.find(({ closed }) => closed === undefined);
    assert.ok(stays, "one is left");
    const { participant } = await stays.message("join");
    await watcher.remote("ann", ({ sid }) => sid === participant!.sid);
    assert.deepEqual(await scene.listed(), [0, 1, 2].map(() => ["ann", "watcher"]));
  },
);
