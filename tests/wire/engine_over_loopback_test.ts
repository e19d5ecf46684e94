/**
 * The whole media engine over real sockets on the loopback address, seen by clients that speak the
 * wire protocols with another implementation (werift's DTLS, SRTP and RTCP). Every command and
 * event passes through `structuredClone`.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { RtpPacket } from "werift";
import type { DownTrackId, UpTrackId } from "../../lib/base/ids.ts";
import type { ReceivedRtp } from "../support/wire/wire_client.ts";
import {
  audioSection,
  AudioStream,
  PUBLISHED_ID,
  SUBSCRIBED_ID,
  SUBSCRIBED_PT,
  TransportNumbers,
} from "../support/wire/wire_media.ts";
import {
  assertDense,
  AUDIO,
  frames,
  LAYER_SSRCS,
  layerOf,
  type Publisher,
  publisher,
  sequenceNumbers,
  VIDEO,
} from "../support/wire/wire_publisher.ts";
import { eventually } from "../support/process/eventually.ts";
import { roomTest } from "../support/wire/room_tests.ts";
import { EVERYTHING, type Peer, type WireRoom } from "../support/wire/wire_room.ts";
import {
  nackedNumbers,
  nackFor,
  pictureLosses,
  pictureLossFor,
  receptionReports,
  senderReportOf,
  senderReports,
  transportWideReports,
} from "../support/wire/wire_rtcp.ts";

function extension(packet: ReceivedRtp, id: number): Buffer | undefined {
  const { header } = RtpPacket.deSerialize(Buffer.from(packet.bytes));
  return header.extensions.find((element) => element.id === id)?.payload;
}

/**
 * Sends a key frame of every layer, lowest first, and waits until the subscriber has all three:
 * each is a step up that it takes.
 */
async function untilHighest(room: WireRoom, from: Publisher, to: Peer, ssrc: number) {
  await frames(from, { key: true });
  await room.until("a key frame of each layer", () => to.client.rtpOf(ssrc).length === 3);
  assert.deepEqual(to.client.rtpOf(ssrc).map(layerOf), [0, 1, 2]);
}

roomTest(
  "MediaEngine forwards simulcast video and audio to two subscribers, each as one clean stream",
  async (room) => {
    const from = await publisher(room);
    const [first, second] = [await room.connect(), await room.connect()];
    room.subscribe(first, VIDEO, "video", 5000);
    room.subscribe(first, AUDIO, "audio", 5100);
    room.subscribe(second, VIDEO, "video", 6000, { ...EVERYTHING, maxSpatial: 0 });
    await untilHighest(room, from, first, 5000);
    for (let i = 0; i < 30; i++) {
      await frames(from);
      await from.client.sendRtp(from.audio.packet());
    }
    const sentLow = from.layers[0]!.sequenceNumber;
    await room.until(
      "all packets at both",
      () =>
        first.client.rtpOf(5100).length === 30 && second.client.rtpOf(6000).length === 31 &&
        first.client.rtpOf(5000).slice(-30).every((packet) => layerOf(packet) === 2),
    );
    for (const [peer, ssrc, kind] of [[first, 5000, "best"], [second, 6000, "lowest"]] as const) {
      const packets = peer.client.rtpOf(ssrc);
      assertDense(sequenceNumbers(packets), `${kind} sequence numbers`);
      assert.ok(packets.every(({ payloadType }) => payloadType === SUBSCRIBED_PT.vp8));
      assert.equal(extension(packets[0]!, SUBSCRIBED_ID.mid)?.toString(), `s${ssrc}`);
    }
    assert.ok(second.client.rtpOf(6000).every((packet) => layerOf(packet) === 0));
    // The publisher's own numbers, unless this thread was so late that the stream was opened
    // before.
    const opened = second.client.paddingOf(6000).at(-1)?.sequenceNumber;
    const last = opened === undefined ? sentLow - 1 : opened + 31;
    assert.equal(second.client.rtpOf(6000).at(-1)!.sequenceNumber, last & 0xffff);
    const audio = first.client.rtpOf(5100);
    assertDense(sequenceNumbers(audio), "audio sequence numbers");
    assert.equal(extension(audio[0]!, SUBSCRIBED_ID.audioLevel)?.[0], 0x80 | 30);
    assertDense(
      first.client.rtp.map((p) => extension(p, SUBSCRIBED_ID.transportCc)!.readUInt16BE()),
      "transport-wide numbers over both tracks",
    );
  },
);

roomTest("MediaEngine names every layer once, whenever it comes", async (room) => {
  const from = await publisher(room);
  await from.client.sendRtp(from.layers[0]!.frame({ key: true }));
  await room.event("layer_arrived", ({ spatial }) => spatial === 0);
  for (let i = 0; i < 20; i++) await from.client.sendRtp(from.layers[0]!.frame());
  await from.client.sendRtp(from.layers[2]!.frame({ key: true }));
  await from.client.sendRtp(from.layers[2]!.frame());
  const late = await room.event("layer_arrived", ({ spatial }) => spatial === 2);
  assert.deepEqual(late, {
    type: "layer_arrived",
    connection: from.id,
    upTrack: VIDEO,
    mid: "0",
    rid: "f",
    spatial: 2,
    ssrc: 1020,
    mime: "video/VP8",
  });
  const { upTracks } = await room.stats();
  const video = upTracks.find(({ upTrack }) => upTrack === VIDEO)!;
  assert.deepEqual(video.layers.map(({ spatial }) => spatial), [0, 2]);
  assert.equal(room.events.filter(({ type }) => type === "layer_arrived").length, 2);
});

roomTest(
  "MediaEngine switches to the wanted layer at its next key frame, which it asks for",
  async (room) => {
    const from = await publisher(room);
    const to = await room.connect();
    const downTrack = room.subscribe(to, VIDEO, "video", 5000);
    await untilHighest(room, from, to, 5000);
    const asked = pictureLosses(from.client.rtcp, 1000);
    room.send({
      type: "set_down_track_target",
      downTrack,
      target: { ...EVERYTHING, maxSpatial: 0 },
    });
    await room.until(
      "a key-frame request for the lowest layer",
      () => pictureLosses(from.client.rtcp, 1000) > asked,
    );
    await frames(from);
    await frames(from, { key: true });
    await frames(from);
    await room.event(
      "down_track_layer",
      (event) =>
        event.downTrack === downTrack && event.spatial === 0 &&
        room.events.indexOf(event) >
          room.events.findIndex((e) => e.type === "down_track_layer" && e.spatial === 2),
    );
    await room.until(
      "the lowest layer",
      () => to.client.rtpOf(5000).slice(-2).every((packet) => layerOf(packet) === 0),
    );
    const packets = to.client.rtpOf(5000);
    assertDense(sequenceNumbers(packets), "sequence numbers over the switches");
    assert.equal(
      layerOf(packets.at(-3)!),
      2,
      "the delta frame before still came from the old layer",
    );
  },
);

roomTest(
  "MediaEngine asks the publisher for a lost packet and forwards its retransmission in place",
  async (room) => {
    const from = await publisher(room);
    const to = await room.connect();
    room.subscribe(to, VIDEO, "video", 5000, { ...EVERYTHING, maxSpatial: 0 });
    const layer = from.layers[0]!;
    await from.client.sendRtp(layer.frame({ key: true }));
    await room.until("the first packet", () => to.client.rtpOf(5000).length === 1);
    const lost = layer.frame();
    const lostNumber = new DataView(lost.buffer).getUint16(2);
    await from.client.sendRtp(layer.frame());
    await room.until("a NACK", () => nackedNumbers(from.client.rtcp, 1000).includes(lostNumber));
    assert.deepEqual(new Set(nackedNumbers(from.client.rtcp, 1000)), new Set([lostNumber]));
    await from.client.sendRtp(layer.retransmission(lost));
    await room.until("all three packets", () => to.client.rtpOf(5000).length === 3);
    const sorted = to.client.rtpOf(5000).toSorted((a, b) =>
      ((a.sequenceNumber - b.sequenceNumber) << 16) >> 16
    );
    assertDense(sequenceNumbers(sorted), "sequence numbers with the recovered one");
    assert.deepEqual(sorted[1]!.bytes.slice(-4), lost.slice(-4), "its content is the lost one's");
    const stats = (await room.stats()).upTracks.find(({ upTrack }) => upTrack === VIDEO)!;
    assert.equal(stats.layers[0]!.packets, 3);
    assert.ok(stats.layers[0]!.nacksSent >= 1);
  },
);

roomTest("MediaEngine resends what a subscriber misses on the RTX stream", async (room) => {
  const from = await publisher(room);
  const to = await room.connect();
  const downTrack = room.subscribe(to, VIDEO, "video", 5000, { ...EVERYTHING, maxSpatial: 0 });
  await from.client.sendRtp(from.layers[0]!.frame({ key: true }));
  for (let i = 0; i < 5; i++) await from.client.sendRtp(from.layers[0]!.frame());
  await room.until("the packets", () => to.client.rtpOf(5000).length === 6);
  const missed = to.client.rtpOf(5000)[3]!;
  await to.client.sendRtcp(nackFor(5000, missed.sequenceNumber));
  // What an estimate probes with comes on the same stream: other packets again.
  const repeats = () =>
    to.client.rtpOf(5001).map(({ bytes }) => RtpPacket.deSerialize(Buffer.from(bytes)))
      .filter(({ payload }) => payload.readUInt16BE() === missed.sequenceNumber);
  const figures = async () =>
    (await room.stats()).downTracks.find((track) => track.downTrack === downTrack)!;
  await eventually("a retransmission", async () => (await figures()).retransmitted > 0);
  await room.until("its packet", () => repeats().length > 0);
  const { header, payload } = repeats()[0]!;
  const original = RtpPacket.deSerialize(Buffer.from(missed.bytes));
  assert.equal(header.payloadType, SUBSCRIBED_PT.vp8Rtx);
  assert.equal(payload.readUInt16BE(), missed.sequenceNumber, "original sequence number");
  assert.deepEqual(payload.subarray(2), original.payload);
  assert.equal(header.timestamp, original.header.timestamp);
  const { retransmitted, nacksReceived } = await figures();
  assert.deepEqual([retransmitted, nacksReceived], [1, 1]);
});

roomTest("MediaEngine passes a subscriber's PLI on to the layer it is sent", async (room) => {
  const from = await publisher(room);
  const to = await room.connect();
  room.subscribe(to, VIDEO, "video", 5000);
  await untilHighest(room, from, to, 5000);
  const before = LAYER_SSRCS.map((ssrc) => pictureLosses(from.client.rtcp, ssrc));
  await to.client.sendRtcp(pictureLossFor(5000));
  await room.until("a PLI upstream", () => pictureLosses(from.client.rtcp, 1020) > before[2]!);
  assert.equal(pictureLosses(from.client.rtcp, 1000), before[0], "not for another layer");
});

roomTest(
  "MediaEngine maps the publisher's sender report to the subscriber's clock, and answers it",
  async (room) => {
    const from = await publisher(room);
    const to = await room.connect();
    room.subscribe(to, VIDEO, "video", 5000, { ...EVERYTHING, maxSpatial: 0 });
    const layer = from.layers[0]!;
    const packet = layer.frame({ key: true });
    await from.client.sendRtp(packet);
    await room.until("the packet", () => to.client.rtpOf(5000).length === 1);
    const ntp = 0xe900_0000_4000_0000n; // a quarter second past a full one
    await from.client.sendRtcp(senderReportOf(1000, ntp, layer.timestamp));
    await room.until("a sender report", () => senderReports(to.client.rtcp, 5000).length > 0);
    const { senderInfo } = senderReports(to.client.rtcp, 5000)[0]!;
    const elapsedMs = Number(senderInfo.ntpTimestamp - ntp) * 1000 / 2 ** 32;
    const received = RtpPacket.deSerialize(Buffer.from(to.client.rtpOf(5000)[0]!.bytes)).header;
    const ticks = (senderInfo.rtpTimestamp - received.timestamp) | 0;
    assert.ok(elapsedMs >= 0, "the report carries the publisher's clock on");
    // 90 ticks make a millisecond; both are rounded to whole milliseconds once.
    assert.ok(Math.abs(ticks - elapsedMs * 90) <= 180, `${ticks} ticks in ${elapsedMs} ms`);
    assert.equal(senderInfo.packetCount, 1);
    await room.until(
      "a receiver report about it",
      () => receptionReports(from.client.rtcp, 1000).some((block) => block.lsr !== 0),
    );
    const block = receptionReports(from.client.rtcp, 1000).find(({ lsr }) => lsr !== 0)!;
    assert.equal(block.lsr, Number((ntp >> 16n) & 0xffff_ffffn));
    assert.equal(block.packetsLost, 0);
  },
);

roomTest(
  "MediaEngine reports every transport-wide number to the publisher, lost ones as lost",
  async (room) => {
    const from = await publisher(room);
    const sent = new Set<number>();
    const skipped = new Set<number>();
    for (let i = 0; i < 40; i++) {
      const packet = i % 3 === 0 ? from.audio.packet() : from.layers[0]!.frame({ key: i === 1 });
      const number = extension(
        { bytes: packet, ssrc: 0, payloadType: 0, sequenceNumber: 0, isPadding: false },
        PUBLISHED_ID.transportCc,
      )!.readUInt16BE();
      if (i === 10 || i === 25) skipped.add(number);
      else {
        sent.add(number);
        await from.client.sendRtp(packet);
      }
    }
    await room.until(
      "feedback on everything",
      () => sent.isSubsetOf(transportWideReports(from.client.rtcp).received),
    );
    const { received, lost } = transportWideReports(from.client.rtcp);
    assert.deepEqual(received, sent);
    assert.deepEqual(lost, skipped);
  },
);

roomTest("MediaEngine keeps media flowing over an ICE restart", async (room) => {
  const from = await publisher(room);
  const to = await room.connect();
  room.subscribe(to, AUDIO, "audio", 5000);
  await from.client.sendRtp(from.audio.packet());
  await room.until("the packet before", () => to.client.rtpOf(5000).length === 1);
  const restarted = { ufrag: "again", pwd: "another-password-of-24-chars-or-more" };
  room.send({ type: "restart_ice", connection: from.id, local: restarted });
  await from.client.sendRtp(from.audio.packet());
  await from.client.restartIce(restarted);
  await from.client.sendRtp(from.audio.packet());
  await room.until("the packets after", () => to.client.rtpOf(5000).length === 3);
  assertDense(sequenceNumbers(to.client.rtpOf(5000)), "audio over the restart");
});

roomTest("MediaEngine follows publisher and subscriber to another port", async (room) => {
  const from = await publisher(room);
  const to = await room.connect();
  room.subscribe(to, AUDIO, "audio", 5000);
  await from.client.sendRtp(from.audio.packet());
  await room.until("the packet before", () => to.client.rtpOf(5000).length === 1);
  await to.client.migrate();
  await from.client.sendRtp(from.audio.packet());
  await room.until("the packet at the new port", () => to.client.rtpOf(5000).length === 2);
  await from.client.migrate();
  await from.client.sendRtp(from.audio.packet());
  await room.until("the packet from the new port", () => to.client.rtpOf(5000).length === 3);
});

roomTest(
  "MediaEngine follows a client to another port that nominates nothing there",
  async (room) => {
    const from = await publisher(room);
    const to = await room.connect();
    room.subscribe(to, AUDIO, "audio", 5000);
    await from.client.sendRtp(from.audio.packet());
    await room.until("the packet before", () => to.client.rtpOf(5000).length === 1);
    await to.client.changePort();
    await to.client.check({ useCandidate: false });
    await room.until("a packet at the new port", () => {
      to.client.sendRtcp(Uint8Array.of(0x80, 201, 0, 1, 0, 0, 0, 1));
      from.client.sendRtp(from.audio.packet());
      return to.client.rtpOf(5000).length > 1;
    });
  },
);

roomTest("MediaEngine carries everything over ICE-TCP", async (room) => {
  const from = await publisher(room, "tcp");
  const to = await room.connect({ protocol: "tcp" });
  const connected = room.events.filter((event) => event.type === "connection_connected");
  assert.deepEqual(connected.map(({ protocol }) => protocol), ["tcp", "tcp"]);
  for (const { remote } of connected) {
    assert.equal(remote?.hostname, "127.0.0.1");
    assert.ok(remote.port > 0);
  }
  room.subscribe(to, VIDEO, "video", 5000);
  await untilHighest(room, from, to, 5000);
  for (let i = 0; i < 20; i++) await frames(from);
  await room.until("all frames", () =>
    to.client.rtpOf(5000).length > 20 &&
    to.client.rtpOf(5000).at(-1)!.bytes.at(-2) === ((from.layers[2]!.sequenceNumber - 1) & 0xff));
  assertDense(sequenceNumbers(to.client.rtpOf(5000)), "sequence numbers");
  room.send({ type: "close_connection", connection: to.id });
  await to.client.socketEnded;
  assert.equal(to.client.closedByServer, true, "the goodbye leaves before the connection");
});

roomTest("MediaEngine ends a connection whose client says goodbye", async (room) => {
  const from = await publisher(room);
  const to = await room.connect();
  room.subscribe(to, AUDIO, "audio", 5000);
  await from.client.closeNotify();
  const failed = await room.event("connection_failed");
  assert.deepEqual(failed, {
    type: "connection_failed",
    connection: from.id,
    reason: "closed_by_peer",
  });
  const stats = await room.stats();
  assert.equal(stats.connections, 1);
  assert.deepEqual(stats.upTracks, [], "its tracks ended with it");
});

roomTest("MediaEngine.close() says goodbye to every client", async (room) => {
  const peers = [await room.connect(), await room.connect(), await room.connect()];
  await room.engine.close();
  await room.until("all goodbyes", () => peers.every(({ client }) => client.closedByServer));
});

roomTest("MediaEngine refuses a client whose certificate was not described", async (room) => {
  const peer = await room.prepare();
  room.send({
    type: "set_remote",
    connection: peer.id,
    remote: peer.local,
    fingerprints: [{ algorithm: "sha-256", value: new Array(32).fill("AB").join(":") }],
  });
  await peer.client.check();
  peer.client.shakeHands().catch(() => {});
  const { reason } = await room.event("connection_failed", (e) => e.connection === peer.id);
  assert.equal(reason, "fingerprint_mismatch");
  assert.ok(!room.events.some(({ type }) => type === "connection_connected"));
});

roomTest(
  "MediaEngine gives a reused section to its new track, though SSRC and mid stay",
  async (room) => {
    const from = await room.connect();
    const to = await room.connect();
    const [before, after] = ["before" as UpTrackId, "after" as UpTrackId];
    const stream = new AudioStream(2000, "0", new TransportNumbers());
    const receive = (upTrack: UpTrackId) =>
      room.send({
        type: "set_receive",
        connection: from.id,
        sections: [audioSection("0", upTrack)],
      });
    receive(before);
    room.subscribe(to, before, "audio", 5000);
    await from.client.sendRtp(stream.packet());
    await room.until("the first track", () => to.client.rtpOf(5000).length === 1);
    receive(after);
    room.subscribe(to, after, "audio", 6000);
    await from.client.sendRtp(stream.packet());
    await room.until("the second track", () => to.client.rtpOf(6000).length === 1);
    assert.equal(to.client.rtpOf(5000).length, 1, "nothing more for the ended track");
    await room.event("layer_arrived", ({ upTrack }) => upTrack === after);
  },
);

roomTest("MediaEngine tells statistics of tracks, layers and drops", async (room) => {
  const from = await publisher(room);
  const to = await room.connect();
  const downTrack = room.subscribe(to, AUDIO, "audio", 5000);
  const packet = from.audio.packet();
  const bytes = packet.length;
  await from.client.sendRtp(packet);
  for (let i = 0; i < 9; i++) await from.client.sendRtp(from.audio.packet());
  await room.until("the packets", () => to.client.rtpOf(5000).length === 10);
  const stats = await room.stats();
  assert.equal(stats.connections, 2);
  assert.deepEqual(stats.upTracks.find(({ upTrack }) => upTrack === AUDIO)!.layers, [{
    spatial: 0,
    ssrc: 2000,
    packets: 10,
    bytes: 10 * bytes,
    lost: 0,
    repaired: 0,
    nacksSent: 0,
    plisSent: 0,
  }]);
  const sent = to.client.rtpOf(5000).reduce((sum, { bytes }) => sum + bytes.length, 0);
  assert.deepEqual(stats.downTracks, [{
    downTrack,
    upTrack: AUDIO,
    spatial: 0,
    packets: 10,
    bytes: sent,
    retransmitted: 0,
    nacksReceived: 0,
    plisReceived: 0,
    firsReceived: 0,
  }]);
});

roomTest("MediaEngine ignores commands for what does not exist", async (room) => {
  const peer = await room.connect();
  const ghost = "ghost" as typeof peer.id;
  room.send({ type: "close_connection", connection: ghost });
  room.send({ type: "set_receive", connection: ghost, sections: [] });
  room.send({ type: "restart_ice", connection: ghost, local: peer.remote });
  room.send({ type: "remove_down_track", downTrack: "ghost" as DownTrackId });
  room.send({
    type: "set_down_track_target",
    downTrack: "ghost" as DownTrackId,
    target: EVERYTHING,
  });
  room.send({ type: "set_up_track_muted", upTrack: "ghost" as UpTrackId, muted: true });
  room.subscribe(peer, "ghost" as UpTrackId, "audio", 5000);
  const stats = await room.stats();
  assert.equal(stats.connections, 1);
  assert.deepEqual(stats.downTracks, []);
});
