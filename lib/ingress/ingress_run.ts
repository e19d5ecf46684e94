/**
 * One publishing by an ingress: from when its participant is in the room until it is in none.
 *
 * @module
 */
import {
  DisconnectReason,
  type IngressInfo,
  IngressState,
  IngressState_Status as Status,
  InputAudioState,
  InputVideoState,
  TrackType,
} from "@livekit/protocol";
import type { Clock } from "../base/platform.ts";
import type { Session } from "../room/participant/session.ts";

const NS_PER_MS = 1_000_000n;

/** The participant of an ingress, as far as its state shows it. */
export type Publisher = Pick<Session, "sid" | "tracks" | "active" | "close" | "info">;

/** How a publishing is; it begins with buffering, publishes once, and ends once. */
export class IngressRun {
  readonly #startedAtMs: number;
  #updatedAtMs: number;
  #endedAtMs = 0;
  #status = Status.ENDPOINT_BUFFERING;
  #error = "";
  /** Told that it publishes. */
  #hasStarted = false;
  /** As it was when its participant ended. */
  #last: IngressState | undefined;

  constructor(
    readonly info: IngressInfo,
    readonly roomSid: string,
    readonly publisher: Publisher,
    readonly clock: Pick<Clock, "wallMs">,
  ) {
    this.#startedAtMs = this.#updatedAtMs = clock.wallMs();
  }

  /** Names it. */
  get resource(): string {
    return this.publisher.sid;
  }

  get hasStarted(): boolean {
    return this.#hasStarted;
  }

  get hasEnded(): boolean {
    return this.#endedAtMs > 0;
  }

  /** Something about its participant is different. @returns Whether it publishes from now on. */
  changed(): boolean {
    this.#updatedAtMs = this.clock.wallMs();
    if (this.#hasStarted || this.hasEnded) return false;
    if (!this.publisher.active || this.publisher.tracks.length === 0) return false;
    this.#hasStarted = true;
    this.#status = Status.ENDPOINT_PUBLISHING;
    return true;
  }

  /** What is wrong with what it publishes, although it may go on. */
  note(error: string): void {
    this.#error ||= error;
    this.#updatedAtMs = this.clock.wallMs();
  }

  /** Its participant has ended, or will have before anything else happens. */
  ended(failure = ""): void {
    if (this.hasEnded) return;
    this.#updatedAtMs = this.#endedAtMs = this.clock.wallMs();
    const reason = this.publisher.info().disconnectReason;
    const neverCame = reason === DisconnectReason.JOIN_FAILURE ? "nothing came in time" : "";
    this.#error = failure || this.#error || neverCame;
    this.#status = failure !== "" || neverCame !== ""
      ? Status.ENDPOINT_ERROR
      : Status.ENDPOINT_INACTIVE;
    this.#last = this.#state();
  }

  /** As it is now, in values of its own. */
  state(): IngressState {
    return this.#last?.clone() ?? this.#state();
  }

  #state(): IngressState {
    const tracks = this.hasEnded ? [] : this.publisher.tracks.map(({ info }) => info.clone());
    const video = tracks.find(({ type }) => type === TrackType.VIDEO);
    const audio = tracks.find(({ type }) => type === TrackType.AUDIO);
    return new IngressState({
      status: this.#status,
      error: this.#error,
      roomId: this.roomSid,
      startedAt: BigInt(this.#startedAtMs) * NS_PER_MS,
      endedAt: BigInt(this.#endedAtMs) * NS_PER_MS,
      updatedAt: BigInt(this.#updatedAtMs) * NS_PER_MS,
      resourceId: this.resource,
      tracks,
      ...(video === undefined ? {} : {
        video: new InputVideoState({
          mimeType: video.mimeType,
          width: video.width,
          height: video.height,
        }),
      }),
      ...(audio === undefined ? {} : {
        audio: new InputAudioState({
          mimeType: audio.mimeType,
          channels: audio.stereo ? 2 : 1,
          sampleRate: 48_000,
        }),
      }),
    });
  }
}
