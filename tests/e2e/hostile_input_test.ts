/**
 * What strangers and authenticated peers may throw at the media port without anybody else noticing:
 * while they do, another publisher's packets all reach another subscriber. Needs no browser.
 *
 * That media "does not pause" is asserted without a clock: packets are sent all through an attack,
 * between its datagrams, and every one of them must arrive, in order.
 */
import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import type { UpTrackId } from "../../lib/base/ids.ts";
import { DropCounters } from "../../lib/base/drop_counters.ts";
import { SrtpSession } from "../../lib/transport/srtp/srtp_session.ts";
import {
  hostileDatagrams,
  mutations,
  spoofedDtls,
  truncations,
  unprovenRequests,
} from "../support/hostile/hostile_bytes.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { bindingRequest } from "../support/wire/stun_requests.ts";
import {
  audioSection,
  AudioStream,
  PUBLISHED_PT,
  TransportNumbers,
  videoSection,
} from "../support/wire/wire_media.ts";
import { userPacket } from "../support/wire/user_packet.ts";
import { type Peer, WireRoom } from "../support/wire/wire_room.ts";
import { openWireSocket } from "../support/wire/wire_socket.ts";

/** A datagram of the attack is followed by a packet of the bystanders this often. */
const ATTACKS_PER_PACKET = 8;
/** Let the engine's socket empty its buffer: an overrun buffer loses packets whoever sent them. */
const ATTACKS_PER_PAUSE = 32;

/** Two who only want to talk to each other. */
class Bystanders {
  readonly #stream = new AudioStream(2000, "0", new TransportNumbers());
  #sent = 0;

  private constructor(
    private readonly room: WireRoom,
    readonly publisher: Peer,
    readonly subscriber: Peer,
  ) {}

  static async in(room: WireRoom): Promise<Bystanders> {
    const publisher = await room.connect();
    const subscriber = await room.connect();
    const upTrack = "bystander" as UpTrackId;
    room.send({
      type: "set_receive",
      connection: publisher.id,
      sections: [audioSection("0", upTrack)],
    });
    room.subscribe(subscriber, upTrack, "audio", 9000);
    return new Bystanders(room, publisher, subscriber);
  }

  async talk(): Promise<void> {
    this.#sent++;
    await this.publisher.client.sendRtp(this.#stream.packet());
  }

  /** Waits until the subscriber has everything sent so far. */
  async heard(): Promise<void> {
    await this.room.until(
      `all ${this.#sent} packets of the bystanders`,
      () => this.subscriber.client.rtpOf(9000).length >= this.#sent,
    );
  }

  /** Fails if anything was lost, repeated or out of order. */
  assertUnharmed(): void {
    const numbers = this.subscriber.client.rtpOf(9000).map((packet) => packet.sequenceNumber);
    assert.equal(numbers.length, this.#sent);
    numbers.slice(1).forEach((number, i) => assert.equal((number - numbers[i]!) & 0xffff, 1));
    const ended = this.room.events.filter(({ type }) =>
      type === "connection_failed" || type === "connection_interrupted"
    );
    assert.deepEqual(
      ended.filter((event) =>
        "connection" in event &&
        [this.publisher.id, this.subscriber.id].includes(event.connection)
      ),
      [],
    );
  }
}

/** Sends `attack` with the bystanders talking in between. */
async function underAttack(
  bystanders: Bystanders,
  attack: readonly Uint8Array[],
  send: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  for (const [i, bytes] of attack.entries()) {
    await send(bytes);
    if (i % ATTACKS_PER_PACKET === 0) await bystanders.talk();
    if (i % ATTACKS_PER_PAUSE === 0) await bystanders.heard();
  }
  await bystanders.talk();
  await bystanders.heard();
}

/**
 * A room with bystanders; afterwards they must be unharmed, with nothing thrown inside the engine
 * and no rejection unhandled. werift's client keeps timers, so the sanitizers are off.
 */
function hostileTest(
  name: string,
  body: (room: WireRoom, bystanders: Bystanders, random: SeededRandom) => Promise<void>,
): void {
  Deno.test({
    name,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: async () => {
      const rejections: unknown[] = [];
      const note = (event: PromiseRejectionEvent) => {
        event.preventDefault();
        rejections.push(event.reason);
      };
      addEventListener("unhandledrejection", note);
      try {
        await using room = await WireRoom.open();
        const bystanders = await Bystanders.in(room);
        await bystanders.talk();
        await bystanders.heard();
        await body(room, bystanders, new SeededRandom(2026));
        bystanders.assertUnharmed();
        assert.deepEqual(room.errors, [], "nothing failed inside the engine");
        await room.recount();
        assert.equal(room.drops.get("engine_threw") + room.drops.get("receive_threw"), 0);
      } finally {
        removeEventListener("unhandledrejection", note);
      }
      assert.deepEqual(rejections, []);
    },
  });
}

const address = (room: WireRoom, protocol: "udp" | "tcp") =>
  room.ready.addresses.find((candidate) => candidate.protocol === protocol)!;

for (const protocol of ["noise", "stun", "dtls", "rtp", "rtcp"] as const) {
  const counters = {
    noise: ["udp_unknown_protocol"],
    stun: ["stun_malformed"],
    dtls: ["udp_not_validated"],
    rtp: ["udp_not_validated"],
    rtcp: ["udp_not_validated"],
  }[protocol];
  hostileTest(
    `MediaEngine drops a stranger's random ${protocol} bytes by name`,
    async (room, bystanders, random) => {
      const stranger = await openWireSocket(address(room, "udp"));
      const attack = hostileDatagrams(protocol, random, 1_000);
      await underAttack(bystanders, attack, (bytes) => stranger.send(bytes));
      await room.recount();
      for (const counter of counters) assert.ok(room.drops.get(counter) > 100, counter);
      stranger.close();
    },
  );
}

hostileTest(
  "MediaEngine answers no request that does not prove the password, whole, cut or changed",
  async (room, bystanders, random) => {
    const stranger = await openWireSocket(address(room, "udp"));
    let answers = 0;
    stranger.onDatagram = () => answers++;
    const server = bystanders.publisher.remote;
    const proven = bindingRequest({
      server,
      clientUfrag: bystanders.publisher.local.ufrag,
      transaction: random.bytes(12),
      useCandidate: true,
    });
    // The last eight bytes, FINGERPRINT, are optional and not covered by the password.
    const signed = proven.slice(0, -8);
    const cut = truncations(proven).filter(({ length }) => length !== signed.length);
    const changed = mutations(proven, random, 300)
      .filter((bytes) => Buffer.compare(bytes.slice(0, -8), signed) !== 0);
    const attack = [...unprovenRequests(server, random), ...cut, ...changed];
    await underAttack(bystanders, attack, (bytes) => stranger.send(bytes));
    assert.equal(answers, 0);
    await room.recount();
    assert.equal(room.drops.get("stun_bad_integrity") >= 20, true);
    assert.ok(room.drops.get("stun_unknown_ufrag") >= 1);
    assert.ok(room.drops.get("stun_malformed") > 300);
    stranger.close();
  },
);

hostileTest(
  "MediaEngine ignores spoofed DTLS records from a foreign port",
  async (room, bystanders) => {
    const stranger = await openWireSocket(address(room, "udp"));
    const attack = spoofedDtls();
    await underAttack(bystanders, attack, (bytes) => stranger.send(bytes));
    await room.recount();
    assert.equal(room.drops.get("udp_not_validated"), attack.length);
    assert.equal(bystanders.publisher.client.closedByServer, false);
    stranger.close();
  },
);

hostileTest(
  "MediaEngine ignores the same records on a validated path, where a spoofed source puts them",
  async (room, bystanders) => {
    const victim = await room.connect({ dataChannels: "accept" });
    victim.client.channels!.open("_reliable", { ordered: true });
    await room.event("data_channel_open");
    const attack = spoofedDtls();
    await underAttack(bystanders, attack, (bytes) => victim.client.sendRaw(bytes));
    room.joinData(victim, { bridged: true });
    victim.client.channels!.send("_reliable", userPacket("still here"));
    await room.event("data_sent", ({ connection }) => connection === victim.id);
    await room.recount();
    assert.ok(room.drops.get("dtls_plaintext_record") + room.drops.get("dtls_plaintext_late") > 0);
    assert.ok(!room.events.some(({ type }) => type === "connection_failed"));
  },
);

hostileTest(
  "MediaEngine survives an authenticated peer's random bytes of every protocol",
  async (room, bystanders, random) => {
    const peer = await room.connect({ dataChannels: "accept" });
    const attack = (["noise", "stun", "dtls", "rtp", "rtcp"] as const)
      .flatMap((protocol) => hostileDatagrams(protocol, random, 300));
    await underAttack(bystanders, attack, (bytes) => peer.client.sendRaw(bytes));
    await room.recount();
    for (const counter of ["srtp_not_authentic", "srtcp_not_authentic", "stun_malformed"]) {
      assert.ok(room.drops.get(counter) > 0, counter);
    }
  },
);

hostileTest(
  "MediaEngine survives SCTP records of one byte, random and cut ones from an authenticated peer",
  async (room, bystanders, random) => {
    const peer = await room.connect({ dataChannels: "accept" });
    peer.client.channels!.open("_reliable", { ordered: true });
    await room.event("data_channel_open");
    const header = Uint8Array.of(0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0);
    const attack = [
      Uint8Array.of(0),
      new Uint8Array(0),
      ...truncations(header),
      header,
      ...Array.from({ length: 300 }, () => random.bytes(1 + random.below(200))),
      ...Array.from({ length: 300 }, () => {
        const bytes = new Uint8Array(12 + random.below(60));
        bytes.set(random.bytes(bytes.length));
        bytes.set(header.subarray(0, 4));
        return bytes;
      }),
    ];
    await underAttack(bystanders, attack, (bytes) => peer.client.sendData(bytes));
    const stats = await room.stats();
    const named = Object.keys(stats.drops).filter((reason) => reason.startsWith("sctp_"));
    assert.notDeepEqual(named, []);
    // Bytes without a valid checksum or tag harm not even their own association.
    room.joinData(peer, { bridged: true });
    peer.client.channels!.send("_reliable", userPacket("still here"));
    await room.event("data_sent", ({ connection }) => connection === peer.id);
  },
);

/** Seals what werift would refuse to send; SSRCs of its own keep the two senders' indices apart. */
function sealer(peer: Peer): SrtpSession {
  const { localKey, localSalt, remoteKey, remoteSalt } = peer.client.dtls.extractSessionKeys(
    16,
    14,
  );
  const parameters = {
    profile: 1,
    local: { key: localKey, salt: localSalt },
    remote: { key: remoteKey, salt: remoteSalt },
  } as const;
  return new SrtpSession({ parameters, drops: new DropCounters() });
}

hostileTest(
  "MediaEngine survives sealed RTP that makes no sense from a publisher",
  async (room, bystanders, random) => {
    const peer = await room.connect();
    const [video, watched] = ["hostile" as UpTrackId, bystanders.subscriber];
    room.send({ type: "set_receive", connection: peer.id, sections: [videoSection("0", video)] });
    room.subscribe(watched, video, "video", 7000);
    const session = sealer(peer);
    const attack = Array.from({ length: 1_500 }, () => {
      const packet = rtpPacket({
        ssrc: random.below(600) * 7,
        payloadType: random.chance(0.8) ? PUBLISHED_PT.vp8 + random.below(2) : random.below(64),
        sequenceNumber: random.uint32() & 0xffff,
        timestamp: random.uint32(),
        marker: random.chance(0.5),
        extensions: random.chance(0.8)
          ? {
            4: random.chance(0.7) ? "0" : random.bytes(1 + random.below(15)),
            10: "qhf"[random.below(3)]!,
          }
          : {},
        payload: random.bytes(random.below(60)),
        padding: random.chance(0.2) ? 1 + random.below(20) : 0,
      });
      // Padding counts that point before the payload, and the like.
      if (random.chance(0.2)) packet[packet.length - 1] = random.below(256);
      const bytes = new Uint8Array(packet.length + 32);
      bytes.set(packet);
      if (random.chance(0.3)) bytes[0] = (bytes[0]! & 0xd0) | 0x20;
      return bytes.slice(0, session.protectRtp(bytes, packet.length));
    });
    await underAttack(bystanders, attack, (bytes) => peer.client.sendRaw(bytes));
    const { drops } = await room.stats();
    for (const counter of ["rtp_unknown_ssrc", "rtp_malformed"]) {
      assert.ok((drops[counter] ?? 0) > 0, `${counter} in ${JSON.stringify(drops)}`);
    }
  },
);

hostileTest(
  "MediaEngine survives sealed RTCP that makes no sense from a subscriber",
  async (room, bystanders, random) => {
    const peer = await room.connect();
    room.subscribe(peer, "bystander" as UpTrackId, "audio", 8000);
    const session = sealer(peer);
    const attack = Array.from({ length: 1_500 }, () => {
      const length = 8 + random.below(120);
      const bytes = new Uint8Array(length + 32);
      bytes.set(random.bytes(length));
      bytes[0] = 0x80 | random.below(64);
      bytes[1] = 200 + random.below(8);
      const claimed = random.chance(0.7) ? (length >> 2) - 1 : random.uint32() & 0xffff;
      bytes[2] = claimed >> 8;
      bytes[3] = claimed & 0xff;
      // Feedback about the track that is really sent, so that it is acted upon.
      if (random.chance(0.5)) bytes.set([0, 0, 0x1f, 0x40], 8);
      return bytes.slice(0, session.protectRtcp(bytes, length));
    });
    await underAttack(bystanders, attack, (bytes) => peer.client.sendRaw(bytes));
    await room.recount();
    assert.ok(room.drops.get("rtcp_malformed") > 0);
  },
);

hostileTest(
  "MediaEngine ends TCP connections that send anything but a proven request first",
  async (room, bystanders, random) => {
    for (const protocol of ["noise", "dtls", "rtp"] as const) {
      const attack = hostileDatagrams(protocol, random, 20).filter(({ length }) => length > 0);
      for (const bytes of attack) {
        const stranger = await openWireSocket(address(room, "tcp"));
        await stranger.send(bytes);
        await bystanders.talk();
        if (bytes[0]! > 3) await stranger.ended;
        stranger.close();
      }
    }
    await bystanders.heard();
    await room.recount();
    assert.ok(room.drops.get("tcp_not_validated") > 0);
  },
);
