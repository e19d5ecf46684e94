/**
 * HLS playlists (RFC 8216): one that grows and keeps all segments, and one with the last few.
 *
 * @module
 */
import { KEY_PATIENCE_MS } from "./segment_cutter.ts";

/** Segments of the live playlist. */
const LIVE_SEGMENTS = 5;
/** Of the live playlist, which is written anew in place and so always as long; bytes. */
export const LIVE_BYTES = 4_096;
/** A fragment is a second or so: a segment may be longer by one. */
const FRAGMENT_MS = 1_000;
/** The version that knows `EXT-X-MAP` outside of I-frame playlists. */
const VERSION = 7;

/** A segment as players are told of it. */
export interface ListedSegment {
  /** Relative to the playlist. */
  readonly uri: string;
  /** Of the head that belongs to it. */
  readonly map: string;
  readonly durationMs: number;
  /** Unix ms. */
  readonly startedAtMs: number;
  /** Players begin anew with it. */
  readonly isApart: boolean;
}

/** One recording's playlists, as text. */
export class HlsPlaylist {
  readonly #targetS: number;
  #map = "";
  readonly #recent: ListedSegment[] = [];
  #first = 0;
  #firstApart = 0;

  /** @param segmentMs What a segment's length is to be. */
  constructor(segmentMs: number) {
    this.#targetS = Math.ceil((segmentMs + KEY_PATIENCE_MS + FRAGMENT_MS) / 1_000);
  }

  /** The beginning of the whole playlist. */
  head(): string {
    return lines(...this.#head(), "#EXT-X-PLAYLIST-TYPE:EVENT", "#EXT-X-MEDIA-SEQUENCE:0");
  }

  /** What the whole playlist gets for another segment. */
  add(segment: ListedSegment): string {
    const text = entry(segment, this.#map);
    this.#map = segment.map;
    this.#recent.push(segment);
    if (this.#recent.length > LIVE_SEGMENTS) this.#forget();
    return text;
  }

  /** The last line. */
  end(): string {
    return lines("#EXT-X-ENDLIST");
  }

  /** The live playlist as it is now, always as long. */
  live(isOver: boolean): Uint8Array<ArrayBuffer> {
    for (;;) {
      let map = "";
      const entries = this.#recent.map((segment) => {
        const text = entry(segment, map);
        map = segment.map;
        return text;
      });
      const text = lines(
        ...this.#head(),
        `#EXT-X-MEDIA-SEQUENCE:${this.#first}`,
        `#EXT-X-DISCONTINUITY-SEQUENCE:${this.#firstApart}`,
      ) + entries.join("") + (isOver ? this.end() : "");
      const bytes = new TextEncoder().encode(text);
      const room = LIVE_BYTES - bytes.length;
      // A comment fills the rest.
      if (room >= 2) {
        const whole = new Uint8Array(LIVE_BYTES).fill(0x20);
        whole.set(bytes);
        whole[bytes.length] = 0x23;
        whole[LIVE_BYTES - 1] = 0x0a;
        return whole;
      }
      if (this.#recent.length === 0) return bytes.slice(0, LIVE_BYTES);
      this.#forget();
    }
  }

  #forget(): void {
    const gone = this.#recent.shift();
    this.#first++;
    if (gone?.isApart === true) this.#firstApart++;
  }

  #head(): string[] {
    return ["#EXTM3U", `#EXT-X-VERSION:${VERSION}`, `#EXT-X-TARGETDURATION:${this.#targetS}`];
  }
}

function entry(
  { uri, map, durationMs, startedAtMs, isApart }: ListedSegment,
  before: string,
): string {
  return lines(
    ...(isApart ? ["#EXT-X-DISCONTINUITY"] : []),
    ...(map === before ? [] : [`#EXT-X-MAP:URI="${map}"`]),
    `#EXT-X-PROGRAM-DATE-TIME:${new Date(Math.round(startedAtMs)).toISOString()}`,
    `#EXTINF:${(durationMs / 1_000).toFixed(3)},`,
    uri,
  );
}

function lines(...texts: readonly string[]): string {
  return texts.map((text) => `${text}\n`).join("");
}
