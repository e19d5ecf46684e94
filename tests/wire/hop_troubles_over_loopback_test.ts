/**
 * What may happen to the ways between nodes while media crosses, over real sockets: addresses that
 * die, networks that lose, node links that end, strangers who flood. How long media stands still is
 * told by `hop_outages_test.ts` on virtual time; here it has to go on, and whole.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { createSocket } from "node:dgram";
import { HOP_HELLO, HOP_SEALED, writeWord } from "../../lib/engine/relay/hop_datagram.ts";
import { LossyProxy } from "../support/process/lossy_proxy.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import {
  behind,
  nodesTest,
  subscriber,
  untilFlowing,
} from "../support/wire/distant_subscribers.ts";
import { pause, until } from "../support/wire/until.ts";
import type { WireNode, WireNodes } from "../support/wire/wire_nodes.ts";
import { assertDense, type Publisher, sequenceNumbers } from "../support/wire/wire_publisher.ts";
import type { Peer } from "../support/wire/wire_room.ts";

/** Sends voice, `between` each packet; every one of them has to come, once and in order. */
async function assertWhole(
  from: Publisher,
  peer: Peer,
  packets: number,
  between: (i: number) => Promise<unknown>,
): Promise<void> {
  const start = peer.client.rtpOf(5100).length;
  for (let i = 0; i < packets; i++) {
    await from.client.sendRtp(from.audio.packet());
    await between(i);
  }
  const came = () => peer.client.rtpOf(5100).slice(start);
  await until("every packet of voice", () => came().length >= packets);
  const numbers = sequenceNumbers(came());
  assertDense(numbers.sort((a, b) => ((a - b) << 16) >> 16), "voice");
}

/** Whether every hop goes by UDP. */
async function areAllFree(nodes: WireNodes): Promise<boolean> {
  const stats = await Promise.all(nodes.all.map(({ room }) => room.stats()));
  return stats.every(({ relays }) => relays.every(({ blocked }) => !blocked));
}

{
  const ways = [new LossyProxy(2), new LossyProxy(3)] as const;
  nodesTest(
    "An address that dies under way gives way to another",
    [{ region: "eu" }, { region: "us" }],
    async (nodes, from) => {
      await using _first = ways[0];
      await using _second = ways[1];
      const peer = await subscriber(nodes.all[1]!);
      await untilFlowing(nodes, from, [peer]);
      for (const [dead, alive] of [[ways[0], ways[1]], [ways[1], ways[0]]] as const) {
        alive.loss = 0;
        dead.loss = 1;
        let relayed = 0;
        alive.onRelayed = () => relayed++;
        await untilFlowing(nodes, from, [peer]);
        // Until what was in use has been found to be blocked.
        for (let i = 0; i < 125; i++) {
          await from.client.sendRtp(from.audio.packet());
          await pause(20);
        }
        await until("UDP by the other address", async () => {
          await from.client.sendRtp(from.audio.packet());
          await pause(20);
          return await areAllFree(nodes) && relayed > 100;
        });
        await untilFlowing(nodes, from, [peer]);
      }
      assert.ok(ways.some(({ lost }) => lost > 0), "one of them was in use");
    },
    async (there) => ({
      addresses: (await Promise.all(ways.map((way) => behind(way)(there))))
        .flatMap(({ addresses }) => addresses),
    }),
  );
}

{
  const network = new LossyProxy(4);
  nodesTest(
    "Where a twentieth is lost everything comes, and no layer gives way",
    [{ region: "eu" }, { region: "us" }],
    async (nodes, from) => {
      await using _network = network;
      const peer = await subscriber(nodes.all[1]!);
      await untilFlowing(nodes, from, [peer]);
      network.loss = 0.05;
      await assertWhole(from, peer, 500, (i) => pause(i % 5 === 0 ? 10 : 0));
      assert.ok(network.lost > 10, `${network.lost} lost`);
      const stats = await Promise.all(nodes.all.map(({ room }) => room.stats()));
      assert.deepEqual(stats.flatMap(({ relays }) => relays.map(({ shed }) => shed)), [0, 0]);
    },
    behind(network),
  );
}

nodesTest(
  "A node link that ends for a while is nothing to media that crosses",
  [{ region: "eu" }, { region: "us" }, { region: "us" }],
  async (nodes, from) => {
    const [origin, head, last] = nodes.all as [WireNode, WireNode, WireNode];
    const first = await subscriber(head);
    await untilFlowing(nodes, from, [first]);
    const second = await subscriber(last);
    await untilFlowing(nodes, from, [first, second]);
    nodes.cut(origin, head);
    await assertWhole(from, first, 100, () => pause(5));
    nodes.mend(origin, head);
    await assertWhole(from, first, 50, () => pause(5));
    // Whom the head serves asks the origin as soon as it does not hear of the head.
    nodes.cut(head, last);
    await untilFlowing(nodes, from, [first, second]);
    nodes.mend(head, last);
    await untilFlowing(nodes, from, [first, second]);
    assert.equal(await areAllFree(nodes), true);
  },
);

{
  const network = new LossyProxy(5);
  nodesTest(
    "A flood of strangers at the port of hops is counted, and media crosses whole",
    [{ region: "eu" }, { region: "us" }],
    async (nodes, from) => {
      await using _network = network;
      const recorded: Uint8Array[] = [];
      network.onRelayed = (bytes) => recorded.length < 2_000 && void recorded.push(bytes.slice());
      const far = nodes.all[1]!;
      const peer = await subscriber(far);
      await untilFlowing(nodes, from, [peer]);
      await assertWhole(from, peer, 50, () => pause(2));
      const memory = async () => (await far.room.stats()).relays[0]!.memory;
      const before = await memory();
      const { hostname, port } = far.room.ready.relays[0]!.addresses[0]!;
      const stranger = createSocket("udp4");
      const random = new SeededRandom(6);
      await assertWhole(from, peer, 300, async (i) => {
        for (let n = 0; n < 24; n++) {
          stranger.send(hostile(24 * i + n, recorded, random), port, hostname);
        }
        await pause(1);
      });
      stranger.close();
      await far.room.recount();
      const drops = far.room.drops;
      for (
        const reason of [
          "hop_unknown",
          "hop_malformed",
          "hop_not_authentic",
          "hop_replayed",
        ] as const
      ) {
        assert.ok(drops.get(reason) > 100, `${reason}: ${drops.get(reason)}`);
      }
      assert.ok(await memory() <= 2 * before + 100_000, `${before} bytes became ${await memory()}`);
      assert.equal(await areAllFree(nodes), true);
      await untilFlowing(nodes, from, [peer]);
    },
    behind(network),
  );
}

/** Noise, what was recorded, and forgeries of the first hop between two nodes. */
function hostile(n: number, recorded: readonly Uint8Array[], random: SeededRandom): Buffer {
  const again = recorded[random.below(recorded.length)]!;
  switch (n % 4) {
    case 0: {
      const noise = random.bytes(16 + random.below(1_300));
      noise[0] = 80 + random.below(16);
      return Buffer.from(noise);
    }
    case 1:
      return Buffer.from(again);
    case 2: {
      const forged = random.bytes(64 + 4 * random.below(300));
      forged[0] = random.chance(0.8) ? HOP_SEALED : HOP_HELLO;
      writeWord(forged, 8, 1 << 16);
      return Buffer.from(forged);
    }
    default: {
      const changed = again.slice(0, random.chance(0.5) ? random.below(again.length) : undefined);
      if (changed.length > 20) changed[random.below(changed.length)]! ^= 1;
      return Buffer.from(changed);
    }
  }
}
