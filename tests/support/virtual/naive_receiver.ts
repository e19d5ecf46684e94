/**
 * What a bookkeeper and a browser know about the tracks a table of m-lines describes: which are
 * live, where they were said to be, and what the browser was last shown in each section.
 *
 * Deliberately simple: random tests of the tables compare them with it.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { DownTrackId } from "../../../lib/base/ids.ts";
import type { RejectionReason, SubscribedTrack } from "../../../lib/negotiation/sent_track.ts";
import type { RemoteDescription } from "../../../lib/wire/session_description.ts";
import { publishedCodec } from "./negotiation_fixtures.ts";

type Kind = "audio" | "video";

/** Codecs of random tracks. */
export const MIMES = ["audio/opus", "video/VP8", "video/VP9", "video/AV1"] as const;
/** The one of them that the browser does not know. */
export const UNSUPPORTED = "video/AV1";

/** The part of a table that is told of tracks. */
interface TrackTable {
  addTrack(track: SubscribedTrack): void;
  removeTrack(downTrack: DownTrackId): void;
}

/**
 * One receiver as its tests expect it to be. It remembers what a browser remembers, so a track is
 * found where it was last shown.
 */
export class NaiveReceiver {
  /** Live tracks and their codec. */
  readonly live = new Map<DownTrackId, string>();
  /** Down-track to mid, as last reported. */
  readonly accepted = new Map<DownTrackId, string>();
  /** By mid the track the browser was last shown there, empty if none. */
  readonly shown = new Map<string, string>();
  /** The most live tracks there ever were at once. */
  readonly mostLive: Record<Kind, number> = { audio: 0, video: 0 };
  #added = 0;

  /**
   * @param idle What a section without a track says: an offer of ours `recvonly`, an answer
   *   `inactive`.
   */
  constructor(readonly table: TrackTable, readonly idle: "recvonly" | "inactive") {}

  /** A track of this codec enters the table, with SSRCs that tell it from others. */
  add(mime: string): void {
    const downTrack = `DT_${++this.#added}` as DownTrackId;
    this.live.set(downTrack, mime);
    for (const kind of ["audio", "video"] as const) {
      const count = [...this.live.values()].filter((name) => name.startsWith(kind)).length;
      this.mostLive[kind] = Math.max(this.mostLive[kind], count);
    }
    this.table.addTrack({
      downTrack,
      kind: mime.startsWith("audio") ? "audio" : "video",
      codecs: [publishedCodec(mime)],
      streamId: "PA_x",
      trackId: trackOf(downTrack),
      cname: "PA_x",
      ssrc: ssrcOf(trackOf(downTrack)),
      rtxSsrc: ssrcOf(trackOf(downTrack)) + 1,
      stereo: false,
    });
  }

  /** The n-th live track, counted around, leaves the table; nothing if there is none. */
  remove(n: number): void {
    const downTrack = [...this.live.keys()][n % Math.max(1, this.live.size)];
    if (downTrack === undefined) return;
    this.table.removeTrack(downTrack);
    this.live.delete(downTrack);
    this.accepted.delete(downTrack);
  }

  /**
   * Checks that a section we send in says what the mapping says, and shows a new track only where
   * the browser saw the section idle before.
   */
  look(
    { mid, msid, direction, ssrcs }: RemoteDescription["sections"][number],
    midToTrackId: Readonly<Record<string, string>>,
  ): void {
    assert.equal(msid?.track, midToTrackId[mid], "msid and mapping differ");
    assert.equal(direction, msid === undefined ? this.idle : "sendonly");
    const before = this.shown.get(mid);
    if (msid && before) assert.equal(msid.track, before, "one track became another");
    for (const { ssrc } of ssrcs) assert.equal(ssrc, ssrcOf(msid!.track), "another track's SSRC");
  }

  /** The browser has what these sections say. */
  show(sections: RemoteDescription["sections"]): void {
    for (const { mid, msid } of sections) this.shown.set(mid, msid?.track ?? "");
  }

  /** Down-tracks were reported as received in their sections. */
  accept(
    tracks: readonly {
      readonly downTrack: DownTrackId;
      readonly section: { readonly mid: string; readonly ssrc: number };
    }[],
  ): void {
    for (const { downTrack, section } of tracks) {
      assert.ok(this.live.has(downTrack), "accepted a track that is gone");
      assert.equal(section.ssrc, ssrcOf(trackOf(downTrack)));
      this.accepted.set(downTrack, section.mid);
    }
    const mids = [...this.accepted.values()];
    assert.equal(new Set(mids).size, mids.length, "two tracks in one section");
  }

  /** Down-tracks were reported as impossible. */
  reject(
    tracks: readonly { readonly downTrack: DownTrackId; readonly reason: RejectionReason }[],
  ): void {
    for (const { downTrack, reason } of tracks) {
      assert.equal(this.live.get(downTrack), UNSUPPORTED);
      assert.equal(reason, "codec_unsupported");
      this.live.delete(downTrack);
    }
  }

  /** Checks that a mapping names exactly these tracks. */
  names(midToTrackId: Readonly<Record<string, string>>, tracks: Iterable<DownTrackId>): void {
    const named = new Set(Object.values(midToTrackId));
    assert.deepEqual(named, new Set([...tracks].map(trackOf)), "the description's tracks");
  }

  /** Checks that every live track is accepted, and no other. */
  settled(): void {
    assert.deepEqual([...this.accepted.keys()].sort(), [...this.live.keys()].sort());
    for (const mime of this.live.values()) assert.notEqual(mime, UNSUPPORTED);
  }
}

function trackOf(downTrack: DownTrackId): string {
  return downTrack.replace("DT", "TR");
}

function ssrcOf(track: string): number {
  return Number(track.slice(3)) * 2;
}
