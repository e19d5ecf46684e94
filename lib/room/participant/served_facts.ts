/**
 * What a node tells others of a member that it serves.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { MemberFacts, SharedTrack } from "../context/member_facts.ts";
import type { PublishedTrack } from "../registry/registry_messages.ts";
import type { Member } from "./member.ts";

/** Where media comes from. */
interface MediaSource {
  sectionOf(upTrack: UpTrackId): ReceiveSection | undefined;
}

/** `member` as it is now; its media comes from `source`, which is itself unless it is forwarded. */
export function factsOf(
  member: Pick<
    Member,
    "sid" | "identity" | "claim" | "init" | "profile" | "rule" | "tracks" | "dataTracks"
  >,
  source: MediaSource,
  isRegressed: (trackSid: string) => boolean,
): MemberFacts {
  const { sid, identity, claim, init, profile, rule, tracks, dataTracks } = member;
  return {
    sid,
    identity,
    number: claim?.number ?? 0,
    // Each node counts the versions that it shows.
    info: Object.assign(profile.toInfo([]), { version: 0 }),
    userIdentity: init.userIdentity ?? identity,
    tokenExpiresAt: init.tokenExpiresAt ?? 0,
    client: init.clientInfo,
    rule: rule.message,
    tracks: tracks.map((track) => sharedTrack(track, source, isRegressed(track.sid))),
    dataTracks: dataTracks.infos(),
  };
}

function sharedTrack(
  { sid, info, kind, source, upTracks }: PublishedTrack,
  media: MediaSource,
  regressed: boolean,
): SharedTrack {
  return {
    sid,
    info,
    kind,
    source,
    regressed,
    upTracks: upTracks.flatMap(({ upTrack, mime, mid }) => {
      const section = media.sectionOf(upTrack);
      // One that ends in this moment has none.
      return section === undefined ? [] : [{ upTrack, mime, mid, section }];
    }),
  };
}
