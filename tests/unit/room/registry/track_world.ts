/**
 * One publisher's registry with everything around it recorded, and short ways to speak to it.
 *
 * @module
 */
import { AddTrackRequest, RequestResponse_Reason, TrackSource, TrackType } from "@livekit/protocol";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { UpTrackId } from "../../../../lib/base/ids.ts";
import type { MediaKind } from "../../../../lib/base/media_vocabulary.ts";
import { Mutex } from "../../../../lib/base/mutex.ts";
import { type Log, silentLog } from "../../../../lib/base/platform.ts";
import { DEFAULT_ENABLED_MIMES } from "../../../../lib/negotiation/codec_catalog.ts";
import type {
  MediaArrival,
  RegistryEffect,
  SectionQuery,
} from "../../../../lib/room/registry/registry_messages.ts";
import { TrackRegistry } from "../../../../lib/room/registry/track_registry.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

export interface WorldOptions {
  readonly enabledCodecs?: readonly string[];
  /** Called for each effect before it is recorded. */
  readonly onEffect?: (effect: RegistryEffect, world: World) => void;
}

/** A registry, what it said, and knobs of its surroundings. */
export class World {
  readonly effects: RegistryEffect[] = [];
  readonly warnings: string[] = [];
  readonly counters = new DropCounters();
  readonly mutex = new Mutex();
  readonly denied = new Set<TrackSource>();
  wallMs = 1_700_000_000_000;
  readonly registry: TrackRegistry;

  constructor(options: WorldOptions = {}) {
    const log: Log = { ...silentLog, warn: (message) => void this.warnings.push(message) };
    this.registry = new TrackRegistry({
      random: new SeededRandom(1),
      wallMs: () => this.wallMs,
      canPublishSource: (source) => !this.denied.has(source),
      enabledCodecs: options.enabledCodecs ?? DEFAULT_ENABLED_MIMES,
      counters: this.counters,
      log,
      mutex: this.mutex,
      deliver: (effect) => {
        options.onEffect?.(effect, this);
        this.effects.push(effect);
      },
    });
  }

  /** What was said since the last call, in short: `published:cam`, `QUEUED`, … */
  said(): string[] {
    return this.effects.splice(0).map(describe);
  }
}

/** An effect in a few words: its type, and the name of its track or the reason. */
export function describe(effect: RegistryEffect): string {
  switch (effect.type) {
    case "track_published":
      return `track_published:${effect.cid}`;
    case "request_response":
      return RequestResponse_Reason[effect.response.reason]!;
    case "mute":
    case "track_unpublished":
      return effect.type;
    default:
      return `${effect.type}:${effect.track.info.name}`;
  }
}

type RequestFields = ConstructorParameters<typeof AddTrackRequest>[0];

/** An announcement whose name is its cid. */
export function camera(cid: string, fields: RequestFields = {}): AddTrackRequest {
  const source = TrackSource.CAMERA;
  return new AddTrackRequest({ cid, name: cid, type: TrackType.VIDEO, source, ...fields });
}

/** An announcement whose name is its cid. */
export function microphone(cid: string, fields: RequestFields = {}): AddTrackRequest {
  const source = TrackSource.MICROPHONE;
  return new AddTrackRequest({ cid, name: cid, type: TrackType.AUDIO, source, ...fields });
}

/** Media of the section `mid`, whose up-track is `up<mid>`. */
export function media(
  sdpCid: string,
  mid: string,
  fields: Partial<MediaArrival> = {},
): MediaArrival {
  const kind = fields.kind ?? "video";
  const mime = kind === "video" ? "video/VP8" : "audio/opus";
  return { sdpCid, kind, mid, upTrack: upTrack(mid), mime, ...fields };
}

/** A section of an offer. */
export function section(
  sdpCid: string,
  mid: string,
  kind: MediaKind = "video",
  rids: readonly string[] = [],
): SectionQuery {
  const mime = kind === "video" ? "video/VP8" : "audio/opus";
  return { mid, kind, sdpCid, upTrack: upTrack(mid), rids, codecs: [{ mime }] };
}

export function upTrack(mid: string): UpTrackId {
  return `up${mid}` as UpTrackId;
}
