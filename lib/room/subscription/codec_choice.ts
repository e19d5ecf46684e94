/**
 * Which codec of a published track a subscriber is sent. A track may be announced in several: the
 * first is what its publisher prefers, the others (backup codecs) are sent once somebody needs
 * them.
 *
 * Pure. Of the codecs a client accepts it gets the first whose media is there, and only without any
 * the first that is merely announced; asking for that one makes the publisher send it. After a
 * regression the backup codec stands first, so that the publisher need not encode twice.
 *
 * @module
 */
import { BackupCodecPolicy, TrackType } from "@livekit/protocol";
import type { UpTrackId } from "../../base/ids.ts";
import type { CodecParameters, ReceiveSection } from "../../base/media_vocabulary.ts";
import { knownCodecs } from "../../negotiation/codec_catalog.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";

/** A codec in which a track can be had. */
export interface CodecOption {
  readonly mime: string;
  /** Absent while its media has not come. */
  readonly upTrack?: UpTrackId;
}

/** A track as its subscriber's host resolves it. */
export interface SubscribableTrack {
  readonly publisherSid: string;
  readonly track: PublishedTrack;
  /** The publisher's rule lets this subscriber have it. */
  readonly allowed: boolean;
  /** Codecs the track comes in or can be asked for in, best first. */
  readonly options: readonly CodecOption[];
  /** What one of them can deliver, preferred first. */
  codecsOf(option: CodecOption): readonly CodecParameters[];
}

/** All codecs of a track, best first. */
export function codecOptions(track: PublishedTrack, regressed: boolean): readonly CodecOption[] {
  const { info, upTracks } = track;
  const declared = info.codecs.map(({ mimeType }) => mimeType);
  const backup = regressed ? declared[1] : undefined;
  const rank = (mime: string) => mime === backup ? -1 : declared.indexOf(mime);
  const there = upTracks.map(({ mime, upTrack }) => ({ mime, upTrack }))
    .sort((a, b) => rank(a.mime) - rank(b.mime));
  // Audio is converted by the server where a subscriber cannot take it as it comes.
  if (info.type === TrackType.AUDIO) return there;
  const announced = declared.filter((mime) =>
    mime !== "" && !upTracks.some((upTrack) => upTrack.mime === mime)
  );
  return [...there, ...announced.map((mime) => ({ mime }))];
}

/** The best of `options` for a client that accepts `codecs`. */
export function chooseCodec(
  options: readonly CodecOption[],
  codecs: readonly { readonly mime: string }[],
): CodecOption | undefined {
  return options.find(({ mime }) => codecs.some((codec) => codec.mime === mime)) ?? options[0];
}

/** From which codec to which a track goes over now that all its media is known. */
export interface Regression {
  readonly from: string;
  readonly to: string;
}

/**
 * Whether the backup codec has come and takes the place of the first one.
 *
 * @param preferred What a publisher gets that leaves the decision to us.
 */
export function regressionOf(
  { info, upTracks }: PublishedTrack,
  preferred: boolean,
): Regression | undefined {
  const [first, backup] = info.codecs;
  if (first === undefined || backup === undefined) return undefined;
  const wanted = info.backupCodecPolicy === BackupCodecPolicy.REGRESSION ||
    info.backupCodecPolicy === BackupCodecPolicy.PREFER_REGRESSION && preferred;
  const there = upTracks.some(({ mime }) => mime === backup.mimeType);
  return wanted && there ? { from: first.mimeType, to: backup.mimeType } : undefined;
}

/**
 * A track as somebody sees it who wants to receive it.
 *
 * @param allowed Whether the publisher lets the subscriber have it.
 * @param sectionOf What its publisher negotiated for one of its up-tracks.
 */
export function subscribableTrack(
  publisherSid: string,
  { track, regressed }: { readonly track: PublishedTrack; readonly regressed: boolean },
  allowed: boolean,
  sectionOf: (upTrack: UpTrackId) => ReceiveSection | undefined,
): SubscribableTrack {
  return {
    publisherSid,
    track,
    allowed,
    options: codecOptions(track, regressed),
    codecsOf: ({ upTrack, mime }) =>
      upTrack === undefined
        ? knownCodecs(mime)
        : deliverable(sectionOf(upTrack), mime, !track.info.disableRed),
  };
}

/** What can be made of what a publisher's section brings as `mime`, in order of preference. */
function deliverable(
  section: ReceiveSection | undefined,
  mime: string,
  mayBeRedundant: boolean,
): readonly CodecParameters[] {
  const received = (name: string) => section?.codecs.filter((codec) => codec.mime === name) ?? [];
  // Whoever cannot take redundant audio gets the opus in it, and who can gets opus with redundancy.
  if (mime === "audio/red") return [...received(mime), ...received("audio/opus")];
  const own = received(mime);
  const isWrapped = mime === "audio/opus" && mayBeRedundant && own.length > 0;
  return isWrapped ? [...knownCodecs("audio/red"), ...own] : own;
}
