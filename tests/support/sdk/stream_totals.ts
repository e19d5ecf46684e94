/**
 * What became of one received stream, in figures that only grow, and what they say of a while.
 *
 * @module
 */
import type { BrowserClient } from "./browser_client.ts";

/** As webrtc-stats counts them (`RTCInboundRtpStreamStats`); those of the other kind are 0. */
export interface StreamTotals {
  /** When, ms by the clock of whoever says it: on a busy machine a look comes late. */
  readonly at: number;
  /** Decoded. */
  readonly frames: number;
  readonly keyFrames: number;
  /** Pictures that came so late that it shows, and for how long nothing moved. */
  readonly freezes: number;
  readonly frozenMs: number;
  /** Arrived whole, and were left out because a later one was there to be shown. */
  readonly dropped: number;
  /**
   * Pictures, or samples of sound, that left the jitter buffer, and for how long they were in it,
   * all together.
   */
  readonly released: number;
  readonly heldMs: number;
  /** Of the last picture. */
  readonly height: number;
  /** Samples of sound, or packets where nothing is decoded, and those that had to be made up. */
  readonly samples: number;
  readonly concealed: number;
  readonly bytes: number;
}

/** How a stream did in a while. */
export interface StreamFigures {
  readonly fps: number;
  readonly keyFrames: number;
  readonly freezes: number;
  /** Part of the time, 0–1. */
  readonly frozen: number;
  readonly dropped: number;
  /** How long a picture, or sound, was in the jitter buffer, in the mean. */
  readonly heldMs: number;
  readonly height: number;
  /** Part of the sound, 0–1. */
  readonly concealed: number;
  readonly kbps: number;
}

/** Part of sound that a late machine makes up of anybody's; more is a fault that everybody hears. */
export const MACHINE_CONCEALS = 0.1;

/** Reads what webrtc-stats says of a stream. */
export function totalsOf(inbound: Readonly<Record<string, number>>): StreamTotals {
  const figure = (name: string) => Number(inbound[name] ?? 0);
  return {
    at: inbound["timestamp"] ?? performance.now(),
    frames: figure("framesDecoded"),
    keyFrames: figure("keyFramesDecoded"),
    freezes: figure("freezeCount"),
    // (The second name is that of LiveKit's Rust SDK.)
    frozenMs: (figure("totalFreezesDuration") + figure("totalFreezeDuration")) * 1_000,
    dropped: figure("framesDropped"),
    released: figure("jitterBufferEmittedCount"),
    heldMs: figure("jitterBufferDelay") * 1_000,
    height: figure("frameHeight"),
    samples: figure("totalSamplesReceived"),
    concealed: figure("concealedSamples"),
    bytes: figure("bytesReceived"),
  };
}

/**
 * What happened between two looks.
 *
 * @throws {Error} when the stream was not there at one of them.
 */
export function figuresBetween(
  before: StreamTotals | undefined,
  after: StreamTotals | undefined,
): StreamFigures {
  if (before === undefined || after === undefined) throw new Error("No stream to look at");
  const grown = (name: keyof StreamTotals) => after[name] - before[name];
  const ms = Math.max(1, grown("at"));
  return {
    fps: grown("frames") * 1_000 / ms,
    keyFrames: grown("keyFrames"),
    freezes: grown("freezes"),
    frozen: grown("frozenMs") / ms,
    dropped: grown("dropped"),
    heldMs: grown("heldMs") / Math.max(1, grown("released")),
    height: after.height,
    concealed: grown("concealed") / Math.max(1, grown("samples")),
    kbps: grown("bytes") * 8 / ms,
  };
}

/** Looks at a received stream twice: what webrtc-stats says in the end, and by how much it grew. */
export async function watchInbound(
  client: Pick<BrowserClient, "inbound">,
  sid: string,
  ms: number,
): Promise<{
  readonly after: Readonly<Record<string, number>>;
  readonly grown: (name: string) => number;
}> {
  const before = await client.inbound(sid);
  await new Promise((resolve) => setTimeout(resolve, ms));
  const after = await client.inbound(sid);
  return { after, grown: (name) => (after[name] ?? 0) - (before[name] ?? 0) };
}
