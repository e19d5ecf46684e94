/**
 * Ogg with Opus (RFC 3533, RFC 7845). Time is counted in what was heard, so where nothing came
 * silence is put in.
 *
 * @module
 */
import { opusSamples } from "../frames/opus_frames.ts";
import type { Container, TimedFrame } from "./container.ts";
import { joinBytes } from "../../base/joined_bytes.ts";
import { opusHead } from "./opus_head.ts";

const MOST_SEGMENTS = 255;
const SEGMENT_BYTES = 255;
const SAMPLES_PER_MS = 48;
/** 20 ms of nothing (RFC 6716 §3.1: CELT, full band, one frame that is left out). */
const SILENCE = Uint8Array.from([0xf8]);
const SILENCE_SAMPLES = 960;
/** A gap below this is a clock's, and is not filled. */
const LEAST_GAP = SILENCE_SAMPLES + 480;
/** No more is filled at once: ten minutes. */
const MOST_SILENCE = 600 * 50;
/** Any number will do: there is one stream. */
const SERIAL = 1;
const FLAG = { first: 0x02, last: 0x04 } as const;

const crcTable = Uint32Array.from({ length: 256 }, (_, i) => {
  let crc = i << 24;
  for (let bit = 0; bit < 8; bit++) {
    crc = (crc << 1) ^ ((crc & 0x8000_0000) !== 0 ? 0x04c1_1db7 : 0);
  }
  return crc >>> 0;
});

/** One file's pages. */
export class Ogg implements Container {
  readonly #head: Uint8Array<ArrayBuffer>;
  #packets: Uint8Array[] = [];
  #granule = 0;
  /** Of each packet that waits, where it ends. */
  #ends: number[] = [];
  #sequence = 2;

  constructor() {
    const tags = joinBytes([
      new TextEncoder().encode("OpusTags"),
      Uint8Array.from([8, 0, 0, 0]),
      new TextEncoder().encode("Roomwire"),
      new Uint8Array(4),
    ]);
    const first = page([opusHead()], 0, 0, FLAG.first);
    this.#head = joinBytes([first, page([tags], 0, 1, 0)]);
  }

  head(): Uint8Array<ArrayBuffer> {
    return this.#head;
  }

  add({ timeMs, frame }: TimedFrame): void {
    const samples = opusSamples(frame.data);
    if (samples === 0) return;
    this.#fill(Math.round(timeMs * SAMPLES_PER_MS));
    this.#put(frame.data, samples);
  }

  /** What is silent for hours is filled in as it passes, and not at its end. */
  pass(timeMs: number): void {
    this.#fill(Math.round(timeMs * SAMPLES_PER_MS));
  }

  flush(): Uint8Array<ArrayBuffer> | undefined {
    return this.#pages(0);
  }

  /** The last page says that it is the last, so one is made if none is left. */
  end(): Uint8Array<ArrayBuffer> | undefined {
    return this.#pages(FLAG.last) ?? page([], this.#granule, this.#sequence++, FLAG.last);
  }

  #fill(until: number): void {
    if (until - this.#granule < LEAST_GAP) return;
    for (let i = 0; i < MOST_SILENCE && until - this.#granule >= SILENCE_SAMPLES; i++) {
      this.#put(SILENCE, SILENCE_SAMPLES);
    }
  }

  #put(packet: Uint8Array, samples: number): void {
    this.#granule += samples;
    this.#packets.push(packet);
    this.#ends.push(this.#granule);
  }

  #pages(lastFlag: number): Uint8Array<ArrayBuffer> | undefined {
    const pages: Uint8Array[] = [];
    const packets = this.#packets;
    for (let from = 0; from < packets.length;) {
      let segments = 0;
      let end = from;
      while (end < packets.length) {
        const more = segmentsOf(packets[end]!);
        if (segments + more > MOST_SEGMENTS) break;
        segments += more;
        end++;
      }
      const flags = end === packets.length ? lastFlag : 0;
      pages.push(page(packets.slice(from, end), this.#ends[end - 1]!, this.#sequence++, flags));
      from = end;
    }
    this.#packets = [];
    this.#ends = [];
    return pages.length === 0 ? undefined : joinBytes(pages);
  }
}

function segmentsOf(packet: Uint8Array): number {
  return Math.floor(packet.length / SEGMENT_BYTES) + 1;
}

/** A page of whole packets (RFC 3533 §6). */
function page(
  packets: readonly Uint8Array[],
  granule: number,
  sequence: number,
  flags: number,
): Uint8Array<ArrayBuffer> {
  const lacing = packets.flatMap((packet) => [
    ...new Array(segmentsOf(packet) - 1).fill(SEGMENT_BYTES),
    packet.length % SEGMENT_BYTES,
  ]);
  const header = new Uint8Array(27 + lacing.length);
  const view = new DataView(header.buffer);
  header.set(new TextEncoder().encode("OggS"));
  header[5] = flags;
  view.setBigUint64(6, BigInt(granule), true);
  view.setUint32(14, SERIAL, true);
  view.setUint32(18, sequence, true);
  header[26] = lacing.length;
  header.set(lacing, 27);
  const bytes = joinBytes([header, ...packets]);
  new DataView(bytes.buffer).setUint32(22, checksum(bytes), true);
  return bytes;
}

function checksum(bytes: Uint8Array): number {
  let crc = 0;
  for (const byte of bytes) crc = (crc << 8) ^ crcTable[((crc >>> 24) ^ byte) & 0xff]!;
  return crc >>> 0;
}
