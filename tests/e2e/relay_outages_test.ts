/**
 * Two whole nodes whose network blocks UDP, blocks what links go by, loses, is cut, and gives one
 * of them another address, while two talk across: nobody leaves, and what does not come is bounded
 * by what `docs/cluster.md` says, told in packets, of which one leaves each 20 ms.
 */
import assert from "node:assert/strict";
import type { Wire } from "../support/process/frame_switch.ts";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { RoomwireCluster } from "../support/process/roomwire_cluster.ts";
import { until } from "../support/wire/until.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const MS_PER_PACKET = 20;

/** One who hears the other. */
interface Listener {
  readonly client: WireParticipant;
  readonly ssrc: number;
}

const heard = ({ client, ssrc }: Listener) => client.subscriber.packets(ssrc);

/** Until so many more were heard. */
function hears(listener: Listener, count: number): Promise<unknown> {
  const before = heard(listener).length;
  return until(
    `${count} packets at ${listener.client.identity}`,
    () => heard(listener).length >= before + count,
  );
}

/** How many packets never came between the first and the last of those from `from` on. */
function missing(listener: Listener, from: number): number {
  const numbers = heard(listener).slice(from).map(({ sequenceNumber }) => sequenceNumber);
  const first = numbers[0]!;
  const offsets = new Set(numbers.map((number) => ((number - first) << 16) >> 16));
  return Math.max(...offsets) + 1 - [...offsets].filter((offset) => offset >= 0).length;
}

/** Two who talk, each at a node of its own. */
class Talk implements AsyncDisposable {
  private constructor(
    readonly listeners: readonly [Listener, Listener],
    readonly things: AsyncDisposableStack,
  ) {}

  static async begin(cluster: RoomwireCluster): Promise<Talk> {
    await using things = new AsyncDisposableStack();
    const join = async (node: number, identity: string) => {
      const token = await mintToken({ room: "outages", identity });
      const url = cluster.nodes[node]!.url.replace("http", "ws");
      return await things.use(await WireParticipant.open(url, token)).connected();
    };
    const [ann, bob] = [await join(0, "ann"), await join(1, "bob")];
    const [ofAnn, ofBob] = [await ann.publish("audio"), await bob.publish("audio")];
    const listeners = [
      { client: bob, ssrc: (await bob.track(ofAnn.sid)).ssrc },
      { client: ann, ssrc: (await ann.track(ofBob.sid)).ssrc },
    ] as const;
    return new Talk(listeners, things.move());
  }

  /** Until both have heard so many packets more. */
  async goesOn(count: number): Promise<void> {
    await Promise.all(this.listeners.map((one) => hears(one, count)));
  }

  assertNobodyLeft(): void {
    const [bob, ann] = this.listeners.map(({ client }) => client);
    assert.deepEqual([ann!.remotes.has("bob"), bob!.remotes.has("ann")], [true, true]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.things.disposeAsync();
  }
}

endToEndTest(
  "Media between nodes goes on when UDP, their link or everything is lost for a while",
  ["network-namespaces", "redis"],
  async () => {
    await using cluster = await RoomwireCluster.start({
      regions: ["eu", "us"],
      distance: { delayMs: 20, loss: 0 },
      // Clients are in another namespace.
      config: { rtc: { enable_loopback_candidate: false } },
    });
    const network = cluster.network!;
    await using talk = await Talk.begin(cluster);
    const { listeners } = talk;
    await talk.goesOn(20);
    const seconds = (count: number) => count * 1_000 / MS_PER_PACKET;
    /** A change for so many packets, and so many after it. */
    const during = async (change: Partial<Wire>, packets: number, after: number) => {
      const from = listeners.map((one) => heard(one).length - 1);
      await network.setWire(0, 1, change);
      if (change.isCut === true) await new Promise((resolve) => setTimeout(resolve, 5_000));
      else await talk.goesOn(packets);
      await network.setWire(0, 1, { isCut: false, blocks: undefined, loss: 0 });
      await talk.goesOn(after);
      return Math.max(...listeners.map((one, i) => missing(one, from[i]!)));
    };
    const byUdp = await during({ blocks: "udp" }, seconds(3), seconds(3));
    assert.ok(byUdp <= seconds(1.5), `${byUdp} of a talk lost with UDP`);
    assert.equal(await during({ blocks: "tcp" }, seconds(3), seconds(1)), 0);
    const byLoss = await during({ loss: 0.05 }, seconds(4), seconds(1));
    assert.ok(byLoss <= 2, `${byLoss} lost for good of a twentieth`);
    const cut = await during({ isCut: true }, 0, seconds(1));
    assert.ok(cut <= seconds(7), `${cut} of a talk lost with five seconds`);
    talk.assertNobodyLeft();
  },
);

endToEndTest(
  "Media between nodes comes back when one of them has another address",
  ["network-namespaces", "redis"],
  async () => {
    await using cluster = await RoomwireCluster.start({
      regions: ["eu", "us"],
      distance: { delayMs: 20, loss: 0 },
      apart: true,
    });
    const network = cluster.network!;
    await using talk = await Talk.begin(cluster);
    const { listeners } = talk;
    await talk.goesOn(50);
    const from = listeners.map((one) => heard(one).length - 1);
    await network.replaceAddress(0);
    await talk.goesOn(100);
    const lost = listeners.map((one, i) => missing(one, from[i]!));
    // A look at the machine's addresses each 2 s, and a second for all that it leads to.
    for (const count of lost) assert.ok(count <= 3_000 / MS_PER_PACKET, `${lost} of a talk lost`);
    await talk.goesOn(50);
    talk.assertNobodyLeft();
  },
);
