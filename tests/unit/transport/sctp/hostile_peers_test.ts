/** What an authenticated peer that means harm can make data channels keep or do. */
import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { DataChannels, MAX_CHANNELS } from "../../../../lib/transport/sctp/data_channels.ts";
import { CHUNK, MAX_PACKET_BYTES } from "../../../../lib/transport/sctp/sctp_packet.ts";
import { writeOpen } from "../../../../lib/transport/sctp/data_channel_messages.ts";
import { chunk, RawSctpPeer, u16, u32 } from "../../../support/virtual/raw_sctp_peer.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

/** Data channels in front of a raw peer that has begun properly. */
class Attack {
  readonly peer = new RawSctpPeer();
  readonly drops = new DropCounters();
  readonly events: string[] = [];
  readonly out = new Uint8Array(MAX_PACKET_BYTES);
  readonly channels: DataChannels;
  now = 1_000;

  constructor(onMessage: (label: string) => void = () => {}) {
    this.channels = new DataChannels({
      role: "accept",
      dtlsRole: "server",
      remotePort: 5000,
      maxMessageSize: 0,
      random: new SeededRandom(1),
      drops: this.drops,
      listener: {
        onOpen: (label) => this.events.push(`open ${label}`),
        onMessage,
        onClosed: (label) => this.events.push(`closed ${label}`),
        onFailed: (reason) => this.events.push(reason),
      },
    }, this.now);
    // The raw peer's packets go to the channels in place of its own association.
    const { association } = this.peer;
    association.receive = (bytes, length) => this.channels.receive(bytes, length, this.now);
    association.poll = (out) => this.channels.poll(out, this.now);
    this.peer.begin();
  }

  /** The bytes that our side sends now. */
  flush(): number {
    this.channels.deliver(Infinity, this.now);
    let total = 0;
    for (let n; (n = this.channels.poll(this.out, this.now)) > 0;) total += n;
    return total;
  }
}

const opening = (peer: RawSctpPeer, streamId: number, streamSeq = 0) =>
  peer.data([...writeOpen(`c${streamId}`, { ordered: true })], { streamId, streamSeq, ppid: 50 });

const resetting = (peer: RawSctpPeer, number: number, streamId: number) =>
  chunk(CHUNK.reconfig, 0, [
    ...[...u16(13), ...u16(18), ...u32(number), ...u32(0), ...u32(peer.tsn - 1)],
    ...u16(streamId),
  ]);

Deno.test("DataChannels opens no more of 3,000 channels than there may be", () => {
  const attack = new Attack();
  const { peer, drops, events } = attack;
  for (let i = 0; i < 3_000; i++) {
    peer.packet([opening(peer, 2 * (i % 1_000), Math.floor(i / 1_000))]);
    if (i % 50 === 0) attack.flush();
  }
  attack.flush();
  assert.equal(events.length, MAX_CHANNELS);
  const refused = drops.get("data_too_many_channels") + drops.get("data_repeated_open");
  assert.equal(refused, 3_000 - MAX_CHANNELS);
});

Deno.test("DataChannels sends little to a peer that opens and closes channels and acknowledges nothing", () => {
  const attack = new Attack();
  const { peer, drops, events } = attack;
  const number = peer.tsn;
  let sent = 0;
  for (let i = 0; i < 20_000; i++) {
    const streamId = 2 * (i % 500);
    peer.packet([opening(peer, streamId)]);
    peer.packet([resetting(peer, number + i, streamId)]);
    sent += attack.flush();
    attack.now += 1;
  }
  // 20 s allow 20 more than there may be at once.
  const opened = events.filter((event) => event.startsWith("open")).length;
  assert.ok(opened <= MAX_CHANNELS + 21, `${opened} opened`);
  assert.ok(drops.get("data_channels_opened_too_fast") > 19_000);
  // An acknowledgement and a response for each.
  assert.ok(sent < 20_000 * 120, `${sent} bytes`);
});

/** Chunks of one byte from `first` on that are one endless message. */
function fragments(attack: Attack, first: number): void {
  const { peer, events } = attack;
  for (let i = 0; i < 160_000 && events.length < 2; i += 40) {
    peer.packet(
      Array.from(
        { length: 40 },
        (_, n) => peer.data(1, { tsn: first + i + n, flags: i + n === 0 ? 2 : 0, streamSeq: 1 }),
      ),
    );
    attack.flush();
  }
}

Deno.test("DataChannels ends an association with a message of 160,000 fragments of a byte", () => {
  const attack = new Attack();
  attack.peer.packet([opening(attack.peer, 0)]);
  fragments(attack, attack.peer.tsn);
  assert.deepEqual(attack.events, ["open c0", "message_too_large"]);
});

Deno.test("DataChannels keeps few of 160,000 fragments that wait for one that never comes", () => {
  const attack = new Attack();
  attack.peer.packet([opening(attack.peer, 0)]);
  fragments(attack, attack.peer.tsn + 1);
  assert.deepEqual(attack.events, ["open c0"]);
  const { drops } = attack;
  const refused = drops.get("sctp_window_exceeded") + drops.get("sctp_tsn_too_far");
  assert.ok(160_000 - refused <= 8_192, `${160_000 - refused} kept`);
});

Deno.test("DataChannels keeps no more of fragments that never fit together than the window", () => {
  const attack = new Attack();
  const { peer, drops } = attack;
  const first = peer.tsn;
  for (let i = 0; i < 4_000; i++) {
    // Every other one, each the beginning of something.
    peer.packet([peer.data(1_000, { tsn: first + 1 + 2 * i, flags: 2 })]);
    if (i % 100 === 0) attack.flush();
  }
  assert.ok(4_000 - drops.get("sctp_window_exceeded") < 1024 * 1024 / 1_000);
});

Deno.test("DataChannels answers a flood of gaps with SACKs that stay within a packet", () => {
  const attack = new Attack();
  const { peer } = attack;
  const first = peer.tsn;
  for (let i = 1; i < 4_000; i++) {
    peer.packet([peer.data(1, { tsn: first + 2 * i, flags: 7 })]);
    if (i % 10 !== 0) continue;
    const sent = attack.flush();
    assert.ok(sent > 0 && sent <= MAX_PACKET_BYTES, `${sent} bytes`);
  }
});

Deno.test("DataChannels bears a flood of FORWARD-TSN with every stream in it", () => {
  const attack = new Attack();
  const { peer, events } = attack;
  for (let i = 0; i < 3_000; i++) {
    const streams = Array.from({ length: 250 }, (_, n) => [...u16(n), ...u16(i * 7 + n)]).flat();
    peer.tsn += 1 + (i % 50) * 100;
    peer.packet([chunk(CHUNK.forwardTsn, 0, [...u32(peer.tsn - 1), ...streams])]);
    if (i % 100 === 0) attack.flush();
  }
  peer.packet([opening(peer, 600)]);
  attack.flush();
  assert.deepEqual(events, ["open c600"]);
});

Deno.test("DataChannels keeps no more messages before their turn than the window", () => {
  const attack = new Attack();
  const { peer, drops } = attack;
  peer.packet([opening(peer, 0)]);
  for (let i = 0; i < 30_000; i++) {
    peer.packet([peer.data(1, { streamId: 0, streamSeq: 2 + (i % 20_000) })]);
    if (i % 100 === 0) attack.flush();
  }
  // Each costs what it costs to keep; what comes behind one that was refused is soon too far.
  const refused = drops.get("sctp_window_exceeded") + drops.get("sctp_tsn_too_far");
  assert.ok(30_000 - refused < 12_000, `${30_000 - refused} kept`);
});

Deno.test("DataChannels keeps few ends of streams of a peer that ends them by the thousand", () => {
  const attack = new Attack();
  const { peer, channels } = attack;
  const number = peer.tsn;
  peer.packet([opening(peer, 0)]);
  attack.flush();
  for (let i = 0; i < 500; i++) {
    const streams = Array.from({ length: 500 }, (_, n) => u16(n % 250 + 1)).flat();
    const body = [...u16(13), ...u16(16 + streams.length), ...u32(number + i), ...u32(0)];
    peer.packet([chunk(CHUNK.reconfig, 0, [...body, ...u32(peer.tsn - 1), ...streams])]);
  }
  let kept = 0;
  while (channels.hasMessages) {
    channels.deliver(1, attack.now);
    kept++;
  }
  // What each weighs fills the window, beyond which one request may go.
  assert.ok(kept < 1024 * 1024 / 96 + 250, `${kept} kept`);
});

Deno.test("DataChannels.holdReliable() leaves standing what goes on reliably, however it comes", () => {
  const heard: string[] = [];
  const attack = new Attack((label) => heard.push(label));
  const { peer, channels } = attack;
  ["own", "_reliable", "_lossy"].forEach((label, i) =>
    peer.packet([
      peer.data([...writeOpen(label, { ordered: false, maxRetransmits: 0 })], {
        streamId: 2 * i,
        ppid: 50,
      }),
    ])
  );
  attack.flush();
  channels.holdReliable(true);
  for (const streamId of [0, 2, 4]) peer.packet([peer.data(1, { streamId, flags: 7 })]);
  attack.flush();
  assert.deepEqual(heard, ["_lossy"]);
  channels.holdReliable(false);
  attack.flush();
  assert.deepEqual(heard, ["_lossy", "own", "_reliable"]);
});

Deno.test("SctpAssociation reads one SACK of a packet, and a cookie only where it stands first", () => {
  const peer = new RawSctpPeer();
  const cookie = peer.begin();
  for (const text of ["a", "b"]) {
    const bytes = new TextEncoder().encode(text);
    peer.association.send(1, 53, bytes, true, -1, Infinity);
    peer.sent();
  }
  peer.packet([peer.sack(1), peer.sack(2)]);
  assert.equal(peer.drops.get("sctp_bad_chunk"), 1);
  peer.packet([peer.sack(2)]);
  peer.packet([peer.sack(2), chunk(CHUNK.cookieEcho, 0, [...cookie])]);
  assert.equal(peer.drops.get("sctp_bad_chunk"), 2);
  assert.ok(!peer.sent().some(({ type }) => type === CHUNK.cookieAck));
});

/** A chunk that a peer could send, near what makes sense. */
function anyChunk(peer: RawSctpPeer, random: SeededRandom, cookie: Uint8Array): number[] {
  const near = (reference: number, span: number) => reference - 2 + random.below(span);
  const tsn = near(peer.tsn, 8);
  if (random.chance(0.3)) peer.tsn++;
  const streamId = random.below(5);
  switch (random.below(11)) {
    case 0:
    case 1:
      return peer.data(1 + random.below(60), {
        ...{ tsn, streamId, streamSeq: random.below(4), flags: random.below(16) },
        ppid: random.chance(0.2) ? 50 : 53,
      });
    case 2: {
      const from = 2 + random.below(3);
      return peer.sack(random.below(6), random.below(3) * 700, [[from, from + random.below(3)]]);
    }
    case 3:
      return peer.sack(random.below(6), random.chance(0.5) ? 0 : 1 << 20);
    case 4:
      return chunk(CHUNK.forwardTsn, 0, [...u32(tsn), ...u16(streamId), ...u16(random.below(4))]);
    case 5: {
      const type = 13 + random.below(6);
      const head = [...u32(near(5_000, 6)), ...u32(near(peer.theirTsn, 4)), ...u32(tsn)];
      return chunk(CHUNK.reconfig, 0, [...u16(type), ...u16(18), ...head, ...u16(streamId)]);
    }
    case 6:
      return chunk(CHUNK.heartbeat, 0, [0, 1, 0, 8, 1, 2, 3, 4]);
    case 7:
      return chunk(CHUNK.cookieEcho, 0, [...cookie]);
    case 8:
      return chunk(CHUNK.cookieAck, 0, []);
    case 9:
      return random.chance(0.05) ? chunk(CHUNK.shutdown, 0, u32(peer.theirTsn)) : peer.init();
    default:
      return chunk(CHUNK.error, 0, [0, 3, 0, 8, 0, 0, 0, 0]);
  }
}

Deno.test("SctpAssociation has nothing due when it was polled for all, whatever a peer sends", () => {
  for (let seed = 1; seed <= 150; seed++) {
    const random = new SeededRandom(seed);
    const peer = new RawSctpPeer(seed);
    const cookie = peer.begin();
    const { association } = peer;
    for (let step = 0; step < 150; step++) {
      const count = 1 + random.below(4);
      const chunks = Array.from({ length: count }, () => anyChunk(peer, random, cookie));
      const isInit = chunks[0]![0] === CHUNK.init;
      peer.packet(isInit ? [chunks[0]!] : chunks, isInit ? 0 : peer.theirTag);
      if (random.chance(0.4)) {
        const length = 1 + random.below(4_000);
        const limit = random.chance(0.5) ? -1 : 0;
        const expiresAt = random.chance(0.2) ? peer.now + 300 : Infinity;
        const streamId = random.below(5);
        association.send(
          streamId,
          53,
          new Uint8Array(length),
          random.chance(0.5),
          limit,
          expiresAt,
        );
      }
      if (random.chance(0.1)) association.resetStreams([random.below(5)]);
      if (random.chance(0.5)) peer.taken();
      peer.sent();
      const due = association.nextWakeAt();
      assert.ok(due > peer.now, `seed ${seed}, step ${step}: due ${due} at ${peer.now}`);
      if (random.chance(0.3) && due !== Infinity) peer.now = Math.ceil(due);
      else peer.now += random.below(50);
      peer.sent();
      assert.ok(association.nextWakeAt() > peer.now, `seed ${seed}, step ${step}: after time`);
    }
  }
});
