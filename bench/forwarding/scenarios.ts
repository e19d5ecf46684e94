/**
 * What is forwarded: rooms as they occur, each a mix of streams as browsers send them. Pure.
 *
 * @module
 */
import { type StreamShape, VOICE } from "../load/frame_pacer.ts";

/** RTP bytes of each full packet, header included: what a browser's video packets come to. */
export const PACKET_BYTES = 1_200;
const LAST_PACKET_BYTES = 500;

/** A browser's camera at 1.5 Mbit/s: frames of some full packets and a shorter last one. */
const CAMERA: StreamShape = {
  kind: "video",
  frameRate: 30,
  packetsPerFrame: 6,
  packetBytes: PACKET_BYTES,
  lastPacketBytes: LAST_PACKET_BYTES,
  burst: 2,
  keyFrameEvery: 120,
  keyFrameFactor: 4,
};
/** The same in a grid of many. */
const THUMBNAIL: StreamShape = { ...CAMERA, frameRate: 24, packetsPerFrame: 3 };
/**
 * A frame leaves at once, as a media server or a recorder sends it: its packets can share one call.
 */
const WHOLE_FRAMES: StreamShape = { ...CAMERA, packetsPerFrame: 9, burst: 1_000 };
/** In a meeting so many speak at a time; the others' microphones send nothing. */
const SPEAKERS = 3;

/** One kind of room. */
export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly rooms: number;
  /** What each publisher of a room sends. */
  readonly publishers: readonly (readonly StreamShape[])[];
  /** Others in the room. */
  readonly audience: number;
  /** Publishers receive each other. */
  readonly isMeeting: boolean;
  /** Data messages instead of media. */
  readonly messages?: { readonly perSecond: number; readonly bytes: number };
}

function broadcast(name: string, title: string, shape: StreamShape, audience: number): Scenario {
  return { name, title, rooms: 1, publishers: [[shape]], audience, isMeeting: false };
}

function meeting(size: number): Scenario {
  const publishers = Array.from(
    { length: size },
    (_, i) => i < SPEAKERS ? [THUMBNAIL, VOICE] : [THUMBNAIL],
  );
  const name = `meeting-${size}`;
  const title = `${size} × ${size} meeting`;
  return { name, title, rooms: 1, publishers, audience: 0, isMeeting: true };
}

const camera = (audience: number) =>
  broadcast(`video-${audience}`, `video 1 → ${audience}`, CAMERA, audience);

/** In the order of the report. */
export const SCENARIOS: readonly Scenario[] = [
  camera(10),
  camera(100),
  camera(1_000),
  broadcast("frames-100", "video 1 → 100, whole frames", WHOLE_FRAMES, 100),
  {
    ...broadcast("audio-300", "audio 10 → 300", VOICE, 300),
    publishers: Array.from({ length: 10 }, () => [VOICE]),
  },
  meeting(20),
  meeting(50),
  {
    ...broadcast("data-20", "data messages 1 → 20", VOICE, 20),
    publishers: [[]],
    messages: { perSecond: 50, bytes: 1_000 },
  },
];

/** For the speed-up of workers: as many rooms as workers can share evenly. */
export const WORKERS_SCENARIO: Scenario = {
  ...camera(25),
  name: "rooms-4x25",
  title: "4 rooms, video 1 → 25",
  rooms: 4,
};

/** The scenario with this name. */
export function scenarioOf(name: string): Scenario | undefined {
  return [...SCENARIOS, WORKERS_SCENARIO].find((scenario) => scenario.name === name);
}
