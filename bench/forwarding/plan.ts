/**
 * A scenario spelled out: who is there, who sends what, who receives it. Pure.
 *
 * @module
 */
import { nominalRate, type StreamShape } from "../load/frame_pacer.ts";
import type { OpenedClient, PlannedStream, PlannedTrack } from "./forwarding_calls.ts";
import type { Scenario } from "./scenarios.ts";

export const FIRST_PUBLISHED_SSRC = 1_000;
const FIRST_FORWARDED_SSRC = 1_000_000;
/** Each stream may have a second SSRC for retransmissions. */
const SSRC_STEP = 2;

/**
 * Everybody and everything of one scenario; plain data that crosses to the processes, and the same
 * for the same scenario.
 */
export interface Plan {
  readonly clients: readonly OpenedClient[];
  readonly tracks: readonly (PlannedTrack & { readonly shape: StreamShape })[];
  readonly streams: readonly (PlannedStream & { readonly kind: "audio" | "video" })[];
  /** Packets per second to all subscribers at a scale of 1. */
  readonly nominalOut: number;
}

/** Clients are numbered room by room, publishers first. */
export function planOf(scenario: Scenario): Plan {
  const clients: OpenedClient[] = [];
  const tracks: Plan["tracks"][number][] = [];
  const streams: Plan["streams"][number][] = [];
  let nominalOut = 0;
  for (let room = 0; room < scenario.rooms; room++) {
    const first = clients.length;
    const firstTrack = tracks.length;
    for (let i = 0; i < scenario.publishers.length + scenario.audience; i++) {
      const client = clients.length;
      const shapes = scenario.publishers[i] ?? [];
      const publishes = i < scenario.publishers.length;
      clients.push({ client, room, publishes, hasData: scenario.messages !== undefined });
      for (const [section, shape] of shapes.entries()) {
        const ssrc = FIRST_PUBLISHED_SSRC + SSRC_STEP * tracks.length;
        tracks.push({ client, mid: `${section}`, kind: shape.kind, ssrc, shape });
      }
    }
    for (let client = first; client < clients.length; client++) {
      if (clients[client]!.publishes && !scenario.isMeeting) continue;
      for (let track = firstTrack; track < tracks.length; track++) {
        const { kind, shape, client: publisher } = tracks[track]!;
        if (publisher === client) continue;
        const ssrc = FIRST_FORWARDED_SSRC + SSRC_STEP * streams.length;
        streams.push({ track, client, mid: `t${track}`, ssrc, kind });
        nominalOut += nominalRate(shape);
      }
    }
  }
  return { clients, tracks, streams, nominalOut };
}
