import assert from "node:assert/strict";
import { AacSound } from "../../../lib/ingress/aac_sound.ts";
import { Ogg } from "../../../lib/recording/container/ogg.ts";
import { joinBytes } from "../../../lib/base/joined_bytes.ts";
import { adtsFrame, readAacConfig } from "../../../lib/wire/aac_config.ts";
import { OggPackets } from "../../../lib/wire/ogg_packets.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

/** LC, 48 kHz, two channels (ISO/IEC 14496-3 §1.6.2.1). */
const CONFIG = Uint8Array.of(0x11, 0x90);

Deno.test("readAacConfig() takes the usual kind and no other", () => {
  assert.deepEqual(readAacConfig(CONFIG), { rateIndex: 3, sampleRate: 48_000, channels: 2 });
  assert.deepEqual(readAacConfig(Uint8Array.of(0x12, 0x08)), {
    rateIndex: 4,
    sampleRate: 44_100,
    channels: 1,
  });
  for (const other of [[0x2b, 0x92], [0x11, 0x80], [0x17, 0x90], [0x11], []]) {
    assert.equal(readAacConfig(Uint8Array.from(other)), undefined);
  }
});

Deno.test("adtsFrame() says what a frame is", () => {
  const frame = adtsFrame(readAacConfig(CONFIG)!, new Uint8Array(300))!;
  // §1.A.2.2: sync word, profile 1 (LC), index 3, channels 2, length 307.
  assert.deepEqual([...frame.subarray(0, 7)], [0xff, 0xf1, 0x4c, 0x80, 0x26, 0x7f, 0xfc]);
  assert.equal(adtsFrame(readAacConfig(CONFIG)!, new Uint8Array(0x2000)), undefined);
});

Deno.test("OggPackets reads what our own writer wrote, however it is cut", () => {
  for (const seed of [3, 77, 901]) {
    const random = new SeededRandom(seed);
    const ogg = new Ogg();
    const packets = Array.from({ length: 60 }, () => {
      const packet = Uint8Array.from(random.bytes(1 + random.below(600)));
      packet[0] = 0xfc;
      return packet;
    });
    const pieces = [ogg.head()];
    packets.forEach((data, at) => {
      const frame = { data, timestamp: 0, isKey: true, width: 0, height: 0 };
      ogg.add({ timeMs: at * 20, frame } as Parameters<Ogg["add"]>[0]);
      if (random.chance(0.3)) pieces.push(ogg.flush() ?? new Uint8Array(0));
    });
    const stream = joinBytes([...pieces, ogg.end()!]);
    const reader = new OggPackets();
    const read: Uint8Array[] = [];
    for (let at = 0; at < stream.length;) {
      const cut = 1 + random.below(400);
      reader.push(stream.subarray(at, at + cut), (packet) => read.push(packet));
      at += cut;
    }
    assert.deepEqual(read.slice(2).filter(({ length }) => length > 0), packets);
    assert.equal(reader.isBroken, false);
  }
  const broken = new OggPackets();
  broken.push(new Uint8Array(40), () => assert.fail());
  assert.equal(broken.isBroken, true);
});

Deno.test("AacSound gives packets times that follow the encoder's clock, jumps and all", () => {
  const times: number[] = [];
  const pushed: number[] = [];
  let make: (bytes: Uint8Array<ArrayBuffer>) => void = () => {};
  const sound = AacSound.begin(
    CONFIG,
    (packet) => {
      make = packet;
      return { push: ({ length }) => pushed.push(length), close: () => pushed.push(-1) };
    },
    (_packet, timeMs) => times.push(timeMs),
    () => {},
  )!;
  const packet = Uint8Array.of(1);
  make(packet);
  assert.deepEqual(times, [], "nothing came yet");
  sound.push(new Uint8Array(10), 1_000);
  sound.push(new Uint8Array(11), 1_021);
  for (let at = 0; at < 2; at++) make(packet);
  // A frame has 21.3 ms: half a second is missing before this one.
  sound.push(new Uint8Array(12), 1_543);
  make(packet);
  sound.push(new Uint8Array(12), 1_564);
  make(packet);
  sound.close();
  assert.deepEqual(pushed, [17, 18, 19, 19, -1]);
  assert.deepEqual(times.slice(0, 2), [1_000, 1_020]);
  const missing = 1_543 - (1_000 + 2 * 1024 / 48);
  assert.deepEqual(
    times.slice(2).map(Math.round),
    [1_040 + missing, 1_060 + missing].map(Math.round),
  );
  const none = AacSound.begin(CONFIG, () => undefined, () => {}, () => {});
  assert.equal(none, undefined);
});
