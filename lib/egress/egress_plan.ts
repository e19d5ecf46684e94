/**
 * What a request to record asks for, in our terms: which tracks, into how many files, of what kind
 * and name. Pure; a request that asks for what is not there is refused in words.
 *
 * Fields, and what is ignored, as of LiveKit's Egress API (`livekit_egress.proto`, 1.52).
 *
 * @module
 */
import {
  type AutoParticipantEgress,
  type AutoTrackEgress,
  EncodedFileType,
  type EncodingOptions,
  EncodingOptionsPreset,
  ParticipantEgressRequest,
  RoomCompositeEgressRequest,
  type RoomEgress,
  type SegmentedFileOutput,
  type StartEgressRequest,
  TrackCompositeEgressRequest,
  TrackEgressRequest,
  type WebEgressRequest,
} from "@livekit/protocol";
import { AdminFailure } from "../admin/admin_failure.ts";
import type { ContainerFormat } from "../recording/container/container.ts";
import { planSegments, type SegmentPlan } from "./segment_plan.ts";
import { endingOf, leadsOutside } from "../recording/recording_name.ts";
import type { UploadTarget } from "../recording/upload_target.ts";
import { type EchoedRequest, redactedRequest } from "./request_redaction.ts";
import { requestedUpload, type UploadRequest } from "./requested_upload.ts";

/** Which tracks of a room are recorded. */
export type TrackSelector =
  /** Those with these sids. */
  | { readonly type: "tracks"; readonly sids: readonly string[] }
  /** Camera and microphone of somebody, or what they share. */
  | { readonly type: "participant"; readonly identity: string; readonly screenShare: boolean }
  /** Everybody's, each a file of its own. */
  | { readonly type: "room"; readonly audio: boolean; readonly video: boolean };

/** One recording to be made. */
export interface EgressPlan {
  readonly roomName: string;
  readonly selector: TrackSelector;
  /** A template, see `recordingPath`. */
  readonly filepath: string;
  /** What the file is called if nothing is asked for. */
  readonly fallback: string;
  readonly format: ContainerFormat | undefined;
  /** In place of files; absent: files. */
  readonly segments?: SegmentPlan;
  /** One picture of everybody is wanted beside the files, of so many pixels; absent: none is. */
  readonly composed?: { readonly width: number; readonly height: number };
  readonly hasManifest: boolean;
  /** Tracks that a file waits for. */
  readonly expected: number;
  /** What was asked for and is not done, for people; empty if nothing. */
  readonly details: string;
  /** Where it goes by the request's word; absent: wherever recordings go here. */
  readonly upload?: UploadTarget;
  readonly request: EchoedRequest;
}

/** What all requests have, as far as they have it. */
interface Outputs {
  readonly output?: { readonly case?: string | undefined; readonly value?: unknown };
  readonly options?: {
    readonly case?: string | undefined;
    readonly value?: EncodingOptionsPreset | EncodingOptions | undefined;
  };
  readonly fileOutputs?: readonly FileRequest[];
  readonly streamOutputs?: readonly unknown[];
  readonly segmentOutputs?: readonly SegmentedFileOutput[];
  readonly imageOutputs?: readonly unknown[];
}

interface FileRequest {
  readonly filepath: string;
  readonly disableManifest: boolean;
  readonly fileType?: EncodedFileType;
  readonly output?: UploadRequest;
}

/** What a request asks for that names no file. */
const NO_FILE: FileRequest = { filepath: "", disableManifest: false };
/** Of a composition for which no size is asked for. */
const USUAL_SIZE = { width: 1280, height: 720 } as const;
/** Larger ones take a machine of their own. */
const LARGEST_SIZE = { width: 1920, height: 1080 } as const;
const NOT_ENCODED = "encoding options are not used: tracks are recorded as they are sent";
const OF_ROOM = "{room_name}-{publisher_identity}-{track_source}-{track_id}-{time}";

/** The plan of a request, or why there is none. */
export function planTrack(request: TrackEgressRequest): EgressPlan | AdminFailure {
  const { output, roomName, trackId } = request;
  if (trackId === "") return missing("track_id");
  if (output.case === "websocketUrl") return unsupported("WebSocket outputs");
  const file = output.case === "file" ? output.value : NO_FILE;
  return withFile(file, "", {
    roomName,
    selector: { type: "tracks", sids: [trackId] },
    fallback: "{room_name}-{track_id}-{time}",
    expected: 1,
    request: { case: "track", value: request },
  });
}

export function planTrackComposite(
  request: TrackCompositeEgressRequest,
): EgressPlan | AdminFailure {
  const { roomName, audioTrackId, videoTrackId } = request;
  const sids = [audioTrackId, videoTrackId].filter((sid) => sid !== "");
  if (sids.length === 0) return missing("audio_track_id or video_track_id");
  return withOutputs(request, "", {
    roomName,
    selector: { type: "tracks", sids },
    fallback: "{room_name}-{time}",
    expected: sids.length,
    request: { case: "trackComposite", value: request },
  });
}

export function planParticipant(request: ParticipantEgressRequest): EgressPlan | AdminFailure {
  const { roomName, identity, screenShare } = request;
  if (identity === "") return missing("identity");
  return withOutputs(request, "", {
    roomName,
    selector: { type: "participant", identity, screenShare },
    fallback: "{room_name}-{publisher_identity}-{time}",
    expected: 2,
    request: { case: "participant", value: request },
  });
}

export function planRoom(request: RoomCompositeEgressRequest): EgressPlan | AdminFailure {
  const { roomName, audioOnly, videoOnly } = request;
  if (audioOnly && videoOnly) return invalid("audio_only and video_only exclude each other");
  const plan = withOutputs(request, "", {
    roomName,
    selector: { type: "room", audio: !videoOnly, video: !audioOnly },
    fallback: OF_ROOM,
    expected: 1,
    request: { case: "roomComposite", value: request },
  });
  return composed(plan, request.options.case === "advanced" ? request.options.value : undefined);
}

/** A room is one picture in MP4, unless another format is asked for. */
function composed(
  plan: EgressPlan | AdminFailure,
  wanted: Pick<EncodingOptions, "width" | "height"> | undefined,
): EgressPlan | AdminFailure {
  if (plan instanceof AdminFailure || (plan.format ?? "mp4") !== "mp4") return plan;
  const { width, height } = wanted ?? USUAL_SIZE;
  const isPossible = width >= 64 && height >= 64 && width <= LARGEST_SIZE.width &&
    height <= LARGEST_SIZE.height;
  return { ...plan, composed: isPossible ? { width, height } : USUAL_SIZE };
}

export function planWeb(_: WebEgressRequest): AdminFailure {
  return unsupported("recordings of web pages (there is no browser here)");
}

/** The request that says all of the above in one way. */
export function planEgress(request: StartEgressRequest): EgressPlan | AdminFailure {
  const { roomName, source, encoding } = request;
  if (source.case === "web") return unsupported("recordings of web pages");
  const withOutput = outputOf(request);
  if (withOutput instanceof AdminFailure) return withOutput;
  const isPassed = encoding.case === undefined ||
    encoding.case === "preset" && encoding.value === EncodingOptionsPreset.PASSTHROUGH;
  const note = isPassed ? "" : NOT_ENCODED;
  const echoed = { case: "egress", value: request } as const;
  if (source.case === "template") {
    const { audioOnly, videoOnly } = source.value;
    const selector = { type: "room", audio: !videoOnly, video: !audioOnly } as const;
    const base = { roomName, selector, fallback: OF_ROOM, expected: 1, request: echoed };
    const wanted = encoding.case === "advanced" ? encoding.value : undefined;
    return composed(withOutput(note, base), wanted);
  }
  if (source.case !== "media") return missing("source");
  const { video, audio } = source.value;
  const routes = audio?.routes.map(({ match }) => match) ?? [];
  if (video.case === "participantVideo") {
    const { identity, preferScreenShare } = video.value;
    const isOther = routes.some((match) =>
      match.case !== "participantIdentity" || match.value !== identity
    );
    if (isOther || audio?.captureAll) return unsupported("one file of several participants");
    return withOutput(note, {
      roomName,
      selector: { type: "participant", identity, screenShare: preferScreenShare },
      fallback: "{room_name}-{publisher_identity}-{time}",
      expected: routes.length > 0 ? 2 : 1,
      request: echoed,
    });
  }
  const sids = [
    ...(video.case === "videoTrackId" ? [video.value] : []),
    ...routes.flatMap((match) => match.case === "trackId" ? [match.value] : []),
  ];
  if (audio?.captureAll || sids.length > 2 || sids.length < routes.length) {
    return unsupported("one file of several participants");
  }
  if (sids.length === 0) return missing("a track");
  return withOutput(note, {
    roomName,
    selector: { type: "tracks", sids },
    fallback: "{room_name}-{time}",
    expected: sids.length,
    request: echoed,
  });
}

type PlanOutput = (details: string, base: Base) => EgressPlan | AdminFailure;

/** The one output of a request. */
function outputOf({ outputs, storage }: StartEgressRequest): PlanOutput | AdminFailure {
  const kinds = outputs.map(({ config }) => config.case);
  if (kinds.some((kind) => kind !== "file" && kind !== "segments")) {
    return unsupported("other outputs than files and segments");
  }
  if (outputs.length > 1) return invalid("one output is made, not several");
  const [output] = outputs;
  const upload = (output?.storage ?? storage)?.provider ?? {};
  const { config } = output ?? {};
  return (details, base) => {
    if (config?.case === "segments") return withSegments(config.value, upload, details, base);
    const file = config?.case === "file" ? config.value : NO_FILE;
    return withFile({ ...file, output: upload }, details, base);
  };
}

/** What is recorded of everybody in a room that was made so (`RoomEgress.participant`). */
export function planAutoParticipant(
  roomName: string,
  identity: string,
  { fileOutputs, segmentOutputs }: AutoParticipantEgress,
): EgressPlan | AdminFailure {
  return planParticipant(
    new ParticipantEgressRequest({ roomName, identity, fileOutputs, segmentOutputs }),
  );
}

/** What is recorded of each track in a room that was made so (`RoomEgress.tracks`). */
export function planAutoTrack(
  roomName: string,
  trackId: string,
  { filepath, disableManifest, output }: AutoTrackEgress,
): EgressPlan | AdminFailure {
  const value = { filepath, disableManifest, output };
  const request = { roomName, trackId, output: { case: "file", value } } as const;
  return planTrack(new TrackEgressRequest(request));
}

/**
 * Why a room cannot be recorded from its start as that says, if it cannot. What begins with a track
 * is tried then, as LiveKit does.
 */
export function checkRoomEgress(
  roomName: string,
  { room }: RoomEgress,
): AdminFailure | undefined {
  if (room === undefined) return undefined;
  const plan = planRoom(new RoomCompositeEgressRequest({ ...room, roomName }));
  return plan instanceof AdminFailure ? plan : undefined;
}

type Base = Omit<EgressPlan, "filepath" | "format" | "hasManifest" | "details">;

function withOutputs(outputs: Outputs, note: string, base: Base): EgressPlan | AdminFailure {
  const others = [outputs.streamOutputs, outputs.imageOutputs];
  const kind = outputs.output?.case;
  if (others.some((list) => (list?.length ?? 0) > 0) || kind === "stream") {
    return unsupported("other outputs than files and segments");
  }
  const segmented = [
    ...outputs.segmentOutputs ?? [],
    ...(kind === "segments" ? [outputs.output!.value as SegmentedFileOutput] : []),
  ];
  const files = [
    ...outputs.fileOutputs ?? [],
    ...(kind === "file" ? [outputs.output!.value as FileRequest] : []),
  ];
  if (files.length + segmented.length > 1) return invalid("one output is made, not several");
  const { options } = outputs;
  // The first preset is what a request says that says nothing.
  const isAsked = options?.case === "advanced" ||
    options?.case === "preset" && options.value !== EncodingOptionsPreset.PASSTHROUGH;
  const details = joinNotes(note, isAsked ? NOT_ENCODED : "");
  if (segmented[0] !== undefined) {
    return withSegments(segmented[0], segmented[0].output, details, base);
  }
  return withFile(files[0] ?? NO_FILE, details, base);
}

function withSegments(
  request: SegmentedFileOutput,
  upload: UploadRequest,
  details: string,
  base: Base,
): EgressPlan | AdminFailure {
  if (base.selector.type === "room") {
    return unsupported("segments of a whole room (each participant can be had so)");
  }
  const segments = planSegments(request);
  if (segments instanceof AdminFailure) return segments;
  // The manifest of files has nothing to say of segments: their playlist does.
  const plan = withFile(
    { filepath: "", disableManifest: true, output: upload },
    details,
    base,
  );
  return plan instanceof AdminFailure ? plan : { ...plan, segments, format: "mp4" };
}

function withFile(file: FileRequest, details: string, base: Base): EgressPlan | AdminFailure {
  const { filepath, disableManifest, fileType = EncodedFileType.DEFAULT_FILETYPE } = file;
  if (base.roomName === "") return missing("room_name");
  const upload = requestedUpload(file.output);
  if (upload instanceof AdminFailure) return upload;
  if (leadsOutside(filepath)) {
    return invalid("filepath must stay within the folder of recordings");
  }
  if (fileType === EncodedFileType.MP3) return unsupported("MP3 files (nothing is encoded)");
  return {
    ...base,
    filepath,
    format: FORMAT_OF_TYPE[fileType] ?? FORMAT_OF_ENDING[endingOf(filepath)],
    hasManifest: !disableManifest,
    details: joinNotes(details, upload.note),
    ...(upload.target === undefined ? {} : { upload: upload.target }),
    request: redactedRequest(base.request),
  };
}

const FORMAT_OF_TYPE: Readonly<Record<number, ContainerFormat>> = {
  [EncodedFileType.MP4]: "mp4",
  [EncodedFileType.OGG]: "ogg",
};
const FORMAT_OF_ENDING: Readonly<Record<string, ContainerFormat>> = {
  webm: "webm",
  mkv: "mkv",
  mp4: "mp4",
  ogg: "ogg",
};

function joinNotes(...notes: readonly string[]): string {
  return notes.filter((note) => note !== "").join("; ");
}

function missing(what: string): AdminFailure {
  return new AdminFailure("invalid_argument", `missing ${what}`);
}

function invalid(message: string): AdminFailure {
  return new AdminFailure("invalid_argument", message);
}

function unsupported(what: string): AdminFailure {
  return new AdminFailure("unimplemented", `this server does not make ${what}`);
}
