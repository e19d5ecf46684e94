/**
 * What nodes say to each other over links, in bytes: real messages of the project, encoded by its
 * own code for a participant as usual clients have them, with what seals and frames them. TCP, IP
 * and TLS are not counted.
 *
 * @module
 */
import {
  ParticipantInfo,
  ParticipantInfo_State as State,
  ParticipantPermission,
  SimulcastCodecInfo,
  SubscriptionPermission,
  TrackInfo,
  TrackSource,
  TrackType,
  VideoLayer,
  VideoQuality,
} from "@livekit/protocol";
import type { ParticipantSid, RoomSid, TrackSid, UpTrackId } from "../../lib/base/ids.ts";
import type { CodecParameters } from "../../lib/base/media_vocabulary.ts";
import { type LinkFrame, writeFrame } from "../../lib/cluster/link/link_frames.ts";
import { packAnswer, packRequest } from "../../lib/cluster/media/exchange_messages.ts";
import { packData, packLevels } from "../../lib/cluster/mirror/data_message.ts";
import { type MemberParts, partsOf } from "../../lib/cluster/mirror/member_message.ts";
import { packMirrorChange, packSnapshot } from "../../lib/cluster/mirror/mirror_message.ts";
import type { MemberFacts, SharedTrack } from "../../lib/room/context/member_facts.ts";
import type { RoomPlan } from "../../lib/room/context/room_plan.ts";

/** The first byte of a part, the tag of AES-GCM, and a WebSocket's header, masked or not. */
const SEALED_AND_FRAMED = 1 + 16 + 6;
const HANDLE = 1_000;
const NUMBER = 300;
const SID = "PA_abcdefghijkl" as ParticipantSid;
const IDENTITY = "user-0123456789";
const QUALITY = { sid: SID, quality: 2, opinion: 4.25 };
const UP_TRACK = "UT_abcdefghijkl.12-345678" as UpTrackId;

/** Bytes of one message of each kind. */
export interface LinkBytes {
  /** A room's snapshot without members, and what each member adds. */
  readonly hello: number;
  readonly helloMember: number;
  readonly join: number;
  /** A track that is published. */
  readonly track: number;
  readonly mute: number;
  readonly left: number;
  readonly bye: number;
  /** What a node's subscribers want of a track. */
  readonly want: number;
  /** A track is asked for, and the answer. */
  readonly ask: number;
  readonly answer: number;
  readonly ping: number;
  /** One speaker's loudness. */
  readonly levels: number;
  /** One member's quality, and what each more adds. */
  readonly quality: number;
  readonly qualityMember: number;
  /** A chat message of 200 bytes, and its confirmation. */
  readonly data: number;
  readonly ack: number;
}

/** Encodes one of each. */
export function linkBytes(): LinkBytes {
  const facts = memberFacts();
  const empty = partsOf({ ...facts, tracks: [] });
  const all = partsOf(facts);
  const snapshot = (members: number) => ({
    sid: "RM_abcdefghijkl" as RoomSid,
    plan: { version: 1, plan: PLAN },
    members: Array.from({ length: members }, () => change(all)),
    wants: [],
    bans: [],
    qualities: Array.from({ length: members }, () => QUALITY),
    isLate: false,
  });
  const hello = (members: number) =>
    bytes({
      kind: "hello",
      handle: HANDLE,
      name: "meeting-0123456789",
      value: packSnapshot(snapshot(members)),
    });
  const member = (parts: MemberParts) =>
    changed(packMirrorChange({ kind: "member", change: change(parts) }));
  const [track] = [...all].filter(([name]) => !empty.has(name));
  const wishes = [{ mime: "video/VP8", quality: VideoQuality.MEDIUM }];
  return {
    hello: hello(0),
    helloMember: hello(1) - hello(0),
    join: member(empty),
    track: member(new Map([track!])),
    mute: member(new Map([track!])),
    left: changed(packMirrorChange({ kind: "left", sid: SID, reason: 1 })),
    bye: bytes({ kind: "bye", handle: HANDLE }),
    want: changed(
      packMirrorChange({ kind: "want", want: { trackSid: "TR_abcdefghijkl", wishes } }),
    ),
    ask: bytes({
      kind: "call",
      id: 12_345,
      method: "media.want",
      withinMs: 500,
      payload: packRequest({ upTrack: UP_TRACK, engine: 1, direct: false }),
    }),
    answer: bytes({
      kind: "answer",
      id: 12_345,
      code: "ok",
      payload: packAnswer({ type: "sending", engine: 1 }),
    }),
    ping: bytes({ kind: "ping", sentAt: 123_456_789 }),
    levels: bytes({
      kind: "roomDatagram",
      of: "levels",
      handle: HANDLE,
      value: packLevels([{ upTrack: UP_TRACK, level: 0.123_456, active: true }]),
    }),
    quality: qualities(1),
    qualityMember: qualities(2) - qualities(1),
    data: bytes({
      kind: "data",
      number: NUMBER,
      room: "meeting-0123456789",
      value: packData({
        from: SID,
        kind: "reliable",
        bytes: new Uint8Array(200),
        identities: [],
        sids: [],
        isAddressed: false,
      }),
    }),
    ack: bytes({ kind: "ack", number: NUMBER }),
  };
}

function bytes(frame: LinkFrame): number {
  return writeFrame(frame).length + SEALED_AND_FRAMED;
}

function changed(value: ReturnType<typeof packMirrorChange>): number {
  return bytes({ kind: "change", handle: HANDLE, number: NUMBER, value });
}

function qualities(members: number): number {
  const qualities = Array.from({ length: members }, () => QUALITY);
  return changed(packMirrorChange({ kind: "quality", qualities }));
}

function change(parts: MemberParts) {
  return { sid: SID, identity: IDENTITY, number: 1_767_225_600_123_456, parts, gone: [] };
}

/** Somebody with a microphone and a camera in three layers. */
function memberFacts(): MemberFacts {
  return {
    sid: SID,
    identity: IDENTITY,
    number: 1_767_225_600_123_456,
    info: new ParticipantInfo({
      sid: SID,
      identity: IDENTITY,
      name: "Ada Lovelace",
      state: State.ACTIVE,
      joinedAt: 1_767_225_600n,
      joinedAtMs: 1_767_225_600_123n,
      version: 3,
      region: "eu-central",
      isPublisher: true,
      permission: new ParticipantPermission({
        canSubscribe: true,
        canPublish: true,
        canPublishData: true,
      }),
    }),
    userIdentity: IDENTITY,
    tokenExpiresAt: 1_767_247_200_000,
    client: { sdk: 1, protocol: 16 },
    rule: new SubscriptionPermission({ allParticipants: true }),
    tracks: [camera(), microphone()],
    dataTracks: [],
  };
}

function camera(): SharedTrack {
  const layers = [[320, 180, 150_000], [640, 360, 500_000], [1280, 720, 1_700_000]] as const;
  return {
    sid: "TR_VCabcdefghij" as TrackSid,
    info: new TrackInfo({
      sid: "TR_VCabcdefghij",
      type: TrackType.VIDEO,
      name: "camera",
      width: 1280,
      height: 720,
      simulcast: true,
      source: TrackSource.CAMERA,
      mimeType: "video/VP8",
      mid: "1",
      layers: layers.map(([width, height, bitrate], quality) => {
        return new VideoLayer({ quality, width, height, bitrate, ssrc: 1_234_567 * (quality + 1) });
      }),
      codecs: [
        new SimulcastCodecInfo({ mimeType: "video/VP8", mid: "1", cid: "camera-0123456789" }),
      ],
      stream: "camera",
      version: { unixMicro: 1_767_225_600_123_456n },
    }),
    kind: "video",
    source: TrackSource.CAMERA,
    regressed: false,
    upTracks: [upTrack("video", [
      codec("video/VP8", 96, 90_000, "", ["nack", "nack pli", "ccm fir", "transport-cc"]),
      codec("video/H264", 102, 90_000, "packetization-mode=1;profile-level-id=42e01f", ["nack"]),
    ], ["q", "h", "f"])],
  };
}

function microphone(): SharedTrack {
  return {
    sid: "TR_AMabcdefghij" as TrackSid,
    info: new TrackInfo({
      sid: "TR_AMabcdefghij",
      type: TrackType.AUDIO,
      name: "microphone",
      source: TrackSource.MICROPHONE,
      mimeType: "audio/opus",
      mid: "0",
      stream: "camera",
    }),
    kind: "audio",
    source: TrackSource.MICROPHONE,
    regressed: false,
    upTracks: [
      upTrack("audio", [codec("audio/opus", 111, 48_000, "minptime=10;useinbandfec=1", [])], []),
    ],
  };
}

function upTrack(
  kind: "audio" | "video",
  codecs: readonly CodecParameters[],
  rids: readonly string[],
) {
  const section = {
    mid: "1",
    kind,
    upTrack: UP_TRACK,
    codecs,
    extensions: [
      { id: 1, uri: "urn:ietf:params:rtp-hdrext:sdes:mid" },
      { id: 2, uri: "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time" },
      {
        id: 3,
        uri: "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
      },
    ],
    rids,
    ssrcs: [],
  };
  return { upTrack: UP_TRACK, mime: codecs[0]!.mime, mid: "1", section };
}

function codec(
  mime: string,
  payloadType: number,
  clockRate: number,
  fmtp: string,
  feedback: readonly string[],
): CodecParameters {
  const rtxPayloadType = payloadType + 1;
  return { mime, payloadType, clockRate, fmtp, feedback, rtxPayloadType };
}

const PLAN: RoomPlan = {
  settings: { emptyTimeoutS: 300, departureTimeoutS: 20, maxParticipants: 0 },
  internal: {
    tags: {},
    agents: [],
    egress: undefined,
    playoutDelay: { enabled: false, min: 0, max: 0 },
    syncStreams: false,
    replayEnabled: false,
    nodeId: "",
  },
  metadata: "",
};
