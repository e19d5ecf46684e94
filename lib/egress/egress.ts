/**
 * One recording of a room: follows its tracks, writes its files, and says how it is.
 *
 * Contract: its state goes forward only (starting, active, ending, ended), each step is told once,
 * and once it has ended its files are closed. What happens to its storage ends it and nothing else.
 *
 * @module
 */
import { type EgressInfo, EgressStatus, VideoQuality } from "@livekit/protocol";
import type { Cancel, Clock } from "../base/platform.ts";
import type { Composition } from "../recording/composition.ts";
import {
  type NameFacts,
  ownTemplate,
  recordingPath,
  sharedTemplate,
} from "../recording/recording_name.ts";
import type { Member } from "../room/participant/member.ts";
import type { PublishedTrack } from "../room/registry/registry_messages.ts";
import type { Room } from "../room/room.ts";
import type { TrackWatcher } from "../room/subscription/room_tracks.ts";
import { egressInfo } from "./egress_info.ts";
import {
  type EgressOutput,
  type OutputPart,
  type SegmentsState,
  wholeSpan,
} from "./egress_output.ts";
import type { EgressPlan } from "./egress_plan.ts";
import type { EgressState } from "./egress_state.ts";
import type { EgressWorld } from "./egress_world.ts";
import {
  EgressTracks,
  isUnrecordable,
  recordableUpTrack,
  type RecordedTrack,
} from "./egress_tracks.ts";
import { manifestText, replayPageOf } from "./recording_manifest.ts";
import { RoomJournal } from "./room_journal.ts";
import { RecordedOutput } from "./recorded_output.ts";
import { SegmentedOutput } from "./segmented_output.ts";
import { segmentNames, type SegmentPlan } from "./segment_plan.ts";
import { TrackRecorder } from "./track_recorder.ts";

/** How often files are written and ends are looked for, ms. */
const TICK_MS = 250;
/** What was asked for has to come by then, ms, as in LiveKit's service. */
export const FIRST_TRACK_MS = 30_000;
/** A track that its publisher took back may be published again at once, ms. */
const REPUBLISH_MS = 2_000;

/** What was recorded last is told within this, ms. */
const TAIL_MS = 150;

interface Recording {
  readonly track: RecordedTrack;
  readonly recorder: TrackRecorder;
  readonly output: EgressOutput;
  /** Nothing comes any more, and its file is closed. */
  isClosed: boolean;
}

/** One egress. Begin it with {@linkcode Egress.start}. */
export class Egress implements TrackWatcher<Member>, EgressState {
  status: EgressStatus = EgressStatus.EGRESS_STARTING;
  error = "";
  startedAtMs = 0;
  endedAtMs = 0;
  updatedAtMs: number;
  manifest = "";
  journalFailure = "";
  endNote = "";
  composition: Composition | undefined;
  readonly tracks: EgressTracks;
  readonly #world: EgressWorld<Egress>;
  readonly #clock: Clock;
  readonly #recordings = new Map<RecordedTrack, Recording>();
  readonly #shared: EgressOutput | undefined;
  /** Of a recording of a whole room. */
  readonly journal: RoomJournal | undefined;
  readonly #createdAt: number;
  readonly #createdAtMs: number;
  readonly #ended = Promise.withResolvers<void>();
  #unwatch: () => void = () => {};
  #cancelTick: Cancel = () => {};
  #absentSince = Infinity;
  /** What its storage said while it was ending. */
  #lateError = "";

  constructor(
    readonly id: string,
    readonly plan: EgressPlan,
    readonly room: Room,
    world: EgressWorld<Egress>,
    public continues = "",
  ) {
    this.#world = world;
    this.tracks = new EgressTracks(plan.selector);
    this.#clock = world.platform.clock;
    this.#createdAt = this.#clock.now();
    this.updatedAtMs = this.#createdAtMs = this.#clock.wallMs();
    if (plan.selector.type !== "room") this.#shared = this.#output(plan.expected, undefined);
    else this.journal = new RoomJournal(room, id, this.#clock, continues);
  }

  /** Resolves when it has ended, and its files are kept. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  get obstacle(): string {
    const { composer } = this.#world;
    if (this.plan.composed === undefined) return "";
    return composer === undefined
      ? "recording.compose is off, or files go elsewhere"
      : composer.obstacle;
  }

  get hasEnded(): boolean {
    return this.status >= EgressStatus.EGRESS_COMPLETE;
  }

  get parts(): readonly OutputPart[] {
    return this.#outputs.flatMap(({ parts }) => parts);
  }

  get segments(): readonly SegmentsState[] {
    return this.#outputs.flatMap(({ segments }) => segments ?? []);
  }

  trackOf(stream: unknown): RecordedTrack | undefined {
    for (const { track, recorder } of this.#recordings.values()) {
      if (recorder.stream === stream) return track;
    }
    return undefined;
  }

  info(): EgressInfo {
    return egressInfo(this);
  }

  /** Follows the room from now on. */
  start(): void {
    this.#world.changed(this, "started");
    const endWatch = this.room.tracks.watch(this);
    const endWitness = this.journal && this.room.witness(this.journal);
    this.#unwatch = () => {
      endWatch();
      endWitness?.();
    };
    for (const { publisher, track } of this.room.tracks.all()) this.trackThere(publisher, track);
    this.#tickLater();
  }

  trackThere(publisher: Member, track: PublishedTrack): void {
    if (this.status > EgressStatus.EGRESS_ACTIVE) return;
    this.journal?.trackThere(publisher, track);
    const place = this.tracks.there(publisher, track);
    if (place === undefined) return;
    const source = recordableUpTrack(track, this.room.tracks.isRegressed(track.sid));
    if (source === undefined) {
      if (isUnrecordable(track)) this.#leaveOut(track.info.mimeType || "an unknown codec");
      return;
    }
    const wish = { mime: source.mime, quality: VideoQuality.HIGH };
    this.room.tracks.wish(track.sid, { sid: this.id }, wish);
    this.#recording(place).recorder.follow(source.upTrack);
  }

  trackGone(trackSid: string): void {
    this.journal?.trackGone(trackSid);
    this.tracks.gone(trackSid, this.#now);
  }

  /** The room has ended. */
  roomClosed(): void {
    this.#end(EgressStatus.EGRESS_COMPLETE);
  }

  /**
   * @param why If nobody asked for it, for people.
   * @returns `false` if it has ended, or is about to.
   */
  stop(why = ""): boolean {
    if (this.status > EgressStatus.EGRESS_ACTIVE) return false;
    this.endNote = why;
    this.#end(EgressStatus.EGRESS_COMPLETE);
    return true;
  }

  /** Ends it with what there is, and says why. */
  fail(why: string): void {
    if (this.status === EgressStatus.EGRESS_ENDING) this.#lateError ||= why;
    this.#end(EgressStatus.EGRESS_FAILED, why);
  }

  get #outputs(): readonly EgressOutput[] {
    if (this.#shared !== undefined) return [this.#shared];
    return [...this.#recordings.values()].map(({ output }) => output);
  }

  get #now(): number {
    return this.#clock.now();
  }

  #recording(track: RecordedTrack): Recording {
    const known = this.#recordings.get(track);
    if (known !== undefined) return known;
    const { router } = this.#world;
    const output = this.#shared ?? this.#output(1, track);
    const recorder: TrackRecorder = new TrackRecorder(
      router,
      this.#clock,
      track.kind,
      track.clock,
      {
        frame: (frame, timeMs, codec) => output.add(recorder.stream, frame, timeMs, codec),
      },
      output.keyEveryMs,
    );
    const recording = { track, recorder, output, isClosed: false };
    this.#recordings.set(track, recording);
    return recording;
  }

  #output(expected: number, track: RecordedTrack | undefined): EgressOutput {
    const { storage } = this.#world;
    const { filepath, fallback, format, selector, segments } = this.plan;
    if (segments !== undefined) return this.#segmented(segments, expected);
    const template = selector.type === "room" ? ownTemplate(filepath) : filepath;
    return new RecordedOutput({
      clock: this.#clock,
      storage,
      format,
      expected,
      path: () => {
        return recordingPath(template, fallback, this.#nameFacts(track ?? this.tracks.all[0]));
      },
      began: (part) => this.#began(part, track),
      failed: (why) => this.fail(why),
    });
  }

  #segmented(plan: SegmentPlan, expected: number): SegmentedOutput {
    const { storage } = this.#world;
    return new SegmentedOutput({
      clock: this.#clock,
      storage,
      lengthMs: plan.lengthMs,
      expected,
      names: () => segmentNames(plan, this.plan.fallback, this.#nameFacts(this.tracks.all[0])),
      began: () => this.#began(undefined, undefined),
      failed: (why) => this.fail(why),
    });
  }

  /** @param track Of what belongs to all: absent. */
  #nameFacts(track: RecordedTrack | undefined): NameFacts {
    return {
      room_name: this.plan.roomName,
      room_id: this.room.sid,
      publisher_identity: track?.identity ?? "",
      track_id: track?.sid ?? "",
      track_type: track?.kind ?? "",
      track_source: track?.source ?? "",
      // All files of a room are of one recording, also by their names and folders.
      startedAtMs: this.plan.selector.type === "room" ? this.#createdAtMs : this.#clock.wallMs(),
    };
  }

  #leaveOut(mime: string): void {
    if (this.plan.selector.type === "tracks") this.fail(`a track in ${mime} cannot be recorded`);
    else this.tracks.leftOut.add(mime);
  }

  /** @param track Of a file with one track, whose. */
  #began(part: OutputPart | undefined, track: RecordedTrack | undefined): void {
    if (part !== undefined && track !== undefined) this.#noteFile(part, track);
    if (this.status !== EgressStatus.EGRESS_STARTING) return;
    this.startedAtMs = this.#clock.wallMs();
    this.#become(EgressStatus.EGRESS_ACTIVE);
  }

  #noteFile({ stored, file, startedAtMs }: OutputPart, track: RecordedTrack): void {
    const { journal } = this;
    if (journal === undefined) return;
    if (journal.filename === undefined) {
      const failed = (why: string) => this.journalFailure = why;
      journal.open(this.#world.storage.open(`${this.#base}.jsonl`, failed));
    }
    const { identity, kind, source, sid } = track;
    journal.fileBegan(stored!, {
      format: file.format,
      identity,
      track_id: sid,
      track_kind: kind,
      track_source: source,
    }, startedAtMs);
  }

  /** Of a room's manifest and journal: their path without an ending. */
  get #base(): string {
    const shared = sharedTemplate(this.plan.filepath);
    const folder = shared.slice(0, shared.lastIndexOf("/") + 1);
    return recordingPath(`${folder}${this.id}`, this.id, this.#nameFacts(undefined));
  }

  #tickLater(): void {
    this.#cancelTick = this.#world.platform.timers.after(TICK_MS, () => {
      try {
        this.#tick(this.#now);
      } catch (error) {
        this.room.log.error("a recording failed", { egress: this.id, error: String(error) });
        this.fail("the recording failed");
      }
      if (this.status <= EgressStatus.EGRESS_ACTIVE) this.#tickLater();
    });
  }

  #tick(now: number): void {
    for (const { recorder, isClosed } of this.#recordings.values()) {
      if (!isClosed) recorder.tick(now);
    }
    for (const output of this.#outputs) output.tick(now);
    this.journal?.tick();
    if (this.plan.selector.type === "room") this.#closeGone(now);
    this.#checkLimits(now);
    this.#checkEnd(now);
  }

  /** People come and go in a room for days: the file of who will not go on in it is closed. */
  #closeGone(now: number): void {
    for (const recording of this.#recordings.values()) {
      const { track, recorder, output } = recording;
      if (recording.isClosed || now - track.goneAt < this.#world.returnMs) continue;
      recording.isClosed = true;
      this.tracks.forget(track);
      recorder.stop();
      recorder.close();
      output.end().catch((reason) => this.fail(String(reason)));
    }
  }

  #checkLimits(now: number): void {
    const { maxMs, maxBytes } = this.#world;
    const bytes = this.#outputs.reduce((sum, output) => sum + output.bytes, 0);
    if (maxMs > 0 && now - this.#createdAt >= maxMs) {
      this.#end(EgressStatus.EGRESS_LIMIT_REACHED, "the longest recording is reached");
    } else if (maxBytes > 0 && bytes >= maxBytes) {
      this.#end(EgressStatus.EGRESS_LIMIT_REACHED, "the largest recording is reached");
    }
  }

  #checkEnd(now: number): void {
    const { selector } = this.plan;
    if (this.hasEnded || selector.type === "room") return;
    const { all } = this.tracks;
    if (all.length === 0) return this.#checkStart(now);
    const { returnMs } = this.#world;
    const here = (identity: string) => this.room.byIdentity(identity) !== undefined;
    if (selector.type === "participant") {
      if (here(selector.identity)) this.#absentSince = Infinity;
      else this.#absentSince = Math.min(this.#absentSince, now);
      if (now - this.#absentSince >= returnMs) this.#end(EgressStatus.EGRESS_COMPLETE);
      return;
    }
    const isOver = all.every(({ goneAt, identity }) =>
      now - goneAt >= (here(identity) ? Math.min(REPUBLISH_MS, returnMs) : returnMs)
    );
    if (isOver) this.#end(EgressStatus.EGRESS_COMPLETE);
  }

  #checkStart(now: number): void {
    if (this.tracks.sawEncrypted) {
      return this.fail("the track is end-to-end encrypted, and cannot be recorded here");
    }
    const { selector } = this.plan;
    // Somebody who is here may turn the camera on whenever that pleases.
    const isHere = selector.type === "participant" &&
      this.room.byIdentity(selector.identity) !== undefined;
    if (isHere || now - this.#createdAt < FIRST_TRACK_MS) return;
    this.fail(selector.type === "participant" ? "participant not found" : "track not found");
  }

  #become(status: EgressStatus): void {
    this.status = status;
    this.updatedAtMs = this.#clock.wallMs();
    this.#world.changed(this, this.hasEnded ? "ended" : "updated");
    if (this.hasEnded) this.#ended.resolve();
  }

  #end(wanted: EgressStatus, error = ""): void {
    if (this.status > EgressStatus.EGRESS_ACTIVE) return;
    const wasActive = this.status === EgressStatus.EGRESS_ACTIVE;
    this.error = error;
    this.#cancelTick();
    this.#unwatch();
    for (const { recorder, track } of this.#recordings.values()) {
      recorder.stop();
      this.room.tracks.wish(track.currentSid, { sid: this.id }, undefined);
    }
    this.#become(EgressStatus.EGRESS_ENDING);
    this.#finish(wanted, wasActive).catch((reason) => {
      this.error ||= String(reason);
      this.#become(EgressStatus.EGRESS_FAILED);
    });
  }

  async #finish(wanted: EgressStatus, wasActive: boolean): Promise<void> {
    const { storage, platform: { timers } } = this.#world;
    // Another thread still has the last of it.
    await new Promise<void>((resolve) => timers.after(TAIL_MS, resolve));
    for (const { recorder } of this.#recordings.values()) recorder.close();
    const kept = (output: EgressOutput) =>
      output.end().catch((reason) => this.#lateError ||= String(reason));
    await Promise.all(this.#outputs.map(kept));
    this.endedAtMs = this.#clock.wallMs();
    this.error ||= this.#lateError;
    const { parts } = this;
    const isEmpty = !wasActive && parts.length === 0 && this.error === "" &&
      wanted === EgressStatus.EGRESS_COMPLETE;
    if (isEmpty) this.error = "it was stopped before there was anything to record";
    const status = () => {
      // A disk that fills up with the last bytes has its say, too.
      const failed = this.#lateError !== "";
      this.error ||= this.#lateError;
      return isEmpty ? EgressStatus.EGRESS_ABORTED : failed ? EgressStatus.EGRESS_FAILED : wanted;
    };
    await this.journal?.end(EgressStatus[status()], this.error)?.close();
    await this.#compose();
    if (this.plan.hasManifest && parts.length > 0) await this.#writeManifest();
    await this.#writeIndex();
    storage.tidy();
    this.#become(status());
  }

  /** What comes of it harms nothing: the files are there. */
  async #compose(): Promise<void> {
    const { composer } = this.#world;
    const { plan: { composed, filepath, roomName }, parts } = this;
    if (composed === undefined || composer === undefined || composer.obstacle !== "") return;
    if (parts.length === 0) return;
    const { startedAtMs } = wholeSpan(parts);
    const tracks = parts.flatMap(({ file, stored, codecs, startedAtMs: at }) => {
      const [codec] = codecs.values();
      if (codec === undefined || stored === undefined || file.bytes === 0) return [];
      return [{
        name: stored.name,
        kind: codec === "opus" ? "audio" as const : "video" as const,
        format: file.format!,
        offsetMs: at - startedAtMs,
        durationMs: file.durationMs,
      }];
    });
    const facts = this.#nameFacts(undefined);
    const path = recordingPath(sharedTemplate(filepath), "{room_name}-{time}", facts);
    this.composition = await composer.compose({ path, tracks, ...composed });
    if (this.composition.ok) this.room.log.info("recording composed", { room: roomName });
  }

  /** By it a bucket's recording is found; names are what they have become by now. */
  async #writeIndex(): Promise<void> {
    const { journal } = this;
    const { storage } = this.#world;
    if (storage.indexFolder === undefined || journal?.filename === undefined) return;
    const failed = (why: string) => this.journalFailure ||= why;
    const file = storage.open(`${storage.indexFolder}/${this.id}.json`, failed);
    file.append(new TextEncoder().encode(replayPageOf(this)));
    await file.close();
  }

  async #writeManifest(): Promise<void> {
    const { storage } = this.#world;
    const [first] = this.parts;
    const base = this.plan.selector.type === "room"
      ? this.#base
      : first!.stored!.name.replace(/\.[^.]*$/, "");
    const file = storage.open(`${base}.json`, (why) => this.#lateError ||= why);
    file.append(new TextEncoder().encode(manifestText(this)));
    if (await file.close() > 0) this.manifest = file.location;
  }
}
