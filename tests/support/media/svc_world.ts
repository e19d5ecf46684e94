/**
 * A seeded publisher of one SVC stream (three spatial, three temporal layers), a network that loses
 * and delays its packets, an up-track and one down-track, on virtual time. The dependency
 * descriptors are written here bit by bit, from a model of which frame needs which.
 *
 * @module
 */
import { EXTENSION_URI, type LayerTarget } from "../../../lib/base/media_vocabulary.ts";
import { DownTrack } from "../../../lib/media/down/down_track.ts";
import { UpTrack } from "../../../lib/media/up/up_track.ts";
import { RtpView } from "../../../lib/wire/rtp_view.ts";
import { BitWriter } from "./bit_writer.ts";
import { codec, layerListener, RecordingSink, viewOf } from "./forwarding_fixtures.ts";
import { rtpPacket } from "./rtp_packets.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";

const TEMPORAL = [0, 2, 1, 2] as const;
const FRAME_MS = 33;
const ONE_WAY_MS = 20;
const DESCRIPTOR_ID = 5;
const OUT_DESCRIPTOR_ID = 11;

export interface Frame {
  /** Not wrapped. */
  readonly number: number;
  readonly picture: number;
  readonly s: number;
  readonly t: number;
  readonly key: boolean;
  /** Numbers of the frames it needs. */
  readonly refs: readonly number[];
  readonly chainDiffs: readonly number[];
  packets: number;
}

/** Whether decode target (S, T) needs the frame. */
export function isNeeded(f: Frame, S: number, T: number, mode: Mode): boolean {
  if (f.key || mode === "L3T3") return f.s <= S && f.t <= T;
  return f.s === S && f.t <= T;
}

export type Mode = "L3T3" | "L3T3_KEY";

/**
 * The structure: nine templates and nine decode targets by spatial, then temporal layer; 3 chains.
 */
export function writeStructure(w: BitWriter, mode: Mode, offset = 0): void {
  w.write(offset, 6).write(9 - 1, 5);
  for (let i = 0; i < 9; i++) w.write(i === 8 ? 3 : i % 3 === 2 ? 2 : 1, 2);
  for (let i = 0; i < 9; i++) writeIndications(w, Math.floor(i / 3), i % 3, false, mode);
  for (let i = 0; i < 9; i++) w.write(i % 3 === 0 ? 0 : 0b1_0000_0, i % 3 === 0 ? 1 : 6);
  // ns(10) of 3: values below 6 take 3 bits. ns(3): 0 is one bit, 1 and 2 are two.
  w.write(3, 3);
  for (let i = 0; i < 9; i++) w.write([0, 0b10, 0b11][Math.floor(i / 3)]!, i < 3 ? 1 : 2);
  for (let i = 0; i < 27; i++) w.write(0, 4);
  w.write(1, 1);
  for (const divisor of [4, 2, 1]) w.write(640 / divisor - 1, 16).write(360 / divisor - 1, 16);
}

function writeIndications(w: BitWriter, s: number, t: number, key: boolean, mode: Mode): void {
  const frame = { s, t, key } as Frame;
  for (let i = 0; i < 9; i++) {
    const T = i % 3;
    const needed = isNeeded(frame, Math.floor(i / 3), T, mode);
    w.write(!needed ? 0 : t === T && t > 0 ? 1 : t === 0 ? 2 : 3, 2);
  }
}

/**
 * The descriptor of one packet of a frame.
 *
 * @param targets Decode targets to say that are sent from now on; negative says nothing.
 */
export function descriptorOf(
  f: Frame,
  first: boolean,
  last: boolean,
  mode: Mode,
  targets = -1,
): Uint8Array {
  const w = new BitWriter();
  w.write(first ? 1 : 0, 1).write(last ? 1 : 0, 1).write(f.s * 3 + f.t, 6);
  w.write(f.number & 0xffff, 16);
  const structure = f.key && f.s === 0 && first;
  const says = targets >= 0;
  w.write(structure ? 1 : 0, 1).write(says ? 1 : 0, 1);
  w.write(f.key ? 1 : 0, 1).write(1, 1).write(1, 1);
  if (structure) writeStructure(w, mode);
  if (says) w.write(targets, 9);
  if (f.key) writeIndications(w, f.s, f.t, true, mode);
  for (const ref of f.refs) w.write(2, 2).write(f.number - ref - 1, 8);
  w.write(0, 2);
  for (const diff of f.chainDiffs) w.write(diff, 8);
  return w.bytes;
}

export interface SvcReceived {
  readonly seq: number;
  readonly marker: boolean;
  readonly timestamp: number;
  readonly empty: boolean;
  readonly frame: number;
  readonly index: number;
  readonly descriptor: Uint8Array | undefined;
}

export interface SvcWorldOptions {
  readonly seed: number;
  readonly mime: "video/AV1" | "video/VP9";
  readonly mode: Mode;
  readonly described: boolean;
  readonly loss?: number;
  readonly jitterMs?: number;
  readonly target: LayerTarget;
}

/**
 * One seeded publisher with one down-track. Time moves in `run` alone, and equal seeds give equal
 * packets.
 */
export class SvcWorld {
  now = 1000;
  readonly frames = new Map<number, Frame>();
  readonly layers: number[] = [];
  readonly up: UpTrack;
  readonly down: DownTrack;
  readonly sink = new RecordingSink();
  plis = 0;
  nacked = 0;
  publishing = true;
  /** The highest layer that is sent; a higher one than before begins with a key frame. */
  top = 2;
  #toldTop = 2;
  #wantsKey = true;
  #step = 0;
  #picture = 0;
  #number = 65_300;
  #sequence = 65_400;
  #rtxSequence = 3;
  #nextFrameAt = 1001;
  readonly #lastT0 = [0, 0, 0];
  readonly #lastT1 = [0, 0, 0];
  readonly #lastInChain: (number | undefined)[] = [undefined, undefined, undefined];
  readonly #sent = new Map<number, Uint8Array>();
  #arrivals: { readonly at: number; readonly rtx: boolean; readonly bytes: Uint8Array }[] = [];
  readonly #random: SeededRandom;
  readonly #options: SvcWorldOptions;
  readonly #view = new RtpView();

  constructor(options: SvcWorldOptions) {
    this.#options = options;
    this.#random = new SeededRandom(options.seed);
    const described = { id: DESCRIPTOR_ID, uri: EXTENSION_URI.dependencyDescriptor };
    this.up = new UpTrack({
      kind: "video",
      extensions: options.described ? [described] : [],
      listener: {
        onNack: (_ssrc, numbers, count) => this.#onNack(numbers.slice(0, count)),
        onKeyFrameNeeded: () => {
          this.plis++;
          this.#wantsKey = true;
        },
      },
    });
    this.down = new DownTrack({
      section: {
        mid: "3",
        kind: "video",
        ssrc: 0x1234,
        rtxSsrc: 0x1235,
        codecs: [codec(options.mime, 100, 101)],
        extensions: [{ id: OUT_DESCRIPTOR_ID, uri: EXTENSION_URI.dependencyDescriptor }],
      },
      publisherExtensions: this.up.extensions,
      sink: this.sink,
      place: undefined,
      listener: layerListener((spatial) => this.layers.push(spatial)),
      target: options.target,
    });
    this.up.bindLayer(0, 7, codec(options.mime, 96, 97), this.now);
    this.up.addDownTrack(this.down, this.now);
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.now++;
      if (this.publishing && this.now >= this.#nextFrameAt) this.#publish();
      this.#deliver();
      if (this.now >= this.up.nextWakeAt()) this.up.tick(this.now);
      if (this.now >= this.down.nextWakeAt()) this.down.tick(this.now);
    }
  }

  /** What arrived on the media SSRC, in order of sending. */
  get received(): SvcReceived[] {
    return this.sink.views.filter(({ ssrc }) => ssrc === 0x1234).map((view) => {
      const at = view.extensionOffset(OUT_DESCRIPTOR_ID);
      const length = view.extensionLength(OUT_DESCRIPTOR_ID);
      const end = view.payloadOffset + view.payloadLength;
      const tail = view.bytes.subarray(Math.max(view.payloadOffset, end - 4), end);
      return {
        seq: view.sequenceNumber,
        marker: view.marker,
        timestamp: view.timestamp,
        empty: view.payloadLength === 0,
        frame: (tail[0]! << 16) | (tail[1]! << 8) | tail[2]!,
        index: tail[3]!,
        descriptor: length === 0 ? undefined : view.bytes.slice(at, at + length),
      };
    });
  }

  #publish(): void {
    this.#nextFrameAt += FRAME_MS;
    this.#picture++;
    const key = this.#wantsKey || this.top > this.#toldTop;
    if (key) {
      this.#wantsKey = false;
      this.#step = 0;
    }
    const step = this.#step++ % 4;
    const t = TEMPORAL[step]!;
    const { mode } = this.#options;
    for (let s = 0; s <= this.top; s++) {
      const number = this.#number++;
      const refs: number[] = [];
      if (!key) refs.push(step === 3 ? this.#lastT1[s]! : this.#lastT0[s]!);
      if (s > 0 && (key || mode === "L3T3")) refs.push(number - 1);
      if (key && s === 0) this.#lastInChain.fill(undefined);
      const chainDiffs = this.#lastInChain.map((last) => last === undefined ? 0 : number - last);
      const frame: Frame = {
        number,
        picture: this.#picture,
        s,
        t,
        key,
        refs,
        chainDiffs,
        packets: 1 + s + (key ? 1 : 0),
      };
      this.frames.set(number, frame);
      if (t === 0) {
        this.#lastT0[s] = number;
        for (let c = 0; c < 3; c++) if (isNeeded(frame, c, 0, mode)) this.#lastInChain[c] = number;
      } else if (t === 1) this.#lastT1[s] = number;
      for (let i = 0; i < frame.packets; i++) this.#publishPacket(frame, i);
    }
    this.#toldTop = this.top;
  }

  /** A structure says that all targets are sent; other than that, only changes are told. */
  #targetsToTell({ key, s }: Frame): number {
    const isNews = s === 0 && (key ? this.top < 2 : this.top !== this.#toldTop);
    return isNews ? 0b111_111_111 >> (3 * (2 - this.top)) : -1;
  }

  #publishPacket(frame: Frame, index: number): void {
    const { described, mime, mode } = this.#options;
    const first = index === 0;
    const last = index === frame.packets - 1;
    const number = frame.number;
    const name = [number >> 16, (number >> 8) & 0xff, number & 0xff, index];
    const head = mime === "video/AV1" ? [0x10] : vp9Head(frame, first, last, mode);
    const bytes = packetWith(
      {
        ssrc: 7,
        payloadType: 96,
        sequenceNumber: this.#sequence & 0xffff,
        timestamp: frame.picture * 2970,
        marker: last && frame.s === this.top,
        payload: Uint8Array.of(...head, ...name),
      },
      described ? descriptorOf(frame, first, last, mode, this.#targetsToTell(frame)) : undefined,
    );
    this.#sent.set(this.#sequence & 0xffff, bytes);
    this.#sequence++;
    this.#transmit(bytes, false);
  }

  #transmit(bytes: Uint8Array, rtx: boolean): void {
    if (this.#random.chance(this.#options.loss ?? 0)) return;
    const jitter = this.#options.jitterMs ? this.#random.below(this.#options.jitterMs) : 0;
    this.#arrivals.push({ at: this.now + ONE_WAY_MS + jitter, rtx, bytes });
  }

  #deliver(): void {
    const due = this.#arrivals.filter(({ at }) => at <= this.now);
    if (due.length === 0) return;
    this.#arrivals = this.#arrivals.filter(({ at }) => at > this.now);
    for (const { rtx, bytes } of due) {
      if (!this.#view.wrap(bytes)) throw new Error("the world made a bad packet");
      if (rtx) this.up.receiveRtx(0, this.#view, this.now);
      else this.up.receive(0, this.#view, this.now);
    }
  }

  #onNack(numbers: Uint16Array): void {
    this.nacked += numbers.length;
    for (const number of numbers) {
      const original = viewOf(this.#sent.get(number)!);
      const payload = original.bytes.slice(original.payloadOffset, original.length);
      const at = original.extensionOffset(DESCRIPTOR_ID);
      const length = original.extensionLength(DESCRIPTOR_ID);
      const rtx = packetWith({
        ssrc: 8,
        payloadType: 97,
        sequenceNumber: this.#rtxSequence++ & 0xffff,
        timestamp: original.timestamp,
        marker: original.marker,
        payload: Uint8Array.of(number >> 8, number & 0xff, ...payload),
      }, length === 0 ? undefined : original.bytes.slice(at, at + length));
      this.#transmit(rtx, true);
    }
  }
}

/** An RTP packet with a descriptor of any length, hence the two-byte form. */
export function packetWith(
  fields: Parameters<typeof rtpPacket>[0],
  descriptor: Uint8Array | undefined,
): Uint8Array {
  const plain = rtpPacket(fields);
  if (descriptor === undefined) return plain;
  const element = [DESCRIPTOR_ID, descriptor.length, ...descriptor];
  while (element.length % 4 !== 0) element.push(0);
  const block = [0x10, 0, 0, element.length / 4, ...element];
  const bytes = new Uint8Array(plain.length + block.length);
  bytes.set(plain.subarray(0, 12));
  bytes[0]! |= 0x10;
  bytes.set(block, 12);
  bytes.set(plain.subarray(12), 12 + block.length);
  return bytes;
}

/** RFC 9628 §4.2, flexible mode: I=0 P L=1 F=1 B E V Z=0. */
function vp9Head(frame: Frame, first: boolean, last: boolean, mode: Mode): number[] {
  const structure = frame.key && frame.s === 0 && first;
  const flags = 0x30 | (frame.key ? 0 : 0x40) | (first ? 8 : 0) | (last ? 4 : 0) |
    (structure ? 2 : 0);
  const inter = frame.s > 0 && (frame.key || mode === "L3T3") ? 1 : 0;
  const layers = (frame.t << 5) | 0x10 | (frame.s << 1) | inter;
  return [flags, layers, ...(frame.key ? [] : [0x02]), ...(structure ? [2 << 5] : [])];
}
