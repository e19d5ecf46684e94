/**
 * The recorded tracks of one engine: down-tracks whose packets are told to the control plane
 * instead of being sent to somebody.
 *
 * Contract: what is told of a track looks like one sender's stream, as for any subscriber, and goes
 * on when its source is another. A recording that hits a bug ends alone and is told as lost.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { DownTrackId, UpTrackId } from "../../base/ids.ts";
import type { LayerTarget } from "../../base/media_vocabulary.ts";
import type { Log } from "../../base/platform.ts";
import { DownTrack } from "../../media/down/down_track.ts";
import { SenderReportFigures } from "../../media/down/down_track_options.ts";
import { ntpToMs } from "../../media/layer/rtcp_clock.ts";
import type { UpTrack } from "../../media/up/up_track.ts";
import type { EngineDrop } from "../drop_reasons.ts";
import type { EngineCommand } from "../messages/engine_messages.ts";
import type { MediaEvent } from "../messages/media_messages.ts";
import type { RecordedClock, RecordingCommand } from "../messages/recording_messages.ts";
import { PacketBundle } from "./packet_bundle.ts";

const BEST: LayerTarget = { enabled: true, maxSpatial: 2, maxTemporal: 3 };
/** Nobody has to be shown that a stream is open. */
const NEVER_OPENED_MS = Infinity;

/** What recorded tracks are given of their engine. */
export interface RecordedTracksWorld {
  readonly upTracks: ReadonlyMap<UpTrackId, UpTrack>;
  readonly emit: (event: MediaEvent) => void;
  /** There is timed work at `at`. */
  readonly timed: (at: number) => void;
  readonly drops: DropSink<EngineDrop>;
  readonly log: Log;
}

interface Recorded {
  readonly track: DownTrack;
  readonly bundle: PacketBundle;
  upTrack: UpTrack;
}

type AddCommand = Extract<RecordingCommand, { readonly type: "record_track" }>;

/** One engine's recorded tracks; ids are those of down-tracks. */
export class RecordedTracks {
  readonly #world: RecordedTracksWorld;
  readonly #tracks = new Map<DownTrackId, Recorded>();
  readonly #report = new SenderReportFigures();

  constructor(world: RecordedTracksWorld) {
    this.#world = world;
  }

  /** @returns Whether the command is about a recorded track. */
  carryOut(command: EngineCommand, now: number): boolean {
    if (!("downTrack" in command)) return false;
    try {
      return this.#carryOut(command, now);
    } catch (error) {
      this.#failed(command.downTrack, error);
      return true;
    }
  }

  #carryOut(command: EngineCommand, now: number): boolean {
    switch (command.type) {
      case "record_track":
        this.#add(command, now);
        return true;
      case "request_key_frame":
        this.#tracks.get(command.downTrack)?.track.receivePictureLoss(now);
        return true;
      case "set_down_track_source":
        return this.#setSource(command.downTrack, command.upTrack, now);
      case "remove_down_track":
        return this.#remove(command.downTrack, now);
      default:
        return false;
    }
  }

  /** When {@linkcode RecordedTracks.tick} has something to do, or `Infinity`. */
  nextWakeAt(): number {
    let at = Infinity;
    for (const { track, bundle } of this.#tracks.values()) {
      at = Math.min(at, track.nextWakeAt(), bundle.dueAt);
    }
    return at;
  }

  tick(now: number): void {
    for (const [id, recorded] of this.#tracks) {
      try {
        if (now >= recorded.track.nextWakeAt()) recorded.track.tick(now);
        if (now >= recorded.bundle.dueAt) this.#tell(id, recorded, now);
      } catch (error) {
        this.#failed(id, error);
      }
    }
  }

  #add({ downTrack: id, upTrack: upTrackId, kind, codecs }: AddCommand, now: number): void {
    if (this.#tracks.has(id)) return;
    const upTrack = this.#world.upTracks.get(upTrackId);
    // It may be on its way from another engine.
    if (upTrack === undefined) return this.#world.emit({ type: "recording_lost", downTrack: id });
    const { timed } = this.#world;
    const bundle = new PacketBundle((at) => this.#tell(id, recorded, at), timed);
    const track = new DownTrack({
      section: { mid: "", kind, ssrc: 1, codecs, extensions: [], openAfterMs: NEVER_OPENED_MS },
      publisherExtensions: upTrack.extensions,
      sink: bundle,
      place: undefined,
      listener: {
        onLayer: () => {},
        onTimed: timed,
        onFailed: (error) => this.#failed(id, error),
      },
      target: BEST,
    });
    const recorded: Recorded = { track, bundle, upTrack };
    this.#tracks.set(id, recorded);
    upTrack.addDownTrack(track, now);
  }

  #setSource(id: DownTrackId, upTrackId: UpTrackId, now: number): boolean {
    const recorded = this.#tracks.get(id);
    if (recorded === undefined) return false;
    const upTrack = this.#world.upTracks.get(upTrackId);
    if (upTrack === undefined || upTrack === recorded.upTrack) return true;
    recorded.upTrack.removeDownTrack(recorded.track);
    recorded.upTrack = upTrack;
    upTrack.addDownTrack(recorded.track, now);
    return true;
  }

  #remove(id: DownTrackId, now: number): boolean {
    const recorded = this.#tracks.get(id);
    if (recorded === undefined) return false;
    this.#tell(id, recorded, now);
    this.#tracks.delete(id);
    recorded.upTrack.removeDownTrack(recorded.track);
    return true;
  }

  #tell(downTrack: DownTrackId, { track, bundle }: Recorded, now: number): void {
    const taken = bundle.take(now);
    if (taken === undefined) return;
    const clock = this.#clockOf(track, now);
    this.#world.emit({ type: "recorded", downTrack, ...taken, ...(clock && { clock }) });
  }

  #clockOf(track: DownTrack, now: number): RecordedClock | undefined {
    const report = this.#report;
    if (!track.senderReport(now, report)) return undefined;
    const { rtpTimestamp } = report;
    return { ntpMs: ntpToMs(report.ntpSeconds, report.ntpFraction), rtpTimestamp };
  }

  #failed(downTrack: DownTrackId, error: unknown): void {
    const recorded = this.#tracks.get(downTrack);
    if (recorded === undefined) return;
    this.#world.drops.count("engine_threw");
    this.#world.log.error("Media engine failed on a recording", { downTrack, error });
    this.#tracks.delete(downTrack);
    recorded.upTrack.removeDownTrack(recorded.track);
    this.#world.emit({ type: "recording_lost", downTrack });
  }
}
