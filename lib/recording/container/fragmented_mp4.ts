/**
 * Fragmented MP4 (ISO/IEC 14496-12): a head with room for tracks that come later, and fragments of
 * a second or so, each whole in itself.
 *
 * A frame lasts until the next one of its track, so the last of each is held back.
 *
 * @module
 */
import type { RecordedCodec } from "../frames/encoded_frame.ts";
import type { Container, ContainerTrack, FileFacts, TimedFrame } from "./container.ts";
import { joinBytes } from "../../base/joined_bytes.ts";
import { box, fullBox, uint16, uint32, uint64, zeros } from "./mp4_boxes.ts";
import { type IndexedFragment, segmentIndex } from "./seek_table.ts";
import { opusSpecificBox } from "./opus_head.ts";

export const MP4_HEAD_BYTES = 8_192;
/** Ticks of all times in a second: those of video, and a multiple of a millisecond's. */
export const TIMESCALE = 90_000;
const TICKS_PER_MS = TIMESCALE / 1_000;
const SYNC = 0x0200_0000;
const NOT_SYNC = 0x0101_0000;
/** Lengths are told up to 13 hours; what is longer is longer all the same. */
const MOST_TICKS = 0xffff_fffe;
/** What is silent for longer is a gap, and not a long frame. */
const MOST_SAMPLE_TICKS = 1_000 * TICKS_PER_MS;
/**
 * Key frames begin fragments no more often: of who sends nothing else, thousands a second, no more
 * is kept than of others.
 */
const LEAST_ENTRY_TICKS = 200 * TICKS_PER_MS;
/** How long the last frame of a file is, or before a gap. */
const LAST_TICKS = 20 * TICKS_PER_MS;
/** Of a box that holds nothing. */
const BOX_BYTES = 8;
const MATRIX = [0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x4000_0000];
const UNDEFINED_LANGUAGE = 0x55c4;
const BASE_IS_MOOF = 0x02_0000;
const HAS_DATA_OFFSET = 0x01;
const HAS_DURATION = 0x100;
const HAS_SIZE = 0x200;
const HAS_FLAGS = 0x400;

interface Sample {
  readonly at: number;
  readonly data: Uint8Array;
  readonly isKey: boolean;
}

interface TimedSample extends Sample {
  readonly ticks: number;
}

/** One file's fragments. */
export class FragmentedMp4 implements Container {
  /** By number of the track: what was not written yet. */
  readonly #samples = new Map<number, Sample[]>();
  /** Fragments that wait to be written. */
  #ready: Uint8Array[] = [];
  /** All that were made. */
  readonly #index: IndexedFragment[] = [];
  readonly #pictures = new Set<number>();
  #sequence = 0;
  /** Where a key frame began a fragment last. */
  #entryAt = -Infinity;

  head(tracks: readonly ContainerTrack[], facts: FileFacts): Uint8Array<ArrayBuffer> {
    const duration = Math.min(MOST_TICKS, Math.round(facts.durationMs * TICKS_PER_MS));
    const brands = ["isom", "iso6", "mp41"].map((brand) => new TextEncoder().encode(brand));
    const known = joinBytes([
      box("ftyp", brands[0]!, uint32(0x200), ...brands),
      box(
        "moov",
        fullBox("mvhd", 0, 0, movieHeader(duration, tracks.length + 1)),
        ...tracks.map(trackBox),
        box(
          "mvex",
          ...(duration === 0 ? [] : [fullBox("mehd", 0, 0, uint32(duration))]),
          ...tracks.map(trackDefaults),
        ),
      ),
    ]);
    const track = tracks.find(({ codec }) => codec !== "opus") ?? tracks[0];
    const isWhole = facts.bodyBytes > 0 && track !== undefined;
    return filledUp(known, isWhole ? { track: track.number, fragments: this.#index } : undefined);
  }

  add({ track, timeMs, frame }: TimedFrame): void {
    let samples = this.#samples.get(track);
    if (samples === undefined) this.#samples.set(track, samples = []);
    const at = Math.round(timeMs * TICKS_PER_MS);
    const isPicture = frame.width > 0;
    samples.push({ at, data: frame.data, isKey: frame.isKey });
    if (isPicture) this.#pictures.add(track);
    // Who goes to a fragment finds a key frame at its beginning.
    const isEntry = isPicture && frame.isKey && at - this.#entryAt >= LEAST_ENTRY_TICKS;
    if (!isEntry) return;
    this.#entryAt = at;
    if (samples.length > 1) this.#fragment(false);
  }

  flush(): Uint8Array<ArrayBuffer> | undefined {
    this.#fragment(false);
    return this.#taken();
  }

  cut(timeMs: number): Uint8Array<ArrayBuffer> | undefined {
    this.#fragment(true, Math.round(timeMs * TICKS_PER_MS));
    return this.#taken();
  }

  end(): Uint8Array<ArrayBuffer> | undefined {
    this.#fragment(true);
    return this.#taken();
  }

  #taken(): Uint8Array<ArrayBuffer> | undefined {
    const ready = this.#ready;
    this.#ready = [];
    return ready.length === 0 ? undefined : joinBytes(ready);
  }

  /** @param until Ticks, where the last ones end; unknown if left out. */
  #fragment(isLast: boolean, until?: number): void {
    while (this.#fragmentUpToGap(isLast, until));
  }

  /** @returns Whether there may be more behind a gap. */
  #fragmentUpToGap(isLast: boolean, until = -Infinity): boolean {
    let hasGap = false;
    const runs: (readonly [number, readonly TimedSample[]])[] = [];
    for (const [track, samples] of this.#samples) {
      const known = samples.length - (isLast ? 0 : 1);
      if (known <= 0) continue;
      const gap = samples.findIndex((sample, i) =>
        i < known && (samples[i + 1]?.at ?? 0) - sample.at > MOST_SAMPLE_TICKS
      );
      hasGap ||= gap >= 0;
      const count = gap >= 0 ? gap + 1 : known;
      const run = samples.slice(0, count).map((sample, i) => {
        const next = samples[i + 1];
        // Times of a track do not go back, but may stand still.
        const ticks = next === undefined || i === gap
          ? lastTicks(until - sample.at)
          : Math.min(MOST_TICKS, Math.max(0, next.at - sample.at));
        return { ...sample, ticks };
      });
      this.#samples.set(track, samples.slice(count));
      runs.push([track, run]);
    }
    if (runs.length === 0) return false;
    const bytes = fragment(++this.#sequence, runs);
    this.#ready.push(bytes);
    const [, [first]] = runs.find(([track]) => this.#pictures.has(track)) ?? runs[0]!;
    const at = Math.min(...runs.map(([, [sample]]) => sample!.at));
    const end = Math.max(...runs.map(([, samples]) => samples.at(-1)!.at + samples.at(-1)!.ticks));
    const isEntry = first!.isKey && (this.#pictures.size === 0 || this.#hasPicture(runs));
    this.#index.push({ bytes: bytes.length, at, end, isEntry });
    return hasGap;
  }

  #hasPicture(runs: readonly (readonly [number, unknown])[]): boolean {
    return runs.some(([track]) => this.#pictures.has(track));
  }
}

/** How long a sample is behind which there is none, or a gap, by how long is left. */
function lastTicks(left: number): number {
  return left > 0 && left <= MOST_SAMPLE_TICKS ? left : LAST_TICKS;
}

/**
 * A head of fixed length.
 *
 * @param index What a player needs to go somewhere; absent while the file grows.
 */
export function filledUp(
  known: Uint8Array,
  index: { readonly track: number; readonly fragments: readonly IndexedFragment[] } | undefined,
): Uint8Array<ArrayBuffer> {
  const room = MP4_HEAD_BYTES - known.length - BOX_BYTES;
  const sidx = index && segmentIndex(index.track, index.fragments, TIMESCALE, room);
  const free = room - (sidx?.length ?? 0);
  return joinBytes([known, ...(sidx === undefined ? [] : [sidx]), box("free", zeros(free))]);
}

function fragment(
  sequence: number,
  runs: readonly (readonly [number, readonly TimedSample[]])[],
): Uint8Array<ArrayBuffer> {
  const data = runs.flatMap(([, samples]) => samples.map(({ data }) => data));
  const moofOf = (offset: number) => {
    let at = offset;
    const trafs = runs.map(([track, samples]) => {
      const traf = trackFragment(track, samples, at);
      for (const sample of samples) at += sample.data.length;
      return traf;
    });
    return box("moof", fullBox("mfhd", 0, 0, uint32(sequence)), ...trafs);
  };
  // Its length does not depend on the offsets in it.
  const moof = moofOf(moofOf(0).length + 8);
  return joinBytes([moof, box("mdat", joinBytes(data))]);
}

function trackFragment(track: number, samples: readonly TimedSample[], offset: number): Uint8Array {
  const flags = HAS_DATA_OFFSET | HAS_DURATION | HAS_SIZE | HAS_FLAGS;
  const entries = new Uint8Array(12 * samples.length);
  const view = new DataView(entries.buffer);
  samples.forEach(({ ticks, data, isKey }, i) => {
    view.setUint32(12 * i, ticks);
    view.setUint32(12 * i + 4, data.length);
    view.setUint32(12 * i + 8, isKey ? SYNC : NOT_SYNC);
  });
  return box(
    "traf",
    fullBox("tfhd", 0, BASE_IS_MOOF, uint32(track)),
    fullBox("tfdt", 1, 0, uint64(samples[0]!.at)),
    fullBox("trun", 0, flags, uint32(samples.length), uint32(offset), entries),
  );
}

function movieHeader(duration: number, nextTrack: number): Uint8Array {
  return joinBytes([
    zeros(8),
    uint32(TIMESCALE),
    uint32(duration),
    uint32(0x10000),
    uint16(0x100),
    zeros(10),
    ...MATRIX.map(uint32),
    zeros(24),
    uint32(nextTrack),
  ]);
}

function trackDefaults({ number }: ContainerTrack): Uint8Array {
  return fullBox("trex", 0, 0, uint32(number), uint32(1), zeros(12));
}

/** How long it is its fragments say. */
function trackBox(track: ContainerTrack): Uint8Array {
  const { number, codec, width, height } = track;
  const isAudio = codec === "opus";
  const header = joinBytes([
    zeros(8),
    uint32(number),
    zeros(20),
    uint16(isAudio ? 0x100 : 0),
    zeros(2),
    ...MATRIX.map(uint32),
    uint32(width * 0x10000),
    uint32(height * 0x10000),
  ]);
  const handler = new TextEncoder().encode(isAudio ? "soun" : "vide");
  const language = uint16(UNDEFINED_LANGUAGE);
  return box(
    "trak",
    fullBox("tkhd", 0, 3, header),
    box(
      "mdia",
      fullBox("mdhd", 0, 0, zeros(8), uint32(TIMESCALE), zeros(4), language, zeros(2)),
      fullBox("hdlr", 0, 0, zeros(4), handler, zeros(13)),
      box(
        "minf",
        isAudio ? fullBox("smhd", 0, 0, zeros(4)) : fullBox("vmhd", 0, 1, zeros(8)),
        box("dinf", fullBox("dref", 0, 0, uint32(1), fullBox("url ", 0, 1))),
        box(
          "stbl",
          fullBox("stsd", 0, 0, uint32(1), sampleEntry(track)),
          fullBox("stts", 0, 0, uint32(0)),
          fullBox("stsc", 0, 0, uint32(0)),
          fullBox("stsz", 0, 0, uint32(0), uint32(0)),
          fullBox("stco", 0, 0, uint32(0)),
        ),
      ),
    ),
  );
}

const VIDEO_ENTRY: Readonly<Record<Exclude<RecordedCodec, "opus">, string>> = {
  h264: "avc1",
  av1: "av01",
  vp8: "vp08",
  vp9: "vp09",
};

function sampleEntry({ codec, width, height, decoderConfig }: ContainerTrack): Uint8Array {
  const start = joinBytes([zeros(6), uint16(1)]);
  if (codec === "opus") {
    const sound = joinBytes([zeros(8), uint16(2), uint16(16), zeros(4), uint32(48_000 * 0x10000)]);
    return box("Opus", start, sound, box("dOps", opusSpecificBox()));
  }
  const picture = joinBytes([
    zeros(16),
    uint16(width),
    uint16(height),
    uint32(0x48_0000),
    uint32(0x48_0000),
    zeros(4),
    uint16(1),
    zeros(32),
    uint16(24),
    uint16(0xffff),
  ]);
  return box(VIDEO_ENTRY[codec], start, picture, configBox(codec, decoderConfig));
}

function configBox(codec: RecordedCodec, config: Uint8Array | undefined): Uint8Array {
  if (codec === "h264") return box("avcC", config ?? zeros(0));
  if (codec === "av1") return box("av1C", config ?? zeros(0));
  // VP Codec ISO Media File Format Binding §2: profile 0, level unknown, 8 bits, 4:2:0, BT.709.
  return fullBox("vpcC", 1, 0, Uint8Array.from([0, 10, 0x82, 1, 1, 1, 0, 0]));
}
