/**
 * The forwarding path allocates nothing, nor do sealing and sending by native code: heap growth per
 * packet is measured with `Deno.memoryUsage()`, in stretches short enough that most see no garbage
 * collection.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  type CodecParameters,
  EXTENSION_URI,
  FLEXFEC_MIME,
  type HeaderExtension,
} from "../../lib/base/media_vocabulary.ts";
import type { PacketSink } from "../../lib/base/packet_sink.ts";
import { ForwardLatency } from "../../lib/engine/local/forward_latency.ts";
import { HopLink } from "../../lib/engine/relay/hop_link.ts";
import type { HopCrypto } from "../../lib/engine/relay/hop_keys.ts";
import { SENT } from "../../lib/bandwidth/sent_packets.ts";
import { SAMPLED_ESTIMATE } from "../../lib/bandwidth/estimate_options.ts";
import { SendEstimate } from "../../lib/bandwidth/send_estimate.ts";
import { NOT_RECEIVED, TransportFeedback } from "../../lib/wire/transport_cc.ts";
import { PACKET_HEAD_WORDS, RELAY } from "../../lib/engine/relay/relay_records.ts";
import { createRelayRing, ringChannel } from "../../lib/engine/relay/relay_ring.ts";
import { COPIES, type Copies } from "../../lib/media/down/audio_form.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { FanOutBatch } from "../../lib/media/packet/fan_out_batch.ts";
import { LoudestRooms } from "../../lib/media/up/loudest_audio.ts";
import { UpTrack } from "../../lib/media/up/up_track.ts";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { DataOutlet } from "../../lib/transport/data_outlet.ts";
import { createCertificate } from "../../lib/transport/dtls/dtls_certificate.ts";
import { SendKind } from "../../lib/transport/datagrams/datagrams.ts";
import { nativeCrypto } from "../../lib/transport/media_crypto.ts";
import { RtpOutlet } from "../../lib/transport/rtp_outlet.ts";
import { SrtpSession } from "../../lib/transport/srtp/srtp_session.ts";
import { writeUint16, writeUint32 } from "../../lib/wire/big_endian.ts";
import { RtpView } from "../../lib/wire/rtp_view.ts";
import { codec, layerListener, vp8Payload } from "../support/media/forwarding_fixtures.ts";
import { RECORD_TWINS } from "../support/media/record_twins.ts";
import { slotPath } from "../support/wire/slot_path.ts";
import { DtlsTwins } from "../unit/transport/dtls/dtls_twins.ts";
import { mustIgnoreNative, openNativePeer } from "../support/wire/datagram_peers.ts";
import { RelaySide, SECTION, TRACK } from "../support/media/relay_world.ts";
import { redundantPayload } from "../support/media/redundant_payload.ts";
import { rtpPacket, writtenPacket } from "../support/media/rtp_packets.ts";
import { growthPerStep, STRETCH } from "../support/process/heap_growth.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import {
  LIBCRYPTO,
  randomParameters,
  SRTP_PROFILES,
  SRTP_TWINS,
} from "../support/media/srtp_twins.ts";
import { descriptorOf, packetWith } from "../support/media/svc_world.ts";

const DOWN_TRACKS = 10;
const FORWARDED = 1_000_000;
const MAX_BYTES = 4;

class NullSink implements PacketSink {
  sent = 0;
  readonly #reserved = new Uint8Array(1_536);
  #transport = 0;
  reserve(): Uint8Array {
    return this.#reserved;
  }
  send(): void {
    this.sent++;
  }
  nextTransportSequence(): number {
    this.#transport = (this.#transport + 1) & 0xffff;
    return this.#transport;
  }
}

/** Measurements of what the system has a part in, before its noise is taken for an allocation. */
const ATTEMPTS = 5;

/**
 * The least of some measurements, made until one is below the gate: what each packet allocates is
 * in all of them, what the rest of the machine makes the runtime do is not.
 */
function untilQuiet(measure: () => number): number {
  let least = Infinity;
  for (let attempt = 0; attempt < ATTEMPTS && !(least < MAX_BYTES); attempt++) {
    least = Math.min(least, measure());
  }
  return least;
}

/** An up-track as another engine has it. */
interface RelayedTrack {
  readonly far: UpTrack;
  /** Timed work, and all that is written. */
  readonly exchange: () => void;
  /** Reads the packets that crossed. */
  readonly read: () => void;
}

function relayed(up: UpTrack, extensions: readonly HeaderExtension[]): RelayedTrack {
  const [there, back] = [createRelayRing(), createRelayRing()];
  const near = new RelaySide(ringChannel(back, there), () => 0);
  const far = new RelaySide(ringChannel(there, back), () => 0);
  near.upTracks.set(TRACK, up);
  near.link.send(TRACK, 0);
  far.receive(TRACK, { ...SECTION, extensions, codecs: [up.layer(0)!.codec] });
  return {
    far: far.upTracks.get(TRACK)!,
    read: () => far.link.drain(),
    exchange: () => {
      near.link.tick(0);
      far.link.drain();
      far.link.tick(0);
      near.link.drain();
    },
  };
}

/**
 * A VP8 publisher with ten subscribers that rewrite all a subscriber can.
 *
 * @param across The subscribers are on another engine.
 * @param repairGroup Packets that share a repair packet.
 */
function forwardingStep(sink: PacketSink, across = false, repairGroup = 0): (i: number) => void {
  const extensions = [
    { id: 4, uri: EXTENSION_URI.mid },
    { id: 3, uri: EXTENSION_URI.transportCc },
    { id: 7, uri: EXTENSION_URI.videoOrientation },
  ];
  const up = new UpTrack({
    kind: "video",
    extensions,
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  // An SSRC and timestamps above 2^31, which small integers do not hold.
  const ssrc = 0xfedc_ba98;
  up.bindLayer(0, ssrc, codec("video/VP8", 96), 0);
  const relay = across ? relayed(up, extensions) : undefined;
  for (let i = 0; i < 3; i++) relay?.exchange();
  for (let i = 0; i < DOWN_TRACKS; i++) {
    const down = new DownTrack({
      section: {
        mid: String(i),
        kind: "video",
        ssrc: 0xf000_0000 + i,
        rtxSsrc: 0xf100_0000 + i,
        fecSsrc: 0xf200_0000 + i,
        codecs: [codec("video/VP8", 100, 101), codec(FLEXFEC_MIME, 49)],
        extensions: [
          { id: 1, uri: EXTENSION_URI.mid },
          { id: 2, uri: EXTENSION_URI.absSendTime },
          { id: 5, uri: EXTENSION_URI.transportCc },
          { id: 6, uri: EXTENSION_URI.videoOrientation },
        ],
      },
      publisherExtensions: extensions,
      sink,
      place: undefined,
      listener: layerListener(),
      target: { enabled: true, maxSpatial: 2, maxTemporal: 3 },
    });
    down.setRepairGroup(repairGroup);
    (relay?.far ?? up).addDownTrack(down, 0);
  }
  relay?.exchange();
  const packet = rtpPacket({
    ssrc,
    payloadType: 96,
    extensions: { 4: "0", 3: new Uint8Array(2), 7: Uint8Array.of(1) },
    payload: vp8Payload({ pictureId: 0, tl0: 0, key: true, body: new Array(1100).fill(2) }),
  });
  const view = new RtpView();
  const descriptorAt = packet.length - 1106;
  return (i) => {
    const frame = i >> 2;
    const timestamp = (0xe000_0000 + frame * 3000) >>> 0;
    packet[1] = ((i & 3) === 3 ? 0x80 : 0) | 96;
    packet[2] = (i >> 8) & 0xff;
    packet[3] = i & 0xff;
    packet[4] = timestamp >>> 24;
    packet[5] = (timestamp >>> 16) & 0xff;
    packet[6] = (timestamp >>> 8) & 0xff;
    packet[7] = timestamp & 0xff;
    packet[descriptorAt] = (i & 3) === 0 ? 0x90 : 0x80;
    packet[descriptorAt + 2] = 0x80 | ((frame >> 8) & 0x7f);
    packet[descriptorAt + 3] = frame & 0xff;
    packet[descriptorAt + 4] = frame & 0xff;
    packet[descriptorAt + 6] = i < 4 ? 2 : 3;
    if (!view.wrap(packet)) throw new Error("bad test packet");
    up.receive(0, view, i >> 1);
    relay?.read();
  };
}

Deno.test("UpTrack.receive() forwards a million packets with under 4 heap bytes each", () => {
  const sink = new NullSink();
  const step = forwardingStep(sink);
  const received = FORWARDED / DOWN_TRACKS;
  // The first test of a process: a machine that is busy compiles while this is measured.
  let at = 0;
  const perReceived = untilQuiet(() => growthPerStep(received, () => step(at++)));
  assert.ok(at >= received);
  assert.equal(sink.sent, at * DOWN_TRACKS);
  assert.ok(
    perReceived / DOWN_TRACKS < MAX_BYTES,
    `${perReceived / DOWN_TRACKS} bytes per forwarded packet`,
  );
});

Deno.test("DownTrack makes repair packets of a million packets with under 4 heap bytes each", () => {
  const sink = new NullSink();
  const step = forwardingStep(sink, false, 6);
  const growth = growthPerStep(FORWARDED / DOWN_TRACKS, step) / DOWN_TRACKS;
  assert.equal(sink.sent, FORWARDED + DOWN_TRACKS * Math.floor(FORWARDED / DOWN_TRACKS / 6));
  assert.ok(growth < MAX_BYTES, `${growth} bytes per packet`);
});

/** Sound of one publisher to ten subscribers that take RED; each step is a packet. */
function soundStep(
  sink: NullSink,
  published: CodecParameters,
  payload: Uint8Array,
  copies: Copies,
  duplicates = 0,
): (i: number) => void {
  const codecs = [codec("audio/red", 63, undefined, "111/111"), codec("audio/opus", 111)];
  const listener = { onNack() {}, onKeyFrameNeeded() {} };
  const up = new UpTrack({ kind: "audio", extensions: [], listener });
  up.bindLayer(0, 0xfedc_ba98, published, 0);
  for (let i = 0; i < DOWN_TRACKS; i++) {
    const down = new DownTrack({
      section: { mid: String(i), kind: "audio", ssrc: 0xf000_0000 + i, codecs, extensions: [] },
      publisherExtensions: [],
      sink,
      place: undefined,
      listener: layerListener(),
      target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
    });
    down.setCopies(copies);
    down.setDuplicates(duplicates);
    up.addDownTrack(down, 0);
  }
  const { payloadType } = published;
  const packet = rtpPacket({ ssrc: 0xfedc_ba98, payloadType, payload });
  const view = new RtpView();
  return (i) => {
    writeUint16(packet, 2, i & 0xffff);
    writeUint32(packet, 4, i * 960);
    view.wrap(packet);
    up.receive(0, view, i * 20);
  };
}

const SOUND_CASES = [
  ["made redundant", "audio/opus", COPIES.asTheyCome],
  ["sent bare", "audio/opus", COPIES.none],
  ["bared of copies", "audio/red", COPIES.none],
  ["given a second copy", "audio/red", COPIES.more],
] as const;
for (const [what, mime, copies] of SOUND_CASES) {
  Deno.test(`UpTrack's ${mime} is ${what} for ten subscribers with under 4 heap bytes per packet`, () => {
    const sink = new NullSink();
    const frame = new Array<number>(80).fill(7);
    const isRed = mime === "audio/red";
    const published = isRed ? codec(mime, 63, undefined, "111/111") : codec(mime, 111);
    const payload = isRed ? redundantPayload(frame, [{ age: 960, frame }]) : Uint8Array.from(frame);
    const step = soundStep(sink, published, payload, copies);
    const growth = growthPerStep(FORWARDED / DOWN_TRACKS, step) / DOWN_TRACKS;
    assert.equal(sink.sent, FORWARDED);
    assert.ok(growth < MAX_BYTES, `${growth} bytes per packet`);
  });
}

Deno.test("UpTrack's audio/opus is sent twice more to ten subscribers with under 4 heap bytes per packet", () => {
  const sink = new NullSink();
  const payload = new Uint8Array(80).fill(7);
  const step = soundStep(sink, codec("audio/opus", 111), payload, COPIES.none, 2);
  const growth = growthPerStep(FORWARDED / DOWN_TRACKS, step) / DOWN_TRACKS;
  // The first has none before it, and the second but one.
  assert.equal(sink.sent, 3 * FORWARDED - 3 * DOWN_TRACKS);
  assert.ok(growth < MAX_BYTES, `${growth} bytes per packet`);
});

Deno.test("UpTrack.receive() compares how loud many microphones are with under 4 heap bytes per packet", () => {
  const microphones = 100;
  const rooms = new LoudestRooms();
  rooms.limit("RM_loud", 5, 0);
  const sink = new NullSink();
  const opus = codec("audio/opus", 111);
  const tracks = Array.from({ length: microphones }, (_, i) => {
    const up = new UpTrack({
      kind: "audio",
      extensions: [{ id: 1, uri: EXTENSION_URI.audioLevel }],
      listener: { onNack() {}, onKeyFrameNeeded() {} },
      loudest: rooms,
    });
    up.bindLayer(0, i + 1, opus, 0);
    const section = {
      mid: "1",
      kind: "audio",
      ssrc: i + 1,
      codecs: [opus],
      extensions: [],
    } as const;
    const target = { enabled: true, maxSpatial: 0, maxTemporal: 3, loudestOf: "RM_loud" } as const;
    const listener = layerListener();
    up.addDownTrack(
      new DownTrack({
        section,
        publisherExtensions: up.extensions,
        sink,
        place: undefined,
        listener,
        target,
      }),
      0,
    );
    const bytes = rtpPacket({
      ssrc: i + 1,
      payloadType: 111,
      extensions: { 1: Uint8Array.of(30 + i % 60) },
      payload: new Uint8Array(80),
    });
    return { up, bytes, view: new RtpView() };
  });
  let sequence = 0;
  const growth = untilQuiet(() =>
    growthPerStep(200_000, (i) => {
      const { up, bytes, view } = tracks[i % microphones]!;
      if (i % microphones === 0) sequence = (sequence + 1) & 0xffff;
      writeUint32(bytes, 4, sequence * 960);
      bytes[2] = sequence >> 8;
      bytes[3] = sequence & 0xff;
      // A syllable now and then, so that places change.
      bytes[17] = (i >> 10) % microphones === i % microphones ? 10 : 30 + i % 60;
      view.wrap(bytes);
      up.receive(0, view, 1_000_000 + sequence * 20);
    })
  );
  assert.ok(sink.sent > 5_000, `${sink.sent} packets were forwarded`);
  assert.ok(growth < MAX_BYTES, `${growth} bytes per packet`);
});

Deno.test("FanOutBatch gives sound of many rooms to their connections with under 4 heap bytes per packet", () => {
  const [rooms, speakers, subscribers] = [16, 2, 3];
  const sink = new NullSink();
  const batch = new FanOutBatch();
  const codecs = [codec("audio/opus", 111)];
  const target = { enabled: true, maxSpatial: 0, maxTemporal: 3 } as const;
  const tracks = Array.from({ length: rooms * speakers }, (_, at) => {
    const listener = { onNack() {}, onKeyFrameNeeded() {} };
    const up = new UpTrack({ kind: "audio", extensions: [], listener, batch });
    up.bindLayer(0, 0xfedc_ba98, codecs[0]!, 0);
    for (let i = 0; i < subscribers; i++) {
      const down = new DownTrack({
        section: { mid: "0", kind: "audio", ssrc: 0xf000_0000 + at, codecs, extensions: [] },
        publisherExtensions: [],
        sink,
        place: i * rooms + at % rooms,
        listener: layerListener(),
        target,
      });
      up.addDownTrack(down, 0);
    }
    const payload = new Uint8Array(60 + at);
    return { up, bytes: rtpPacket({ ssrc: 0xfedc_ba98, payloadType: 111, payload }) };
  });
  const view = new RtpView();
  const turns = 10_000;
  const growth = growthPerStep(turns, (i) => {
    for (const { up, bytes } of tracks) {
      writeUint16(bytes, 2, i & 0xffff);
      writeUint32(bytes, 4, i * 960);
      view.wrap(bytes);
      up.receive(0, view, i * 20);
    }
    batch.begin(i * 20);
    batch.end(i * 20);
  }) / (tracks.length * subscribers);
  assert.equal(sink.sent, turns * tracks.length * subscribers);
  assert.ok(growth < MAX_BYTES, `${growth} bytes per packet`);
});

Deno.test("A relay carries packets to another engine with under 4 heap bytes per subscriber", () => {
  const sink = new NullSink();
  const received = FORWARDED / DOWN_TRACKS;
  const perReceived = growthPerStep(received, forwardingStep(sink, true));
  assert.equal(sink.sent, FORWARDED);
  assert.ok(
    perReceived / DOWN_TRACKS < MAX_BYTES,
    `${perReceived / DOWN_TRACKS} bytes per forwarded packet`,
  );
});

Deno.test("growthPerStep() sees one small object per step, so the gate can fail", () => {
  const kept: { value: number }[] = new Array(STRETCH).fill({ value: 0 });
  const perStep = growthPerStep(20 * STRETCH, (i) => {
    kept[i % STRETCH] = { value: i };
  });
  assert.ok(perStep > MAX_BYTES, `${perStep} bytes per step`);
});

Deno.test("untilQuiet() is content with one quiet measurement, and takes no steady growth for noise", () => {
  const measured = [14.4, 0.3, 0.1];
  assert.equal(untilQuiet(() => measured.shift()!), 0.3);
  let count = 0;
  assert.equal(untilQuiet(() => MAX_BYTES + count++), MAX_BYTES);
  assert.equal(count, ATTEMPTS);
  assert.ok(Number.isNaN(untilQuiet(() => NaN)), "nothing measured is not quiet");
});

Deno.test("UpTrack.receive() selects inside SVC streams with under 4 heap bytes per packet", () => {
  const sink = new NullSink();
  const extensions = [{ id: 5, uri: EXTENSION_URI.dependencyDescriptor }];
  const up = new UpTrack({
    kind: "video",
    extensions,
    listener: { onNack() {}, onKeyFrameNeeded() {} },
  });
  up.bindLayer(0, 7, codec("video/AV1", 96), 0);
  for (let i = 0; i < DOWN_TRACKS; i++) {
    const down = new DownTrack({
      section: {
        mid: String(i),
        kind: "video",
        ssrc: 0xf000_0000 + i,
        codecs: [codec("video/AV1", 100)],
        extensions,
      },
      publisherExtensions: extensions,
      sink,
      place: undefined,
      listener: layerListener(),
      target: { enabled: true, maxSpatial: 1, maxTemporal: 3 },
    });
    up.addDownTrack(down, 0);
  }
  const described = (number: number, s: number, key: boolean) =>
    packetWith(
      { ssrc: 7, payloadType: 96, payload: new Uint8Array(1000).fill(0x10) },
      descriptorOf(
        {
          number,
          picture: 0,
          s,
          t: 0,
          key,
          refs: key ? [] : [number - 3],
          chainDiffs: [0, 0, 0],
          packets: 1,
        },
        true,
        true,
        "L3T3_KEY",
      ),
    );
  const key = described(0, 0, true);
  const deltas = [0, 1, 2].map((s) => described(3, s, false));
  const view = new RtpView();
  const step = (i: number) => {
    const packet = i === 0 ? key : deltas[i % 3]!;
    const picture = Math.floor(i / 3);
    packet[2] = (i >> 8) & 0xff;
    packet[3] = i & 0xff;
    packet[6] = (picture >> 8) & 0xff;
    packet[7] = picture & 0xff;
    // Behind the fixed header, the block's head and the element's head: first byte, frame number.
    packet[19] = (i >> 8) & 0xff;
    packet[20] = i & 0xff;
    if (!view.wrap(packet)) throw new Error("bad test packet");
    up.receive(0, view, i);
  };
  const perReceived = growthPerStep(20 * STRETCH, step);
  assert.ok(sink.sent > 20 * STRETCH, `${sink.sent} packets sent`);
  assert.ok(perReceived / DOWN_TRACKS < MAX_BYTES, `${perReceived / DOWN_TRACKS} bytes`);
});

const native = SRTP_TWINS.find(({ name }) => name === "native");
const nativeRecords = RECORD_TWINS.find(({ name }) => name === "native");

for (const profile of SRTP_PROFILES) {
  Deno.test({
    name: `SrtpSession.protectWritten() on libcrypto takes under 4 heap bytes (profile ${profile})`,
    ignore: native === undefined,
    fn: () => {
      const session = new SrtpSession({
        parameters: randomParameters(profile, new SeededRandom(1)),
        drops: new DropCounters(),
        cipherFactory: native!.factory,
      });
      const header = rtpPacket({ ssrc: 0xfedc_ba98, payloadType: 96, payload: new Uint8Array(2) });
      const out = new Uint8Array(1_536);
      const source = new Uint8Array(100_000);
      const packet = writtenPacket(header, header.length, source, 0, 1_150);
      let sealed = 0;
      const perPacket = growthPerStep(100 * STRETCH, (i) => {
        out.set(header);
        out[2] = (i >> 8) & 0xff;
        out[3] = i & 0xff;
        packet.sequence = i;
        packet.sourceAt = i & 0xffff;
        sealed += session.protectWritten(out, packet);
      });
      session.close();
      assert.ok(sealed > 100 * STRETCH * 1_150);
      assert.ok(perPacket < MAX_BYTES, `${perPacket} bytes per packet`);
    },
  });
}

for (const profile of SRTP_PROFILES) {
  Deno.test({
    name: `RtpOutlet seals what down-tracks write with under 4 heap bytes (profile ${profile})`,
    ignore: native === undefined,
    fn: () => {
      const session = new SrtpSession({
        parameters: randomParameters(profile, new SeededRandom(1)),
        drops: new DropCounters(),
        cipherFactory: native!.factory,
      });
      const slot = new Uint8Array(1_536);
      let bytes = 0;
      const mediaPath = slotPath(slot, (length) => void (bytes += length));
      const outlet = new RtpOutlet({ mediaPath }, new ForwardLatency());
      outlet.keys = () => session;
      const perReceived = growthPerStep(50 * STRETCH, forwardingStep(outlet));
      session.close();
      assert.ok(bytes > 50 * STRETCH * DOWN_TRACKS * 12, `${bytes} bytes sealed`);
      assert.ok(perReceived / DOWN_TRACKS < MAX_BYTES, `${perReceived / DOWN_TRACKS} bytes`);
    },
  });
}

Deno.test({
  name: "DataOutlet seals, and DtlsSession opens, on libcrypto with under 4 heap bytes per record",
  ignore: nativeRecords === undefined,
  fn: async () => {
    const [server, client] = [createCertificate(), createCertificate()];
    const recordCipherFactory = nativeRecords!.factory;
    const pair = new DtlsTwins({ client, server, recordCipherFactory });
    await pair.run(200);
    const slot = new Uint8Array(1_536);
    let sent = 0;
    let heard = 0;
    pair.server.onData = (_bytes, at, length) => void (heard += at + length);
    const mediaPath = slotPath(slot, (length) => {
      sent += length;
      pair.server.session.receive(slot, length);
    });
    const outlet = new DataOutlet({ mediaPath }, pair.client.session);
    const packet = new Uint8Array(1_152);
    let records = 0;
    const perRecord = untilQuiet(() =>
      growthPerStep(100 * STRETCH, () => {
        packet[0] = records & 0xff;
        outlet.send(packet, 150 + (records++ & 511));
      })
    );
    assert.equal(heard, sent - records * 16, "all was opened");
    assert.ok(perRecord < MAX_BYTES, `${perRecord} bytes per record`);
    await pair.close();
  },
});

Deno.test({
  name: "openNativeDatagrams() sends with under 4 heap bytes per datagram, singly and in runs",
  ignore: mustIgnoreNative(),
  fn: async () => {
    await using peer = await openNativePeer();
    // Two destinations that nobody reads; addresses as they come with a datagram.
    await using one = await openNativePeer();
    await using other = await openNativePeer();
    for (const { socket } of [one, other]) socket.send(Uint8Array.of(1), 1, peer.address);
    await peer.received(2);
    const remotes = peer.arrivals.map(({ remote }) => remote);
    for (const run of [1, 8]) {
      const perDatagram = untilQuiet(() => {
        const sentBefore = peer.socket.counters.sent;
        const growth = growthPerStep(50 * STRETCH, (i) => {
          const slot = peer.socket.reserve();
          if (slot === undefined) return;
          slot[0] = i & 0xff;
          peer.socket.commit(1_200, remotes[Math.floor(i / run) & 1]!, SendKind.video);
          if (i % 100 === 99) peer.socket.flush();
        });
        assert.equal(peer.socket.counters.sent - sentBefore, 50 * STRETCH);
        return growth;
      });
      assert.ok(perDatagram < MAX_BYTES, `${perDatagram} bytes per datagram in runs of ${run}`);
    }
  },
});

/** Slots that datagrams wait in. */
const WAITING = 64;

/** A way of datagrams, as a socket's send queue: they wait until they are taken. */
class WaitingDatagrams {
  readonly #slots = Array.from({ length: WAITING }, () => new Uint8Array(1_536));
  readonly #lengths = new Int32Array(WAITING);
  #count = 0;

  reserve(): Uint8Array {
    return this.#slots[this.#count]!;
  }

  commit(length: number): void {
    this.#lengths[this.#count++] = length;
  }

  arrive(at: HopLink, now: number): void {
    for (let i = 0; i < this.#count; i++) at.receive(this.#slots[i]!, this.#lengths[i]!, now);
    this.#count = 0;
    at.endBatch(now);
  }
}

/** Two ends of a hop; `step` writes a packet, and carries everything across now and then. */
function hopStep(crypto: HopCrypto) {
  const random = new SeededRandom(1);
  const secret = random.bytes(32);
  let now = 1_000;
  const clock = { now: () => now, nowUs: () => now * 1000, wallMs: () => now };
  const listener = { onBlocked() {}, onRestarted() {} };
  const ways = [new WaitingDatagrams(), new WaitingDatagrams()] as const;
  const [near, far] = ways.map((udp, i) =>
    new HopLink({
      crypto,
      secret,
      nonce: random.bytes(16),
      // Above 2^31, which small integers do not hold.
      ourId: 0xf000_0000 + i,
      theirId: 0xf000_0001 - i,
      clock,
      drops: new DropCounters(),
      udp,
      listener,
    })
  ) as [HopLink, HopLink];
  near.setActive(true);
  const { writer } = near.channel;
  const { reader } = far.channel;
  const length = PACKET_HEAD_WORDS + 300;
  let read = 0;
  const exchange = () => {
    near.tick(now);
    ways[0].arrive(far, now);
    ways[1].arrive(near, now);
  };
  while (!near.stats.connected) exchange();
  const step = (i: number) => {
    now = 1_000 + (i >> 2);
    const at = writer.reserve(RELAY.packet, length);
    for (let word = 0; word < length; word++) writer.words[at + word] = i;
    writer.commit();
    if ((i & 7) !== 7) return;
    writer.wake();
    ways[0].arrive(far, now);
    while (reader.next()) read++;
    reader.release();
    ways[1].arrive(near, now);
  };
  return { near, step, read: () => read };
}

/** Of it what is heard of arrivals boxes some numbers for each group of 5 ms: 20 packets here. */
const MAX_HOP_BYTES = 12;

Deno.test({
  name: "A hop carries packets to another node with under 12 heap bytes each, feedback included",
  ignore: native === undefined,
  fn: () => {
    // The library that the other tests use: calls of two could not be told apart at compile time.
    const result = nativeCrypto({ ok: true, library: LIBCRYPTO! });
    assert.ok(result.ok);
    const { crypto } = result;
    const perPacket = untilQuiet(() => {
      const { step, near, read } = hopStep(crypto);
      const growth = growthPerStep(50 * STRETCH, step);
      assert.equal(read(), 50 * STRETCH);
      assert.equal(near.stats.repairsOut, 0);
      near.close();
      return growth;
    });
    assert.ok(perPacket < MAX_HOP_BYTES, `${perPacket} bytes per packet`);
  },
});

/** Numbers that are boxed where the compiler, which decides by time, leaves a call a call. */
const MAX_BOXES_BYTES = 160;

Deno.test("SendEstimate takes packets with under 4 heap bytes each, and feedback with a few boxes", () => {
  const estimate = new SendEstimate();
  const message = new TransportFeedback();
  const perMessage = 10;
  message.statusCount = perMessage;
  // Time and numbers go on where it is measured again.
  let sent = 0;
  const nowAt = (packet: number) => 1_000 + packet * 5;
  const send = () => {
    estimate.sent(sent & 0xffff, 1_100, SENT.media, 0, nowAt(sent));
    sent++;
  };
  const answer = () => {
    const first = sent - perMessage;
    message.baseSequence = first & 0xffff;
    // 64 ms steps of a clock that runs beside ours, and a packet each 5 ms.
    message.referenceTime = Math.floor(nowAt(first) / 64) & 0xffffff;
    message.deltas.fill(20, 0, perMessage);
    message.deltas[0] = (nowAt(first) % 64) * 4;
    if (sent % 1_000 === 0) message.deltas[5] = NOT_RECEIVED;
    const now = nowAt(sent - 1);
    estimate.feedback(message, now);
    if (now >= estimate.nextWakeAt()) estimate.tick(now);
  };
  const perAnswered = untilQuiet(() =>
    growthPerStep(10 * STRETCH, () => {
      for (let i = 0; i < perMessage; i++) send();
      answer();
    }) * MAX_BYTES / MAX_BOXES_BYTES
  ) * MAX_BOXES_BYTES / MAX_BYTES;
  assert.ok(estimate.ackedBps > 1_000_000, `${estimate.ackedBps} bit/s acknowledged`);
  assert.ok(perAnswered < MAX_BOXES_BYTES, `${perAnswered} bytes for ten packets and a message`);
  const perPacket = untilQuiet(() => growthPerStep(20 * STRETCH, send));
  assert.ok(perPacket < MAX_BYTES, `${perPacket} bytes per packet`);
});

Deno.test("SendEstimate on a calm path takes packets with and without numbers alike", () => {
  const estimate = new SendEstimate(SAMPLED_ESTIMATE);
  estimate.setDemand(100_000, 1_000_000, 0, 0);
  const message = new TransportFeedback();
  let numbered = 0;
  let told = 0;
  let now = 1_000;
  let asked = 0;
  let firstAt = 0;
  const send = () => {
    now += 5;
    asked++;
    if (!estimate.numbers(now)) return estimate.skipped(600, now);
    if (numbered === told) firstAt = now;
    estimate.sent(numbered++ & 0xffff, 600, SENT.media, 0, now);
  };
  const round = () => {
    for (let i = 0; i < 10; i++) send();
    message.baseSequence = told & 0xffff;
    message.statusCount = numbered - told;
    told = numbered;
    if (message.statusCount > 0) {
      message.referenceTime = Math.floor(firstAt / 64) & 0xffffff;
      message.deltas.fill(20, 0, message.statusCount);
      message.deltas[0] = (firstAt % 64) * 4;
      estimate.feedback(message, now);
    }
    if (now >= estimate.nextWakeAt()) estimate.tick(now);
  };
  for (let i = 0; i < 1_000; i++) round();
  const before = [asked, numbered] as const;
  const perRound =
    untilQuiet(() => growthPerStep(10 * STRETCH, round) * MAX_BYTES / MAX_BOXES_BYTES) *
    MAX_BOXES_BYTES / MAX_BYTES;
  assert.ok(
    perRound < MAX_BOXES_BYTES,
    `${perRound} bytes for ten packets and what is told of them`,
  );
  const share = (numbered - before[1]) / (asked - before[0]);
  assert.ok(share < 0.2, `${share} of the packets had numbers`);
});
