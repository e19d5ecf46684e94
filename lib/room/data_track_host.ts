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
import type { DataTrackPublication } from "./published_data_tracks.ts";

/** The room's data tracks as its participants see them. */
export interface DataTrackHost<Participant> {
  publish(publisher: Participant, request: PublishDataTrackRequest): DataTrackPublication;
  /** @returns what ended; `undefined` if there is no such track. */
  unpublish(publisher: Participant, pubHandle: number): DataTrackInfo | undefined;
  update(subscriber: Participant, message: UpdateDataSubscription): void;
  /** `copy` is a participant of another room that publishes `infos` now. */
  mirror(copy: Participant, infos: readonly DataTrackInfo[]): void;
}
