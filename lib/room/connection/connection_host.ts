/**
 * What a participant's two peer connections tell the participant that owns them.
 *
 * @module
 */
import type { DataEvent } from "../../engine/messages/data_messages.ts";
import type { ConnectionFailure } from "../../engine/messages/media_messages.ts";
import type { ConnectionRole, SignalMessage } from "../context/signal_message.ts";
import type { IcePreference } from "../context/ice_preference.ts";

/**
 * What a connection may ask of and tell its participant. Methods are called in the order things
 * happened.
 */
export interface ConnectionHost {
  /** The room it is in; it may be moved to another. */
  readonly roomName: string;
  /** The client has a socket, so that it could answer. */
  readonly reachable: boolean;
  /** Whether its videos may be paused for want of bandwidth; absent: as configured. */
  readonly allowPause: boolean | undefined;
  /** It has no client: this process gives the media plane its packets. */
  readonly isSource: boolean;
  /** Over what it is to reach us, from its next description on. */
  readonly icePreference: IcePreference;
  send(message: SignalMessage): void;
  /**
   * A description could not be used or was not answered, or the data channels are gone: the client
   * must join anew.
   */
  connectionUnusable(role: ConnectionRole, detail: string): void;
  /** Media can flow: for the first time, or again. */
  connectionUp(
    role: ConnectionRole,
    protocol: "udp" | "tcp",
    remote: { readonly hostname: string; readonly port: number } | undefined,
  ): void;
  /** Nothing comes from the client any more; a resume with an ICE restart can bring it back. */
  connectionLost(role: ConnectionRole): void;
  /** Final: the media plane has freed the connection. */
  connectionDown(role: ConnectionRole, reason: ConnectionFailure): void;
  dataEvent(event: DataEvent): void;
  /** A bug of ours was hit on this participant's behalf: it must close, nobody else. */
  bug(error: unknown): void;
}
