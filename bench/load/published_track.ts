/**
 * A publisher's track: makes its packets from a template, seals them in place, and remembers when
 * each left, so that an arrival can be told apart by what stays readable of it.
 *
 * @module
 */
import type { SrtpSession } from "../../lib/transport/srtp/srtp_session.ts";
import { vp8Payload } from "../../tests/support/media/forwarding_fixtures.ts";
import { rtpPacket } from "../../tests/support/media/rtp_packets.ts";
import { PUBLISHED_ID, PUBLISHED_PT } from "../../tests/support/wire/wire_media.ts";
import type { ClientSocket } from "./client_sockets.ts";
import { packetsOfFrame, type StreamShape } from "./frame_pacer.ts";
import { SentLog } from "./sent_log.ts";

/** Room behind a packet for its tag. */
const SEAL_BYTES = 32;
/** Packets in one call of the socket. */
const BURST_SLOTS = 64;
/** RTP timestamp ticks per frame: 30 frames/s of video, 20 ms of Opus. */
const TICKS = { video: 3_000, audio: 960 } as const;
/** Where the template has its transport-wide number: behind the elements with smaller ids. */
const TRANSPORT_NUMBER_AT = { video: 17, audio: 19 } as const;
/** Offsets in a VP8 payload of {@linkcode vp8Payload}. */
const VP8 = { first: 0, pictureId: 2, tl0: 4, frameTag: 6 } as const;
const START_OF_PARTITION = 0x10;
const NOT_KEY = 0x01;
/** Where it has its audio level, and what a speaker's is: `V` bit and -30 dBov. */
const AUDIO_LEVEL_AT = 17;
const SPEECH = 0x80 | 30;

/** One client's way out. */
export interface Publisher {
  readonly socket: ClientSocket;
  readonly srtp: SrtpSession;
  /** Transport-wide numbers, shared by its tracks. */
  transportNumber: number;
}

/**
 * One track being sent: `sendUpTo` sends what is due and no more, and `sent` knows when each packet
 * left.
 */
export class PublishedTrack {
  readonly sent = new SentLog();
  /** Packets sent since {@linkcode PublishedTrack.restart}. */
  published = 0;
  /** Of the client-to-mixer extension (RFC 6464): `V` bit and -dBov. */
  audioLevel = SPEECH;
  readonly #template: Uint8Array;
  readonly #payloadAt: number;
  readonly #slots: Uint8Array<ArrayBuffer>[];
  readonly #lengths = new Uint32Array(BURST_SLOTS);
  #sequence = Math.floor(Math.random() * 0x8000);
  #timestamp = 10_000;
  #pictureId = 100;
  /** Frames since the restart, and packets of the present one that are out. */
  #frame = 0;
  #packetOfFrame = 0;
  #isKeyWanted = false;
  #isKey = false;

  constructor(
    readonly publisher: Publisher,
    readonly ssrc: number,
    mid: string,
    readonly shape: StreamShape,
    rid?: string,
  ) {
    this.#template = template(shape, ssrc, mid, rid);
    this.#payloadAt = 12 + 4 + ((this.#template[14]! << 8) | this.#template[15]!) * 4;
    const bytes = this.#template.length + SEAL_BYTES;
    this.#slots = Array.from({ length: BURST_SLOTS }, () => new Uint8Array(bytes));
  }

  /** Of the packet that was sent last. */
  get timestamp(): number {
    return this.#timestamp;
  }

  /** The next frame is a key frame, of the size it has anyway: rates stay what they are. */
  requestKeyFrame(): void {
    this.#isKeyWanted = true;
  }

  /** Begins a new run: with a key frame. */
  restart(): void {
    this.published = 0;
    this.#frame = 0;
    this.#packetOfFrame = 0;
  }

  /** Sends until `due` packets have left since the restart. */
  sendUpTo(due: number): void {
    while (this.published < due) {
      const count = Math.min(due - this.published, BURST_SLOTS);
      for (let i = 0; i < count; i++) {
        this.#lengths[i] = this.#write(this.#slots[i]!, this.shape, false);
      }
      this.#send(count);
    }
  }

  /** Sends one packet that is a key frame of its own. */
  sendProbe(): void {
    this.#lengths[0] = this.#write(this.#slots[0]!, this.shape, true);
    this.#send(1);
  }

  #send(count: number): void {
    const { socket } = this.publisher;
    const leftAt = socket.sendBurst(this.#slots, this.#lengths, count);
    this.sent.left(count, leftAt);
    this.published += count;
  }

  /** Writes and seals the next packet; returns its length. */
  #write(slot: Uint8Array, shape: StreamShape, isProbe: boolean): number {
    const packets = isProbe ? 1 : packetsOfFrame(shape, this.#frame);
    const isFirst = this.#packetOfFrame === 0;
    const isLast = this.#packetOfFrame === packets - 1;
    if (isFirst) {
      this.#isKey = isProbe || this.#isKeyWanted || this.#frame % shape.keyFrameEvery === 0;
      this.#isKeyWanted = false;
      this.#timestamp = (this.#timestamp + TICKS[shape.kind]) >>> 0;
      this.#pictureId = (this.#pictureId + 1) & 0x7fff;
    }
    slot.set(this.#template);
    this.#writeHeader(slot, isLast && shape.kind === "video");
    if (shape.kind === "video") this.#writeVp8(slot, isFirst, this.#isKey);
    else slot[AUDIO_LEVEL_AT] = this.audioLevel;
    this.sent.next(this.#sequence, this.#timestamp);
    this.#sequence = (this.#sequence + 1) & 0xffff;
    this.#packetOfFrame = isLast ? 0 : this.#packetOfFrame + 1;
    if (isLast && !isProbe) this.#frame++;
    const length = isLast ? shape.lastPacketBytes : shape.packetBytes;
    // Its number once more, where no server changes it: for receivers who look inside.
    slot[length - 2] = slot[2]!;
    slot[length - 1] = slot[3]!;
    return this.publisher.srtp.protectRtp(slot, length);
  }

  #writeHeader(slot: Uint8Array, marker: boolean): void {
    const number = this.publisher.transportNumber++ & 0xffff;
    const numberAt = TRANSPORT_NUMBER_AT[this.shape.kind];
    if (marker) slot[1]! |= 0x80;
    slot[2] = this.#sequence >> 8;
    slot[3] = this.#sequence & 0xff;
    slot[4] = this.#timestamp >>> 24;
    slot[5] = (this.#timestamp >>> 16) & 0xff;
    slot[6] = (this.#timestamp >>> 8) & 0xff;
    slot[7] = this.#timestamp & 0xff;
    slot[numberAt] = number >> 8;
    slot[numberAt + 1] = number & 0xff;
  }

  #writeVp8(slot: Uint8Array, isFirst: boolean, isKey: boolean): void {
    const at = this.#payloadAt;
    if (!isFirst) slot[at + VP8.first]! &= ~START_OF_PARTITION;
    slot[at + VP8.pictureId] = 0x80 | (this.#pictureId >> 8);
    slot[at + VP8.pictureId + 1] = this.#pictureId & 0xff;
    slot[at + VP8.tl0] = this.#pictureId & 0xff;
    if (!isFirst || !isKey) slot[at + VP8.frameTag]! |= NOT_KEY;
  }
}

/** The longest packet of the track, with nothing in its changing fields. */
function template(
  { kind, packetBytes }: StreamShape,
  ssrc: number,
  mid: string,
  rid: string | undefined,
): Uint8Array {
  const isVideo = kind === "video";
  const payload = isVideo
    ? vp8Payload({ pictureId: 0, tl0: 0, key: true })
    : Uint8Array.of(0x78, 1, 2, 3);
  const head = rtpPacket({
    ssrc,
    payloadType: isVideo ? PUBLISHED_PT.vp8 : PUBLISHED_PT.opus,
    extensions: {
      ...(isVideo ? {} : { [PUBLISHED_ID.audioLevel]: Uint8Array.of(SPEECH) }),
      [PUBLISHED_ID.transportCc]: Uint8Array.of(0, 0),
      [PUBLISHED_ID.mid]: mid,
      ...(rid === undefined ? {} : { [PUBLISHED_ID.rid]: rid }),
    },
    payload,
  });
  const bytes = new Uint8Array(Math.max(packetBytes, head.length)).fill(0x5a);
  bytes.set(head);
  return bytes;
}
