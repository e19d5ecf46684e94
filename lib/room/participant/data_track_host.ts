/**
 * What requests about data tracks do in a room.
 *
 * @module
 */
import type {
  DataTrackInfo,
  PublishDataTrackRequest,
  UpdateDataSubscription,
} from "@livekit/protocol";
import type { Member } from "./member.ts";
import type { DataTrackPublication } from "../data/published_data_tracks.ts";

/** The room's data tracks as its participants see them. */
export interface DataTrackHost<Session> {
  publish(publisher: Session, request: PublishDataTrackRequest): DataTrackPublication;
  /** @returns what ended; `undefined` if there is no such track. */
  unpublish(publisher: Session, pubHandle: number): DataTrackInfo | undefined;
  update(subscriber: Session, message: UpdateDataSubscription): void;
  /** `copy` is a member of another room that publishes `infos` now. */
  mirror(copy: Member, infos: readonly DataTrackInfo[]): void;
}
