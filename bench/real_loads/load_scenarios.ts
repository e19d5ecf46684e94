/**
 * Loads that people have, at the rates that people have: how many join, what they publish, and who
 * receives it. Pure.
 *
 * @module
 */
import { type StreamShape, VOICE } from "../load/frame_pacer.ts";

/** One layer of a published video track, lowest first in its track. */
export interface LoadLayer {
  /** RTP stream id (RFC 8852); absent where there is one layer. */
  readonly rid?: string;
  readonly width: number;
  readonly height: number;
  readonly bitrateBps: number;
  readonly shape: StreamShape;
}

/** What a publisher publishes as one track. */
export type LoadTrack =
  | { readonly kind: "audio"; readonly shape: StreamShape }
  | { readonly kind: "video"; readonly layers: readonly LoadLayer[] };

/** One load. Rates are what each publisher sends, whatever the server can carry. */
export interface LoadScenario {
  readonly name: string;
  readonly title: string;
  readonly rooms: number;
  /** Tracks of each publisher of a room. */
  readonly publishers: readonly (readonly LoadTrack[])[];
  /** Others in each room, who publish nothing. */
  readonly audience: number;
  /** Publishers receive each other; otherwise they subscribe to nothing. */
  readonly isMeeting: boolean;
  /** Who receives video asks for the best of whoever speaks, and for the middle of the others. */
  readonly followsSpeakers?: boolean;
  /**
   * Messages on the reliable data channel, of each publisher to everybody else of its room: so many
   * a second, or as many as there is room for.
   */
  readonly messages?: { readonly perSecond: number | "all"; readonly bytes: number };
  /** From the last stream until what is measured: V8 compiles, estimates settle, ms. */
  readonly settleMs: number;
  /** The time that is measured, ms. */
  readonly windowMs: number;
  /**
   * Others of the same kind come and go before anything is measured, so that what is held of the
   * participants is what they cost above those that a server has seen already.
   */
  readonly crowdBefore?: number;
}

/** RTP bytes of a full packet, header included, and of a frame's last one. */
const PACKET_BYTES = 1_100;
const LAST_PACKET_BYTES = 400;
const WINDOW_MS = 10_000;
const SETTLE_MS = 4_000;
/** V8 tidies up for half a minute after many have come: that is theirs who come, not who stay. */
const QUIET_SETTLE_MS = 30_000;
/** CPU times come in steps of 10 ms; with little to do they take longer to be told apart. */
const QUIET_WINDOW_MS = 16_000;

/** 30 frames/s; a key frame of four times the size every four seconds. */
function videoShape(packetsPerFrame: number, packetBytes: number, last: number): StreamShape {
  return {
    kind: "video",
    frameRate: 30,
    packetsPerFrame,
    packetBytes,
    lastPacketBytes: last,
    burst: 2,
    keyFrameEvery: 120,
    keyFrameFactor: 4,
  };
}

/** 2.0 Mbit/s: 246 packets/s, eight to a frame. */
const CAMERA: LoadTrack = {
  kind: "video",
  layers: [{
    width: 1_280,
    height: 720,
    bitrateBps: 2_000_000,
    shape: videoShape(8, PACKET_BYTES, LAST_PACKET_BYTES),
  }],
};
/** The three layers of a browser's 720p camera: 0.15, 0.5 and 1.7 Mbit/s. */
export const SIMULCAST: LoadTrack & { readonly kind: "video" } = {
  kind: "video",
  layers: [
    { rid: "q", width: 320, height: 180, bitrateBps: 150_000, shape: videoShape(1, 610, 610) },
    { rid: "h", width: 640, height: 360, bitrateBps: 500_000, shape: videoShape(2, 1_020, 1_020) },
    {
      rid: "f",
      width: 1_280,
      height: 720,
      bitrateBps: 1_700_000,
      shape: videoShape(7, PACKET_BYTES, 280),
    },
  ],
};
export const MICROPHONE: LoadTrack = { kind: "audio", shape: VOICE };

function times<T>(count: number, one: T): T[] {
  return Array.from({ length: count }, () => one);
}

function video(publishers: number, audience: number): LoadScenario {
  return {
    name: `video-${publishers}-${audience}`,
    title: `video ${publishers} → ${audience}`,
    rooms: 1,
    publishers: times(publishers, [CAMERA]),
    audience,
    isMeeting: false,
    settleMs: SETTLE_MS,
    windowMs: WINDOW_MS,
  };
}

function idle(participants: number): LoadScenario {
  const audience = 10;
  return {
    name: `idle-${participants}`,
    title: `${participants} idle`,
    rooms: participants / audience,
    publishers: [],
    audience,
    isMeeting: false,
    settleMs: QUIET_SETTLE_MS,
    windowMs: QUIET_WINDOW_MS,
    crowdBefore: 50,
  };
}

function data(publishers: number, audience: number, bytes: number, perSecond: number | "all") {
  const size = bytes >= 1_000 ? `${bytes / 1_000}k` : `${bytes}`;
  const isMeeting = audience === 0;
  const to = isMeeting ? publishers : audience;
  return {
    name: `data-${publishers}-${to}-${size}`,
    title: `data ${publishers} ${isMeeting ? "×" : "→"} ${to}, ${size}B`,
    rooms: 1,
    publishers: times(publishers, []),
    audience,
    isMeeting,
    messages: { perSecond, bytes },
    settleMs: SETTLE_MS,
    windowMs: WINDOW_MS,
  } satisfies LoadScenario;
}

/** The crowd that comes and goes before `scenario` is measured. */
export function crowdBefore(scenario: LoadScenario): LoadScenario | undefined {
  const { crowdBefore, publishers, audience } = scenario;
  if (crowdBefore === undefined) return undefined;
  return { ...scenario, rooms: Math.ceil(crowdBefore / (publishers.length + audience)) };
}

/** Of what is asked for while somebody else speaks. */
export const MIDDLE = SIMULCAST.layers[1]!;
export const BEST = SIMULCAST.layers[2]!;

/** In the order of the report. */
export const LOAD_SCENARIOS: readonly LoadScenario[] = [
  video(1, 10),
  video(1, 50),
  video(1, 100),
  video(3, 50),
  video(6, 40),
  {
    ...video(10, 50),
    name: "audio-10-50",
    title: "audio 10 → 50",
    publishers: times(10, [MICROPHONE]),
  },
  {
    name: "meeting-8",
    title: "8 × 8, simulcast and audio",
    rooms: 1,
    publishers: times(8, [SIMULCAST, MICROPHONE]),
    audience: 0,
    isMeeting: true,
    settleMs: SETTLE_MS,
    windowMs: WINDOW_MS,
  },
  {
    name: "speakers-8",
    title: "8 × 8, speakers large",
    rooms: 1,
    publishers: times(8, [SIMULCAST, MICROPHONE]),
    audience: 0,
    isMeeting: true,
    followsSpeakers: true,
    settleMs: SETTLE_MS,
    windowMs: WINDOW_MS,
  },
  {
    name: "rooms-20x4",
    title: "20 rooms of 4",
    rooms: 20,
    publishers: times(4, [SIMULCAST, MICROPHONE]),
    audience: 0,
    isMeeting: true,
    settleMs: SETTLE_MS,
    windowMs: WINDOW_MS,
  },
  idle(200),
  idle(1_000),
  data(1, 20, 100, 500),
  data(1, 20, 10_000, 50),
  data(20, 0, 100, 50),
  data(20, 0, 10_000, 5),
  {
    ...data(1, 1, 15_000, "all"),
    name: "data-stream",
    title: "one reliable stream, 15k messages",
  },
];

/** What the whole benchmark measures; the others are measured when asked for. */
export const USUAL_LOADS: readonly string[] = [
  "video-1-50",
  "video-6-40",
  "audio-10-50",
  "idle-200",
  "data-1-20-100",
];

/** The scenario with this name. */
export function loadScenarioOf(name: string): LoadScenario | undefined {
  return LOAD_SCENARIOS.find((scenario) => scenario.name === name);
}

/** Participants of all rooms. */
export function participantsOf({ rooms, publishers, audience }: LoadScenario): number {
  return rooms * (publishers.length + audience);
}

/** Tracks that reach a subscriber, each counted once for each of them. */
export function streamsOf({ rooms, publishers, audience, isMeeting }: LoadScenario): number {
  const tracks = publishers.reduce((sum, own) => sum + own.length, 0);
  const receivers = audience + (isMeeting ? publishers.length - 1 : 0);
  return rooms * tracks * receivers;
}

/** Deliveries of messages per second, to all receivers together; 0 if nobody knows before. */
export function deliveriesPerSecond(scenario: LoadScenario): number {
  const { rooms, publishers, audience, messages } = scenario;
  if (messages === undefined || messages.perSecond === "all") return 0;
  return rooms * publishers.length * (publishers.length - 1 + audience) * messages.perSecond;
}
