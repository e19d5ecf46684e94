/**
 * Whatever happens to a down-track, no number of its streams stands for two different packets: with
 * SRTP (RFC 3711 §9.1) that would tell what both say.
 */
import assert from "node:assert/strict";
import type { Copies } from "../../lib/media/down/audio_form.ts";
import { DownTrack } from "../../lib/media/down/down_track.ts";
import { Pacer } from "../../lib/media/down/pacer.ts";
import type { UpTrack } from "../../lib/media/up/up_track.ts";
import {
  codec,
  layerListener,
  publishedTrack,
  RecordingSink,
  viewOf,
  vp8Payload,
} from "../support/media/forwarding_fixtures.ts";
import { redundantPayload } from "../support/media/redundant_payload.ts";
import { rtpPacket } from "../support/media/rtp_packets.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const VIDEO = codec("video/VP8", 96);
const OPUS = codec("audio/opus", 111);
const RED = codec("audio/red", 63, undefined, "111/111");
const STEPS = 250;

/** A publisher that loses packets, and sends some of them later. */
class Publisher {
  readonly up: UpTrack;
  readonly #late: Uint8Array[] = [];
  #frame = 0;
  #number: number;

  constructor(readonly random: SeededRandom, readonly published: typeof VIDEO, first: number) {
    this.up = publishedTrack(published === VIDEO ? "video" : "audio");
    this.up.bindLayer(0, 1000, published, 0);
    this.#number = first;
  }

  /** A frame; of video sometimes one of many packets. */
  send(now: number): void {
    const { random, published } = this;
    const isVideo = published === VIDEO;
    const packets = !isVideo ? 1 : 1 + random.below(random.below(2) === 0 ? 30 : 3);
    const frame = ++this.#frame;
    const key = frame === 1 || random.below(5) === 0;
    for (let i = 0; i < packets; i++) {
      const n = this.#number++;
      const copies = [1, 2].map((back) => ({ age: 960 * back, frame: [(n - back) & 0xff] }));
      const payload = isVideo
        ? vp8Payload({ pictureId: frame, tl0: frame & 0xff, key, start: i === 0, body: body(n) })
        : published === RED
        ? redundantPayload([n & 0xff], copies)
        : Uint8Array.of(n & 0xff);
      const timestamp = (isVideo ? frame * 3_000 : n * 960) >>> 0;
      const { payloadType } = published;
      const marker = i === packets - 1;
      const fields = { ssrc: 1000, payloadType, timestamp, sequenceNumber: n & 0xffff, marker };
      const bytes = rtpPacket({ ...fields, payload });
      const fate = random.below(16);
      if (fate === 0) this.#late.push(bytes);
      else if (fate > 1) this.up.receive(0, viewOf(bytes), now);
    }
    if (random.below(3) === 0) this.sendLate(now);
  }

  sendLate(now: number): void {
    const bytes = this.#late.pop();
    if (bytes !== undefined) this.up.receive(0, viewOf(bytes), now);
  }
}

const body = (n: number) => [0, n & 0xff, ...new Array(50).fill(n >> 8)];

/** One subscriber of one publisher after the other. */
class Subscriber {
  readonly sink = new RecordingSink();
  readonly #pacer = new Pacer(() => {});
  readonly #publishers: readonly Publisher[];
  readonly #options: ConstructorParameters<typeof DownTrack>[0];
  #down: DownTrack;
  #current = 0;
  #isMuted = false;

  constructor(readonly random: SeededRandom, published: typeof VIDEO) {
    this.#publishers = [1_000, 40_000].map((first) => new Publisher(random, published, first));
    this.#pacer.setRate(100_000);
    const isVideo = published === VIDEO;
    const codecs = isVideo ? [codec("video/VP8", 101, 102)] : [RED, OPUS];
    const common = { mid: "1", ssrc: 5, codecs, extensions: [], openAfterMs: 200 };
    this.#options = {
      section: isVideo ? { ...common, kind: "video", rtxSsrc: 6 } : { ...common, kind: "audio" },
      publisherExtensions: [],
      sink: this.sink,
      place: undefined,
      listener: layerListener(),
      target: { enabled: true, maxSpatial: 0, maxTemporal: 3 },
      firstSequence: 100,
      pacer: this.#pacer,
    };
    this.#down = new DownTrack(this.#options);
    this.#publishers[0]!.up.addDownTrack(this.#down, 0);
  }

  step(now: number): void {
    const { random } = this;
    this.#pacer.tick(now);
    if (now >= this.#down.nextWakeAt()) this.#down.tick(now);
    const publisher = this.#publishers[this.#current]!;
    switch (random.below(20)) {
      case 0:
      case 8:
      case 9:
        this.#down.setDuplicates(random.below(3));
        return this.#down.setCopies(random.below(3) as Copies);
      case 1:
        return this.#follow(now);
      case 2:
        return publisher.up.setMuted(this.#isMuted = !this.#isMuted, now);
      case 3: {
        const enabled = random.below(3) > 0;
        return this.#down.setTarget({ enabled, maxSpatial: 0, maxTemporal: 3 }, now);
      }
      case 4:
        return this.#down.setAllowance(random.below(2) === 0 ? -1 : 2, 3, now);
      case 5:
        return this.#pacer.setRate(random.below(3) === 0 ? Infinity : 50_000);
      case 6:
        return void this.#down.receiveNack(Uint16Array.of(100, 101, 110, 111, 120), 5, now);
      case 7:
        return publisher.sendLate(now);
      default:
        return publisher.send(now);
    }
  }

  /** Another source, sometimes for another down-track of the same stream. */
  #follow(now: number): void {
    this.#publishers[this.#current]!.up.removeDownTrack(this.#down);
    this.#current = 1 - this.#current;
    if (this.random.below(3) === 0) this.#down = new DownTrack(this.#options, this.#down);
    this.#publishers[this.#current]!.up.addDownTrack(this.#down, now);
  }
}

Deno.test("DownTrack gives no number to two packets, whatever happens to it", () => {
  let sent = 0;
  for (let seed = 0; seed < 120; seed++) {
    const random = new SeededRandom(seed);
    const subscriber = new Subscriber(random, [VIDEO, RED, OPUS][seed % 3]!);
    for (let now = 0, step = 0; step < STEPS; step++) subscriber.step(now += random.below(30));
    const packets = new Map<string, string>();
    for (const bytes of subscriber.sink.packets) {
      const { ssrc, sequenceNumber } = viewOf(bytes);
      const number = `${ssrc}/${sequenceNumber}`;
      const text = bytes.join();
      // Without RTX a packet is sent again as it was.
      assert.equal(packets.get(number) ?? text, text, `seed ${seed}: ${number}`);
      packets.set(number, text);
      sent++;
    }
  }
  assert.ok(sent > 10_000, `${sent} packets`);
});
