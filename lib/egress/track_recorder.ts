/**
 * One recorded track: it is recorded by the media plane under one name, whichever up-track it comes
 * from at the moment, and its packets become frames.
 *
 * @module
 */
import type { DownTrackId, UpTrackId } from "../base/ids.ts";
import type { MediaKind } from "../base/media_vocabulary.ts";
import type { Clock } from "../base/platform.ts";
import type { RecordingEvent } from "../engine/messages/recording_messages.ts";
import { recordableCodecs } from "../recording/frames/frame_assembly.ts";
import type { PublisherClock } from "../recording/media_timeline.ts";
import { RecordedStream, type StreamHost } from "../recording/recorded_stream.ts";
import type { EngineRouter } from "../room/context/engine_router.ts";

/** What the media plane lost is begun again after so long, ms: its worker may be coming back. */
const RESTART_MS = 1_000;

/** Tells the media plane what to record, and takes what it tells. */
export class TrackRecorder {
  readonly stream: RecordedStream;
  readonly #router: EngineRouter;
  readonly #clock: Pick<Clock, "now">;
  readonly #publisher: PublisherClock;
  readonly #kind: MediaKind;
  #downTrack: DownTrackId | undefined;
  #upTrack: UpTrackId | undefined;
  #restartAt = Infinity;

  /**
   * @param publisher The same for all tracks of one publisher.
   * @param keyEveryMs How often a key frame is needed; as seldom as can be if absent.
   */
  constructor(
    router: EngineRouter,
    clock: Pick<Clock, "now">,
    kind: MediaKind,
    publisher: PublisherClock,
    frames: Pick<StreamHost, "frame">,
    keyEveryMs?: number,
  ) {
    this.#router = router;
    this.#clock = clock;
    this.#kind = kind;
    this.#publisher = publisher;
    this.stream = new RecordedStream(publisher, {
      frame: (frame, timeMs, codec) => frames.frame(frame, timeMs, codec),
      keyFrameWanted: () => this.#askForKeyFrame(),
    }, keyEveryMs);
  }

  /** Records this up-track from now on, as the same track. */
  follow(upTrack: UpTrackId): void {
    if (upTrack === this.#upTrack) return;
    const isFirst = this.#upTrack === undefined;
    this.#upTrack = upTrack;
    if (isFirst || this.#downTrack === undefined) return this.#begin();
    this.#publisher.forget();
    const downTrack = this.#downTrack;
    this.#router.send({ type: "set_down_track_source", downTrack, upTrack });
  }

  tick(now: number): void {
    this.stream.tick(now);
    if (now >= this.#restartAt) this.#begin();
  }

  /** Nothing more is recorded; what has been may still come until {@linkcode close}. */
  stop(): void {
    this.#restartAt = Infinity;
    this.#upTrack = undefined;
    const downTrack = this.#downTrack;
    if (downTrack !== undefined) this.#router.send({ type: "remove_down_track", downTrack });
  }

  /** What has come is all. */
  close(): void {
    if (this.#downTrack !== undefined) this.#router.unwatchRecording(this.#downTrack);
    this.#downTrack = undefined;
    this.stream.close();
  }

  #begin(): void {
    this.#restartAt = Infinity;
    const upTrack = this.#upTrack;
    if (upTrack === undefined) return;
    const downTrack = this.#downTrack = this.#router.newDownTrackId();
    const kind = this.#kind;
    this.#router.watchRecording(downTrack, (event) => this.#receive(event));
    this.#router.send({
      type: "record_track",
      downTrack,
      upTrack,
      kind,
      codecs: recordableCodecs(kind),
    });
  }

  #receive(event: RecordingEvent): void {
    const now = this.#clock.now();
    if (event.type === "recorded") return this.stream.push(event, now);
    this.#router.unwatchRecording(event.downTrack);
    this.#downTrack = undefined;
    this.stream.restart();
    this.#restartAt = now + RESTART_MS;
  }

  #askForKeyFrame(): void {
    const downTrack = this.#downTrack;
    if (downTrack !== undefined) this.#router.send({ type: "request_key_frame", downTrack });
  }
}
