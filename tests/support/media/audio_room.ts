/**
 * A room of microphones and listeners on two engines of which each has its own, joined by relays,
 * on virtual time: everybody listens to everybody else, as far as it is loud.
 *
 * @module
 */
import type { UpTrackId } from "../../../lib/base/ids.ts";
import {
  EXTENSION_URI,
  type LayerTarget,
  type ReceiveSection,
} from "../../../lib/base/media_vocabulary.ts";
import type { RelayChannel } from "../../../lib/engine/relay/relay_channel.ts";
import { createRelayRing, ringChannel } from "../../../lib/engine/relay/relay_ring.ts";
import { DownTrack } from "../../../lib/media/down/down_track.ts";
import { UpTrack } from "../../../lib/media/up/up_track.ts";
import { codec, layerListener, RecordingSink, viewOf } from "./forwarding_fixtures.ts";
import { RelaySide } from "./relay_world.ts";
import { rtpPacket } from "./rtp_packets.ts";

export const ROOM = "RM_loud";
/** What nobody asked for by name. */
export const IF_LOUD: LayerTarget = {
  enabled: true,
  maxSpatial: 0,
  maxTemporal: 3,
  loudestOf: ROOM,
};
export const ALWAYS: LayerTarget = { enabled: true, maxSpatial: 0, maxTemporal: 3 };
const OPUS = codec("audio/opus", 111);
const LEVEL_ID = 5;
const FRAME_MS = 20;
const TICKS_PER_FRAME = 960;

/** One microphone. */
export class Microphone {
  /** -dBov; `undefined` sends nothing, negative sends no level. */
  level: number | undefined = 90;
  readonly id: UpTrackId;
  #sequence: number;
  #timestamp: number;

  constructor(readonly index: number, readonly up: UpTrack) {
    this.id = `UT_${index}` as UpTrackId;
    this.#sequence = 60_000 + index * 100;
    this.#timestamp = index * 77_777;
    up.bindLayer(0, this.ssrc, OPUS, 0);
  }

  get ssrc(): number {
    return 1_000 + this.index;
  }

  speak(now: number): void {
    this.#timestamp = (this.#timestamp + TICKS_PER_FRAME) >>> 0;
    if (this.level === undefined) return;
    const bytes = rtpPacket({
      ssrc: this.ssrc,
      payloadType: OPUS.payloadType,
      sequenceNumber: this.#sequence++ & 0xffff,
      timestamp: this.#timestamp,
      extensions: this.level < 0 ? {} : { [LEVEL_ID]: Uint8Array.of(0x80 | this.level) },
      payload: Uint8Array.of(this.index, 1, 2, 3),
    });
    this.up.receive(0, viewOf(bytes), now);
  }
}

/** What one listener hears of one microphone. */
export interface Heard {
  readonly down: DownTrack;
  readonly sink: RecordingSink;
}

/** Where microphones and listeners are. */
export class AudioRoom {
  now = 50_000;
  readonly sides: readonly [RelaySide, RelaySide];
  readonly microphones: Microphone[] = [];
  /** What the second side says to the first. */
  readonly channel: RelayChannel;
  readonly #places: number[] = [];
  readonly #crossed = [0, 0];

  /** @param counts Microphones of each side. @param limit How many are to pass; 0 is all. */
  constructor(counts: readonly [number, number], limit: number) {
    const [there, back] = [createRelayRing(), createRelayRing()];
    this.channel = ringChannel(there, back);
    this.sides = [
      new RelaySide(ringChannel(back, there), () => this.now),
      new RelaySide(this.channel, () => this.now),
    ];
    this.limit(limit);
    counts.forEach((count, side) => {
      for (let i = 0; i < count; i++) this.#addMicrophone(side);
    });
  }

  limit(tracks: number): void {
    for (const { loudest } of this.sides) loudest.limit(ROOM, tracks, this.now);
  }

  /** Somebody on `side` listens to a microphone from now on. */
  listen(side: number, microphone: Microphone, target: LayerTarget = IF_LOUD): Heard {
    const sink = new RecordingSink();
    const up = this.#trackOn(side, microphone);
    const down = new DownTrack({
      section: {
        mid: "0",
        kind: "audio",
        ssrc: 5_000_000 + microphone.index,
        codecs: [OPUS],
        extensions: [],
        openAfterMs: 60_000,
      },
      publisherExtensions: up.extensions,
      sink,
      place: undefined,
      listener: layerListener(),
      target,
    });
    up.addDownTrack(down, this.now);
    return { down, sink };
  }

  /** One listener on each side hears everybody. */
  listenToAll(side: number): Heard[] {
    return this.microphones.map((microphone) => this.listen(side, microphone));
  }

  /** Lets time pass; everybody sends every 20 ms. */
  run(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now += FRAME_MS;
      for (const microphone of this.microphones) microphone.speak(this.now);
      for (let turn = 0; turn < 3; turn++) {
        for (const { link } of this.sides) {
          link.drain();
          link.tick(this.now);
        }
      }
    }
  }

  /** Packets that came to `side` from the other since the last call. */
  takeCrossed(side: number): number {
    let packets = 0;
    for (const [i, { id }] of this.microphones.entries()) {
      if (this.#places[i] === side) continue;
      for (const layer of this.sides[side]!.upTracks.get(id)?.stats() ?? []) {
        packets += layer.packets;
      }
    }
    const crossed = packets - this.#crossed[side]!;
    this.#crossed[side] = packets;
    return crossed;
  }

  #addMicrophone(side: number): void {
    const { loudest, upTracks } = this.sides[side]!;
    const up = new UpTrack({
      kind: "audio",
      extensions: [{ id: LEVEL_ID, uri: EXTENSION_URI.audioLevel }],
      listener: { onNack() {}, onKeyFrameNeeded() {} },
      loudest,
    });
    const microphone = new Microphone(this.microphones.length, up);
    this.microphones.push(microphone);
    this.#places.push(side);
    upTracks.set(microphone.id, up);
  }

  #trackOn(side: number, { id, index }: Microphone): UpTrack {
    const home = this.#places[index]!;
    const { upTracks } = this.sides[side]!;
    if (!upTracks.has(id)) {
      const section: ReceiveSection = {
        mid: "0",
        kind: "audio",
        upTrack: id,
        codecs: [OPUS],
        extensions: [{ id: LEVEL_ID, uri: EXTENSION_URI.audioLevel }],
        rids: [],
        ssrcs: [],
      };
      this.sides[home]!.link.send(id, this.now);
      this.sides[side]!.receive(id, section);
    }
    return upTracks.get(id)!;
  }
}
