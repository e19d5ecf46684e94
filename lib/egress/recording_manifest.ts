/**
 * The page of facts beside a recording: what its files are, whose tracks are in them, and when each
 * began by the wall clock, so that they can be played together.
 *
 * @module
 */
import { replayPageText } from "../recording/replay_page.ts";
import type { EgressState } from "./egress_state.ts";

/** JSON, for people as well. */
export function manifestText(egress: EgressState): string {
  const { id, plan, room, endedAtMs, parts, journal } = egress;
  const startedAtMs = Math.min(...parts.map((part) => part.startedAtMs));
  const [first] = egress.tracks.all;
  const isOne = plan.selector.type !== "room";
  return JSON.stringify(
    {
      egress_id: id,
      room_id: room.sid,
      room_name: plan.roomName,
      started_at: time(startedAtMs),
      ended_at: time(endedAtMs),
      ...(egress.continues === "" ? {} : { continues: egress.continues }),
      ...(isOne ? { publisher_identity: first?.identity } : {}),
      ...(egress.error === "" ? {} : { error: egress.error }),
      ...(journal?.filename === undefined ? {} : {
        events: {
          filename: journal.filename,
          offset_ms: Math.round(journal.beganAtMs - startedAtMs),
          lines: journal.lines,
        },
      }),
      ...(egress.composition?.ok === true
        ? { composed: { filename: egress.composition.name, location: egress.composition.location } }
        : {}),
      files: parts.map(({ file, stored, codecs, startedAtMs: at }) => ({
        filename: stored!.name,
        location: stored!.location,
        format: file.format,
        started_at: time(at),
        offset_ms: Math.round(at - startedAtMs),
        duration_ms: Math.round(file.durationMs),
        size: file.bytes,
        tracks: [...codecs].flatMap(([stream, codec]) => {
          const track = egress.trackOf(stream);
          if (track === undefined) return [];
          const { sid, kind, source, identity } = track;
          const facts = { track_id: sid, track_kind: kind, track_source: source };
          const { lost } = stream;
          return [{ ...facts, publisher_identity: identity, codec, packets_lost: lost }];
        }),
      })),
    },
    undefined,
    2,
  );
}

/** The page by which a room's recording is found again, see `replay_page.ts`. */
export function replayPageOf({ id, plan: { roomName }, journal }: EgressState): string {
  return replayPageText({
    egressId: id,
    roomName,
    beganAtMs: journal?.beganAtMs ?? 0,
    journal: journal?.filename ?? "",
    files: journal?.files.map(({ name }) => name) ?? [],
  });
}

function time(ms: number): string {
  return new Date(Math.round(ms)).toISOString();
}
