/**
 * One video stream to one subscriber over a path that loses packets, on virtual time: with
 * retransmission alone, and with repair packets beside it. The subscriber asks as libwebrtc does,
 * the server answers as ours does; no queue is in the way.
 *
 * Frames build on each other, so one is seen when all before it can be decoded, too. Everything is
 * drawn from a seed.
 *
 * @module
 */
import { repairCopies } from "../../lib/media/down/repair_budget.ts";
import { seeded } from "./congestion_run.ts";

const FRAME_MS = 33;
const PACKET_BYTES = 1_100;
/** Publishers' pacers send a frame at so many times the rate. */
const PACE = 2.5;
/** Missing packets are looked at so often, and asked for again after a round trip. */
const NACK_MS = 20;
/** Times that a packet is sent again. */
const MOST_RESENDS = 3;
/** A picture that stands for so long leads to a request for a key frame. */
const GIVE_UP_MS = 1_000;
/** Until a publisher's key frame comes, ms; and its size in frames. */
const KEY_FRAME_MS = 100;
const KEY_FRAME_SIZE = 6;
/** A freeze, as webrtc-stats has it: 150 ms more than usual between two frames. */
const FREEZE_MS = FRAME_MS + 150;

export interface FecSetting {
  readonly loss: number;
  readonly rttMs: number;
  readonly bps: number;
  /** Packets that share a repair packet; 0 for none. */
  readonly group: number;
  /** A group that is not full ends after so long. */
  readonly groupMs: number;
  readonly durationMs: number;
  readonly seed: number;
}

export interface FecFigures {
  /** Repair packets' and retransmissions' bytes, share of media's. */
  readonly repair: number;
  readonly resent: number;
  /** Each minute. */
  readonly freezes: number;
  readonly frozenS: number;
  /** Of frames, from when they would be seen without loss: half are seen by, and 95 % are, ms. */
  readonly p50Ms: number;
  readonly p95Ms: number;
}

interface Packet {
  readonly frame: number;
  readonly bytes: number;
  readonly sentAt: number;
  /** When it was there, `Infinity` while it is not. */
  at: number;
  resends: number;
}

interface Frame {
  readonly from: number;
  readonly to: number;
  readonly isKey: boolean;
  /** When its last packet would be there without loss. */
  readonly idealAt: number;
}

/** Runs one stream. */
export function runFec(setting: FecSetting): FecFigures {
  const { loss, rttMs, seed, durationMs } = setting;
  const chance = seeded(seed);
  const { packets, frames, bytes } = publish(setting, chance);
  const delayMs = rttMs / 2;
  for (const packet of packets) {
    packet.at = chance() < loss ? Infinity : packet.sentAt + delayMs;
  }
  const repairBytes = setting.group === 0 ? 0 : repair(packets, setting, chance);
  const resentBytes = resend(packets, setting, chance);
  const seen = show(packets, frames, setting);
  const late = seen.map(({ at, idealAt }) => at - idealAt).sort((a, b) => a - b);
  const gaps = seen.slice(1).map(({ at }, i) => at - seen[i]!.at);
  const frozen = gaps.filter((gap) => gap > FREEZE_MS);
  const minutes = durationMs / 60_000;
  return {
    repair: repairBytes / bytes,
    resent: resentBytes / bytes,
    freezes: frozen.length / minutes,
    frozenS: frozen.reduce((sum, gap) => sum + gap, 0) / 1_000 / minutes,
    p50Ms: late[Math.floor(late.length * 0.5)] ?? 0,
    p95Ms: late[Math.floor(late.length * 0.95)] ?? 0,
  };
}

/** All that is sent, without key frames that are asked for later. */
function publish({ bps, durationMs, rttMs }: FecSetting, chance: () => number) {
  const packets: Packet[] = [];
  const frames: Frame[] = [];
  let total = 0;
  for (let at = 0; at < durationMs; at += FRAME_MS) {
    const isKey = at === 0;
    let left = bps * FRAME_MS / 8_000 * (0.6 + 0.8 * chance()) * (isKey ? KEY_FRAME_SIZE : 1);
    const from = packets.length;
    let sentAt = at;
    while (left > 0) {
      const bytes = Math.max(60, Math.round(Math.min(PACKET_BYTES, left)));
      left -= bytes;
      total += bytes;
      packets.push({ frame: frames.length, bytes, sentAt, at: Infinity, resends: 0 });
      sentAt += bytes * 8_000 / (bps * PACE);
    }
    const idealAt = packets.at(-1)!.sentAt + rttMs / 2;
    frames.push({ from, to: packets.length, isKey, idealAt });
  }
  return { packets, frames, bytes: total };
}

/** Repair packets, each for a group; one that comes replaces the one packet that is missing. */
function repair(
  packets: readonly Packet[],
  { group, groupMs, loss, rttMs }: FecSetting,
  chance: () => number,
): number {
  let bytes = 0;
  for (let from = 0; from < packets.length;) {
    let to = from + 1;
    const until = packets[from]!.sentAt + groupMs;
    while (to < packets.length && to - from < group && packets[to]!.sentAt <= until) to++;
    const members = packets.slice(from, to);
    // A group whose time is over ends when the next packet or the timer comes.
    const isFull = members.length === group;
    const endsAt = isFull ? members.at(-1)!.sentAt : until;
    bytes += Math.max(...members.map((packet) => packet.bytes)) + 40;
    from = to;
    if (chance() < loss) continue;
    const missing = members.filter(({ at }) => at === Infinity);
    if (missing.length === 1) missing[0]!.at = endsAt + rttMs / 2;
  }
  return bytes;
}

/** What is missing is asked for until it is there, or was sent again often enough. */
function resend(
  packets: readonly Packet[],
  { rttMs, loss }: FecSetting,
  chance: () => number,
): number {
  let bytes = 0;
  const copies = repairCopies(loss, rttMs, false, true);
  for (const [i, packet] of packets.entries()) {
    const original = packet.sentAt + rttMs / 2;
    if (packet.at === original) continue;
    // It is missed when one behind it comes, and asked for at the next look.
    const next = packets.slice(i + 1, i + 50).find(({ sentAt, at }) => at === sentAt + rttMs / 2);
    let askAt = Math.ceil((next?.at ?? original + 100) / NACK_MS) * NACK_MS;
    while (packet.resends < MOST_RESENDS && askAt < packet.at) {
      packet.resends++;
      for (let copy = 0; copy < copies; copy++) {
        bytes += packet.bytes + 2;
        if (chance() >= loss) packet.at = Math.min(packet.at, askAt + rttMs);
      }
      askAt += Math.max(rttMs, NACK_MS) + NACK_MS / 2;
    }
  }
  return bytes;
}

/** When each frame was seen. What never came ends with a key frame that is asked for. */
function show(
  packets: readonly Packet[],
  frames: readonly Frame[],
  { rttMs }: FecSetting,
): readonly { readonly at: number; readonly idealAt: number }[] {
  const seen: { at: number; idealAt: number }[] = [];
  let shownAt = 0;
  let skipUntil = -1;
  for (const frame of frames) {
    if (frame.idealAt < skipUntil) continue;
    let completeAt = frame.idealAt;
    for (let i = frame.from; i < frame.to; i++) completeAt = Math.max(completeAt, packets[i]!.at);
    if (completeAt - shownAt > GIVE_UP_MS && completeAt - frame.idealAt > GIVE_UP_MS) {
      shownAt = Math.max(shownAt, frame.idealAt) + GIVE_UP_MS + rttMs + KEY_FRAME_MS;
      skipUntil = shownAt;
      seen.push({ at: shownAt, idealAt: frame.idealAt });
      continue;
    }
    shownAt = Math.max(shownAt, completeAt);
    seen.push({ at: shownAt, idealAt: frame.idealAt });
  }
  return seen;
}
