/**
 * Two whole media engines joined by relay rings, or by a hop as of two nodes, over real sockets on the loopback address, seen by
 * clients of both: a subscriber of a publisher on the other engine notices nothing.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { RtpPacket } from "werift";
import { RelayedRooms } from "../support/wire/relayed_rooms.ts";
import { until } from "../support/wire/until.ts";
import type { ReceivedRtp } from "../support/wire/wire_client.ts";
import {
  audioSection,
  SUBSCRIBED_ID,
  SUBSCRIBED_PT,
  videoSection,
} from "../support/wire/wire_media.ts";
import {
  assertDense,
  AUDIO,
  frames,
  layerOf,
  publisher,
  sequenceNumbers,
  VIDEO,
} from "../support/wire/wire_publisher.ts";
import { EVERYTHING } from "../support/wire/wire_room.ts";
import {
  nackFor,
  pictureLosses,
  pictureLossFor,
  senderReportOf,
  senderReports,
} from "../support/wire/wire_rtcp.ts";

const LOW = { ...EVERYTHING, maxSpatial: 0 } as const;

const WAYS = {
  "by rings": () => RelayedRooms.open(),
  "between nodes": () => RelayedRooms.openHop(),
};

/**
 * Registers a test on two engines, however they are joined. werift's client keeps timers, so the
 * sanitizers are off.
 */
function relayTest(name: string, body: (rooms: RelayedRooms) => Promise<void>): void {
  for (const [way, open] of Object.entries(WAYS)) {
    Deno.test({
      name: `${name}, ${way}`,
      sanitizeOps: false,
      sanitizeResources: false,
      fn: async () => {
        await using rooms = await open();
        await body(rooms);
        assert.deepEqual([...rooms.near.errors, ...rooms.far.errors], [], "nothing failed inside");
      },
    });
  }
}

function header(packet: ReceivedRtp) {
  return RtpPacket.deSerialize(Buffer.from(packet.bytes)).header;
}

/** What a subscriber sees of a packet, apart from numbers that are its connection's own. */
function seen(packet: ReceivedRtp, first: ReceivedRtp) {
  const { header: { extensions, marker, payloadType, timestamp }, payload } = RtpPacket
    .deSerialize(Buffer.from(packet.bytes));
  return {
    sequence: (packet.sequenceNumber - first.sequenceNumber) & 0xffff,
    timestamp: (timestamp - header(first).timestamp) >>> 0,
    marker,
    payloadType,
    extensions: extensions.filter(({ id }) =>
      id !== SUBSCRIBED_ID.transportCc && id !== SUBSCRIBED_ID.mid
    ).map(({ id, payload }) => [id, [...payload]]),
    payload: [...payload],
  };
}

relayTest("A subscriber on another engine gets what one on the publisher's gets", async (rooms) => {
  const { near, far } = rooms;
  const from = await publisher(near);
  rooms.relay(videoSection("0", VIDEO));
  rooms.relay(audioSection("1", AUDIO));
  const [here, there] = [await near.connect(), await far.connect()];
  near.subscribe(here, VIDEO, "video", 5000, LOW);
  near.subscribe(here, AUDIO, "audio", 5100);
  far.subscribe(there, VIDEO, "video", 5000, LOW);
  far.subscribe(there, AUDIO, "audio", 5100);
  const pair = [here, there] as const;
  // A first packet of each tells what there is; only then can something be wanted.
  await frames(from);
  await near.event("layer_arrived", ({ upTrack, spatial }) => upTrack === VIDEO && spatial === 2);
  await near.until("a key-frame request", () => pictureLosses(from.client.rtcp, 1000) > 0);
  for (let i = 0; pair.some(({ client }) => client.rtpOf(5100).length === 0); i++) {
    assert.ok(i < 100);
    await from.client.sendRtp(from.audio.packet());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await frames(from, { key: true });
  for (let i = 0; i < 40; i++) {
    await frames(from);
    await from.client.sendRtp(from.audio.packet());
  }
  await near.until(
    "everything at both",
    () =>
      pair.every(({ client }) =>
        client.rtpOf(5000).length === 41 && client.rtpOf(5100).length >= 41
      ),
  );
  for (const [ssrc, count] of [[5000, 41], [5100, 40]] as const) {
    const [local, remote] = pair.map(({ client }) => client.rtpOf(ssrc).slice(-count));
    assertDense(sequenceNumbers(remote!), `numbers on ${ssrc}`);
    assert.deepEqual(
      remote!.map((packet) => seen(packet, remote![0]!)),
      local!.map((packet) => seen(packet, local![0]!)),
    );
  }
  assert.ok(there.client.rtpOf(5000).every((packet) => layerOf(packet) === 0));
});

relayTest(
  "A subscriber on another engine is switched between layers, and repaired",
  async (rooms) => {
    const { near, far } = rooms;
    const from = await publisher(near);
    rooms.relay(videoSection("0", VIDEO));
    const to = await far.connect();
    const downTrack = far.subscribe(to, VIDEO, "video", 5000);
    const asked = (ssrc: number) => pictureLosses(from.client.rtcp, ssrc);
    await frames(from);
    await near.until("a key-frame request for the highest", () => asked(1020) > 0);
    await frames(from, { key: true });
    await frames(from);
    await far.until("the highest layer", () => to.client.rtpOf(5000).length === 2);
    assert.deepEqual(to.client.rtpOf(5000).map(layerOf), [2, 2], "the others do not cross");
    await far.event("down_track_layer", ({ spatial }) => spatial === 2);
    for (const spatial of [0, 1] as const) {
      const ssrc = [1000, 1010][spatial]!;
      const [before, count] = [asked(ssrc), to.client.rtpOf(5000).length];
      const target = { ...EVERYTHING, maxSpatial: spatial };
      far.send({ type: "set_down_track_target", downTrack, target });
      await near.until("a key-frame request", () => asked(ssrc) > before);
      await frames(from);
      await frames(from, { key: true });
      await frames(from);
      await far.until(
        "the layer",
        () => to.client.rtpOf(5000).slice(-2).every((packet) => layerOf(packet) === spatial),
      );
      assert.ok(to.client.rtpOf(5000).length > count);
    }
    assertDense(sequenceNumbers(to.client.rtpOf(5000)), "over all switches");
    const missed = to.client.rtpOf(5000).at(-1)!;
    await to.client.sendRtcp(nackFor(5000, missed.sequenceNumber));
    // What an estimate probes with comes on the same stream.
    await far.until("a retransmission", () => to.client.rtpOf(5001).length > 0);
    assert.equal(to.client.rtpOf(5001)[0]!.payloadType, SUBSCRIBED_PT.vp8Rtx);
    const before = asked(1010);
    await to.client.sendRtcp(pictureLossFor(5000));
    await near.until("its PLI upstream", () => asked(1010) > before);
  },
);

relayTest(
  "Sender reports cross, so that a subscriber there can synchronise lips",
  async (rooms) => {
    const { near, far } = rooms;
    const from = await publisher(near);
    rooms.relay(videoSection("0", VIDEO));
    const to = await far.connect();
    far.subscribe(to, VIDEO, "video", 5000, LOW);
    const layer = from.layers[0]!;
    await from.client.sendRtp(layer.frame());
    await near.until("a key-frame request", () => pictureLosses(from.client.rtcp, 1000) > 0);
    await from.client.sendRtp(layer.frame({ key: true }));
    await far.until("the packet", () => to.client.rtpOf(5000).length === 1);
    const ntp = 0xe900_0000_4000_0000n;
    await from.client.sendRtcp(senderReportOf(1000, ntp, layer.timestamp));
    await far.until("a sender report", () => senderReports(to.client.rtcp, 5000).length > 0);
    const { senderInfo } = senderReports(to.client.rtcp, 5000)[0]!;
    const elapsedMs = Number(senderInfo.ntpTimestamp - ntp) * 1000 / 2 ** 32;
    assert.ok(elapsedMs >= 0 && elapsedMs < 10_000, `${elapsedMs} ms`);
    const ticks = (senderInfo.rtpTimestamp - header(to.client.rtpOf(5000)[0]!).timestamp) | 0;
    assert.ok(Math.abs(ticks - elapsedMs * 90) <= 180, `${ticks} ticks in ${elapsedMs} ms`);
  },
);

relayTest("Mute, unmute and the end of a relay reach the subscriber there", async (rooms) => {
  const { near, far } = rooms;
  const from = await publisher(near);
  rooms.relay(audioSection("1", AUDIO));
  const to = await far.connect();
  far.subscribe(to, AUDIO, "audio", 5000);
  let sent = 0;
  const vain = new Set<number>();
  const next = () => {
    sent++;
    return from.audio.packet();
  };
  /** The publisher's number, which is in the payload, too. */
  const numberOf = (packet: Uint8Array) => (packet.at(-5)! << 8) | packet.at(-4)!;
  const arrived = (ssrc: number) => to.client.rtpOf(ssrc).map(({ bytes }) => numberOf(bytes));
  /** Sends until the subscriber has something new. */
  const untilMore = async (ssrc = 5000) => {
    const before = arrived(ssrc).length;
    await until("more at the subscriber", async () => {
      await from.client.sendRtp(next());
      return arrived(ssrc).length > before;
    });
  };
  /** Sends what must not arrive; it is behind the near engine when this resolves. */
  const sendInVain = async () => {
    for (let i = 0; i < 5; i++) {
      const packet = next();
      vain.add(numberOf(packet));
      await from.client.sendRtp(packet);
    }
    await until("everything at the near engine", async () => {
      const { upTracks } = await near.stats();
      return upTracks.find(({ upTrack }) => upTrack === AUDIO)?.layers[0]?.packets === sent;
    });
  };
  await untilMore();
  rooms.mute(AUDIO, true);
  await sendInVain();
  rooms.mute(AUDIO, false);
  await untilMore();
  rooms.engines.near.send({ type: "stop_relay", upTrack: AUDIO, to: 1 });
  await sendInVain();
  rooms.engines.near.send({ type: "send_relay", upTrack: AUDIO, to: 1 });
  await untilMore();
  assertDense(sequenceNumbers(to.client.rtpOf(5000)), "over everything");
  rooms.engines.far.send({ type: "end_relay", upTrack: AUDIO });
  rooms.engines.far.send({ type: "end_relay", upTrack: AUDIO });
  await sendInVain();
  rooms.relay(audioSection("1", AUDIO));
  far.subscribe(to, AUDIO, "audio", 6000);
  await untilMore(6000);
  // Nothing overtakes anything on its way, so what has not come by now does not come.
  assert.deepEqual(arrived(5000).filter((number) => vain.has(number)), []);
  near.send({ type: "close_connection", connection: from.id });
  await near.stats();
  assert.deepEqual((await near.stats()).upTracks, []);
});

relayTest("A relayed track is told of by the publisher's engine only", async (rooms) => {
  const { near, far } = rooms;
  const from = await publisher(near);
  rooms.relay(audioSection("1", AUDIO));
  const to = await far.connect();
  const downTrack = far.subscribe(to, AUDIO, "audio", 5000);
  for (let i = 0; i < 40 || to.client.rtpOf(5000).length < 20; i++) {
    assert.ok(i < 500);
    await from.client.sendRtp(from.audio.packet());
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await near.event("audio_levels", ({ levels }) => levels.some(({ active }) => active));
  assert.ok(!far.events.some(({ type }) => type === "audio_levels" || type === "layer_arrived"));
  const [here, there] = [await near.stats(), await far.stats()];
  assert.ok(here.upTracks.some(({ upTrack }) => upTrack === AUDIO));
  assert.deepEqual(there.upTracks, []);
  assert.deepEqual(there.downTracks.map((track) => track.downTrack), [downTrack]);
  assert.deepEqual(here.downTracks, [], "the relay is nobody's subscription");
});

relayTest("Commands about relays that make no sense are counted", async (rooms) => {
  const { near } = rooms;
  const section = audioSection("1", AUDIO);
  rooms.engines.near.send({ type: "send_relay", upTrack: AUDIO, to: 1 });
  rooms.engines.near.send({ type: "send_relay", upTrack: AUDIO, to: 7 });
  rooms.engines.near.send({ type: "receive_relay", upTrack: AUDIO, from: 7, section });
  rooms.engines.near.send({ type: "stop_relay", upTrack: AUDIO, to: 1 });
  rooms.engines.near.send({ type: "end_relay", upTrack: AUDIO });
  await publisher(near);
  rooms.engines.near.send({ type: "receive_relay", upTrack: AUDIO, from: 1, section });
  const { drops, upTracks } = await near.stats();
  assert.equal(drops.relay_no_track, 1);
  assert.equal(drops.relay_no_engine, 2);
  assert.equal(drops.relay_track_exists, 1, "its publisher is here");
  assert.equal(upTracks.length, 2);
});
