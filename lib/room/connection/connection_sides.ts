/**
 * A participant's media as its two roles. With two peer connections each role has its own; with a
 * single one both are played on the client's.
 *
 * @module
 */
import type { SessionDescription } from "@livekit/protocol";
import type { ConnectionId, DownTrackId, UpTrackId } from "../../base/ids.ts";
import type { IceCredentials, ReceiveSection, SendSection } from "../../base/media_vocabulary.ts";
import type { LocalParameters } from "../../negotiation/local_description.ts";
import type { OfferedSending, SentSection } from "../../negotiation/publisher_answer.ts";
import type { RejectionReason } from "../../negotiation/sent_track.ts";
import type { RemoteDescription } from "../../wire/session_description.ts";
import type { DownTrackRequest } from "../subscription/subscriptions.ts";

/** Both sides of a client's transport. */
export interface IceState {
  readonly local: IceCredentials;
  /** The client's last offer; its credentials are those after the last restart. */
  readonly offer: RemoteDescription;
}

/** Where a client publishes. */
export interface PublishingSide {
  readonly id: ConnectionId;
  /** Handles one `offer` of the client. */
  offer(description: SessionDescription): Promise<void>;
  /** How ICE stands; absent before the first offer. */
  readonly iceState: IceState | undefined;
  /**
   * The client restarts ICE apart from any offer (WHIP). Credentials it has already change nothing.
   *
   * @returns Our side from now on.
   */
  restartIce(remote: IceCredentials): LocalParameters;
  /** What was negotiated for the section of `upTrack`. */
  sectionOf(upTrack: UpTrackId): ReceiveSection | undefined;
  /** Ends the connection; later events and offers are ignored. */
  close(): void;
}

/** Where a client receives. */
export interface SubscribingSide {
  readonly id: ConnectionId;
  /** Sections in which the client receives, and that of the data channels if it is ours. */
  readonly sectionCount: number;
  /** Puts a down-track into the next description. */
  addTrack(request: DownTrackRequest): void;
  /** Takes a down-track out of the next description; its section is kept for another. */
  removeTrack(downTrack: DownTrackId): void;
  /** Asks for a round of descriptions: soon, or `now` at once if none is outstanding. */
  negotiate(now: boolean): void;
  /** Handles one `answer` of the client. */
  answer(description: SessionDescription): void;
  /** The client came back on another socket: what it may not have seen is said again. */
  restart(): void;
  /** Ends the connection; later events and answers are ignored. */
  close(): void;
}

/** What became of described down-tracks. */
export interface AcceptanceListener {
  /** The client receives on it. Again when what it accepted has changed. */
  accepted(downTrack: DownTrackId, connection: ConnectionId, section: SendSection): void;
  rejected(downTrack: DownTrackId, reason: RejectionReason): void;
}

/** What is sent in the client's own offers: one round for each offer that is answered. */
export interface OfferCompanion {
  /** The client makes one offer, and announces nothing after it. */
  readonly final: boolean;
  /** An offer is about to be answered. @returns what the answer may send. */
  begin(offer: RemoteDescription): OfferedSending;
  /** The answer went out, and sends this on `connection`. */
  answered(connection: ConnectionId, sent: readonly SentSection[]): void;
}
