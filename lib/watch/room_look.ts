/**
 * One room of this node as operators see it, and whom this node serves in it.
 *
 * Pure: rooms and rates go in, figures come out. Who is served elsewhere is another node's to tell.
 *
 * @module
 */
import {
  ConnectionQuality,
  ParticipantInfo_Kind as Kind,
  ParticipantInfo_State as State,
  TrackSource,
} from "@livekit/protocol";
import type { ConnectionId } from "../base/ids.ts";
import { clientSummary } from "../room/context/client_summary.ts";
import type { HeardQuality } from "../room/context/node_ports.ts";
import type { Member } from "../room/participant/member.ts";
import type { Session } from "../room/participant/session.ts";
import type { PublishedTrack } from "../room/registry/registry_messages.ts";
import type { Room } from "../room/room.ts";
import type {
  LayerFigures,
  ParticipantFigures,
  QualityWord,
  ReceivedFigures,
  RoomFigures,
  TrackFigures,
} from "./figures.ts";
import type { LayerRate, MediaRates } from "./media_rates.ts";

/** Names are cut here; identities, by which people are called to account, much later. */
const MAX_NAME = 256;
const MAX_IDENTITY = 1024;

/** As much of a room as is looked at. */
export type WatchedRoom = Pick<
  Room,
  | "name"
  | "sid"
  | "createdAtMs"
  | "locked"
  | "info"
  | "participants"
  | "byIdentity"
  | "session"
  | "qualityOf"
>;

const QUALITY: Readonly<Record<ConnectionQuality, QualityWord>> = {
  [ConnectionQuality.LOST]: "lost",
  [ConnectionQuality.POOR]: "poor",
  [ConnectionQuality.GOOD]: "good",
  [ConnectionQuality.EXCELLENT]: "excellent",
};
/** From the worst on; the enumeration has another order. */
const WORST_FIRST: readonly QualityWord[] = ["lost", "poor", "good", "excellent"];

/** The worse of two. */
export function worse(
  a: QualityWord | undefined,
  b: QualityWord | undefined,
): QualityWord | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  return WORST_FIRST.indexOf(a) <= WORST_FIRST.indexOf(b) ? a : b;
}

/** Bits per second as they are told: a change of less is none. */
export function toldBps(bps: number | undefined): number | undefined {
  return bps === undefined ? undefined : Math.round(bps / 1000) * 1000;
}

/** The sum of what is known; absent if nothing is. */
export function sumOf(...values: readonly (number | undefined)[]): number | undefined {
  let sum: number | undefined;
  for (const value of values) if (value !== undefined) sum = (sum ?? 0) + value;
  return sum;
}

/** The part of `room` that this node serves. */
export function roomFigures(room: WatchedRoom, node: string, rates: MediaRates): RoomFigures {
  let participants = 0;
  let publishers = 0;
  let tracks = 0;
  let subscriptions = 0;
  let inBps: number | undefined;
  let outBps: number | undefined;
  let quality: QualityWord | undefined;
  for (const member of room.participants()) {
    if (member.elsewhere) continue;
    participants++;
    if (member.profile.isPublisher) publishers++;
    quality = worse(quality, wordOf(room.qualityOf(member)));
    // What a forwarded one publishes is counted where it is.
    if (member.origin !== undefined) continue;
    tracks += member.tracks.length;
    for (const track of member.tracks) inBps = sumOf(inBps, trackRate(track, rates).bps);
    const session = room.session(member.identity);
    if (session === undefined) continue;
    for (const { id } of session.subscriptions.downTracks()) {
      subscriptions++;
      outBps = sumOf(outBps, rates.downTrack(id)?.bps);
    }
  }
  return {
    name: room.name.slice(0, MAX_IDENTITY),
    createdAtMs: room.createdAtMs,
    isLocked: room.locked,
    isRecorded: room.info().activeRecording,
    participants,
    publishers,
    tracks,
    subscriptions,
    ...defined({ inBps: toldBps(inBps), outBps: toldBps(outBps), quality }),
    nodes: { [node]: participants },
  };
}

/** Somebody whom this node serves. */
export function participantFigures(
  room: WatchedRoom,
  member: Member,
  node: string,
  rates: MediaRates,
): ParticipantFigures {
  const { profile, init, origin } = member;
  const session = origin === undefined ? room.session(member.identity) : undefined;
  const tracks = member.tracks.map((track) => [track.sid, trackFigures(track, rates)] as const);
  const { sdk, version, platform } = clientSummary(init.clientInfo);
  const heard = room.qualityOf(member);
  return {
    identity: member.identity.slice(0, MAX_IDENTITY),
    name: profile.name.slice(0, MAX_NAME),
    node,
    state: stateWord(member.state),
    kind: (Kind[init.kind] ?? "standard").toLowerCase(),
    joinedAtMs: profile.joinedAt,
    isHidden: member.hidden,
    isForwarded: origin !== undefined,
    client: [sdk, version, platform].filter((part) => part !== "").join(" "),
    ...defined({
      quality: wordOf(heard),
      score: heard === undefined ? undefined : Math.round(heard.opinion * 10) / 10,
      inBps: toldBps(sumOf(...tracks.map(([, { inBps }]) => inBps))),
      inLoss: lossOf(member.tracks.flatMap((track) => trackRate(track, rates).layers)),
    }),
    ...(session === undefined ? {} : sessionFigures(session, rates)),
    subscriptions: session === undefined ? 0 : [...session.subscriptions.downTracks()].length,
    tracks: Object.fromEntries(tracks),
  };
}

/** What somebody receives, by the sid of the track; of others' tracks on other nodes, too. */
export function receivedFigures(
  room: WatchedRoom,
  session: Session,
  rates: MediaRates,
): Record<string, ReceivedFigures> {
  const publishers = new Map<string, readonly [Member, PublishedTrack]>();
  for (const member of room.participants()) {
    for (const track of member.tracks) publishers.set(track.sid, [member, track]);
  }
  const received: [string, ReceivedFigures][] = [];
  for (const { id, trackSid } of session.subscriptions.downTracks()) {
    const [member, track] = publishers.get(trackSid) ?? [];
    if (member === undefined || track === undefined) continue;
    const rate = rates.downTrack(id);
    received.push([trackSid, {
      identity: member.identity.slice(0, MAX_IDENTITY),
      source: sourceWord(track.source),
      kind: track.kind,
      ...defined({
        layer: rate?.spatial,
        outBps: toldBps(rate?.bps),
        repairedPerS: rate?.repairedPerS === undefined ? undefined : Math.round(rate.repairedPerS),
      }),
    }]);
  }
  return Object.fromEntries(received);
}

/** What is known of the paths of a session. */
function sessionFigures(session: Session, rates: MediaRates): Partial<ParticipantFigures> {
  const ids: readonly ConnectionId[] = [session.subscriber.id, session.publisher.id];
  const report = rates.reportOf(ids[0]!) ?? rates.reportOf(ids[1]!);
  const path = rates.path(ids[0]!) ?? rates.path(ids[1]!);
  const measuredMs = path === undefined || path.rttMs < 0 ? report?.rttMs : path.rttMs;
  const outs = Array.from(
    session.subscriptions.downTracks(),
    ({ id }) => rates.downTrack(id)?.bps,
  );
  return defined({
    path: session.path,
    rttMs: rounded(measuredMs),
    outLoss: share(report?.outLoss ?? path?.loss),
    jitterMs: rounded(report?.jitterMs),
    estimateBps: toldBps(path?.bps),
    limitedBy: path?.limitedBy,
    queueMs: rounded(path?.queueMs),
    outBps: toldBps(sumOf(...outs)),
  });
}

function trackFigures(track: PublishedTrack, rates: MediaRates): TrackFigures {
  const { info, kind, source, upTracks } = track;
  const { bps, layers, byLayer } = trackRate(track, rates);
  const { mime = info.mimeType } = upTracks[0] ?? {};
  return {
    kind,
    source: sourceWord(source),
    name: info.name.slice(0, MAX_NAME),
    isMuted: info.muted,
    codec: mime.slice(mime.indexOf("/") + 1).toLowerCase().slice(0, MAX_NAME),
    ...(info.width > 0 && info.height > 0 ? { width: info.width, height: info.height } : {}),
    ...defined({ inBps: toldBps(bps), inLoss: lossOf(layers) }),
    layers: Object.fromEntries(byLayer),
  };
}

/** All codecs of a track together, which only differ while one takes the place of another. */
function trackRate(
  { upTracks }: PublishedTrack,
  rates: MediaRates,
): {
  readonly bps: number | undefined;
  readonly layers: readonly LayerRate[];
  readonly byLayer: readonly (readonly [string, LayerFigures])[];
} {
  const layers: LayerRate[] = [];
  const byLayer = new Map<string, LayerFigures>();
  let bps: number | undefined;
  for (const { upTrack } of upTracks) {
    for (const [spatial, rate] of rates.layersOf(upTrack) ?? []) {
      const before = byLayer.get(String(spatial));
      const inBps = sumOf(before?.inBps, toldBps(rate?.bps));
      const inLoss = rate === undefined ? undefined : lossOf([rate]);
      byLayer.set(String(spatial), defined({ inBps, inLoss }));
      if (rate === undefined) continue;
      layers.push(rate);
      bps = sumOf(bps, rate.bps);
    }
  }
  return { bps, layers, byLayer: [...byLayer] };
}

function lossOf(layers: readonly LayerRate[]): number | undefined {
  let expected = 0;
  let lost = 0;
  for (const layer of layers) {
    expected += layer.expected;
    lost += layer.lost;
  }
  return expected === 0 ? undefined : share(lost / expected);
}

/** A share in steps of a thousandth. */
function share(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(Math.min(1, value) * 1000) / 1000;
}

function rounded(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value);
}

function wordOf(heard: HeardQuality | undefined): QualityWord | undefined {
  return heard === undefined ? undefined : QUALITY[heard.quality];
}

function stateWord(state: State): ParticipantFigures["state"] {
  const words = ["joining", "joined", "active", "disconnected"] as const;
  return words[state] ?? "joining";
}

function sourceWord(source: TrackSource): string {
  return (TrackSource[source] ?? "unknown").toLowerCase();
}

/** Without the members that are not known. */
function defined<T extends object>(
  values: T,
): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const known = Object.entries(values).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
