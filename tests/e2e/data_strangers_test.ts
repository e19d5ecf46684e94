/**
 * Data between stacks that have nothing in common: pion, libdatachannel, aiortc, both browsers'
 * own and LiveKit's native SDK, all in one room, whoever joined first, with one connection each or
 * two.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DataPacket_Kind } from "@livekit/protocol";
import { RoomServiceClient } from "livekit-server-sdk";
import { endToEndTest, mustIgnore } from "../support/process/e2e_requirements.ts";
import { LossyProxy } from "../support/process/lossy_proxy.ts";
import type { DataPeer, StackName } from "../support/peers/data_peer.ts";
import {
  bothWaysAtOnce,
  everySize,
  everySizeOnOwnChannels,
  hasOwnChannels,
  largestThereAre,
  manyInOrder,
  meeting,
  opensAndCloses,
  underLoss,
} from "../support/peers/data_scenarios.ts";
import { STACK_NEEDS } from "../support/peers/data_stacks.ts";
import { TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";

const fixture = CallFixture.forThisFile();

const STACKS = (Object.keys(STACK_NEEDS) as StackName[])
  .filter((stack) => !mustIgnore(STACK_NEEDS[stack]));

/** Part of all datagrams. */
const LOSS = 0.05;
const SEED = 9;

for (const mode of CONNECTION_MODES) {
  // Whoever is first with one connection is last with two.
  const order = mode === "dual" ? STACKS : STACKS.toReversed();

  endToEndTest(
    `data between strangers (${mode})`,
    [],
    (t) =>
      fixture.call("strangers", async (call) => {
        const peers: DataPeer[] = [];
        for (const stack of order) peers.push(await call.joinData(stack, `${stack}-peer`));
        await meeting(peers);
        await t.step("messages of every size", () => everySize(peers));
        await t.step(
          "bytes of every size on a channel of one's own",
          () => everySizeOnOwnChannels(peers, { text: false }),
        );
        await t.step(
          "text of every size on a channel of one's own",
          () => everySizeOnOwnChannels(peers, { text: true }),
        );
        const { url } = call.server;
        const rooms = new RoomServiceClient(url.replace(/^ws/, "http"), TEST_KEY, TEST_SECRET);
        await t.step(
          "the largest messages, to whoever takes them",
          () =>
            largestThereAre(
              peers,
              (payload) => rooms.sendData(call.room, payload, DataPacket_Kind.RELIABLE, {}),
            ),
        );
        await t.step("2,000 messages in order", () => manyInOrder(peers, 2_000));
        await t.step(
          "100 messages of 60 kB both ways at once",
          () => bothWaysAtOnce(peers, { count: 100, size: 60_000 }),
        );
        await t.step("40 channels opened and closed, and ids used again", async () => {
          const reuse = await opensAndCloses(peers, 40);
          // pion goes on to the next one each time.
          const others = reuse.filter(({ stack }) => stack !== "pion");
          assert.ok(others.every(({ again }) => again > 0), Deno.inspect(reuse));
        });
      }, mode),
  );

  endToEndTest(
    `data of every reliability under loss (${mode})`,
    [],
    () =>
      fixture.call("lossy-strangers", async (call) => {
        await using proxy = new LossyProxy(SEED);
        const reach = (hostname: string, port: number) => proxy.portFor(hostname, port);
        const peers = [];
        for (const stack of order.filter((stack) => stack !== "rtc-node")) {
          const peer = await call.joinData(stack, `${stack}-peer`, { reach });
          if (hasOwnChannels(peer)) peers.push(peer);
        }
        const deliveries = await underLoss(peers, (part) => proxy.loss = part, LOSS);
        const missing = deliveries.filter(({ arrived, of }) => arrived < of);
        assert.ok(proxy.lost > 0 && missing.length > 0, "nothing was lost");
      }, mode),
  );
}
