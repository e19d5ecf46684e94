/**
 * A session as its own parts see it: who it is, its client's ways, and how to reach and end it.
 *
 * @module
 */
import type { SubscribingSide } from "../connection/connection_sides.ts";
import type { ClientTraits } from "../context/client_traits.ts";
import type { SignalMessage } from "../context/signal_message.ts";
import type { Member } from "./member.ts";
import type { RoomContext } from "../context/room_context.ts";
import type { SignalLink } from "./signal_link.ts";
import type { TrackRegistry } from "../registry/track_registry.ts";

/**
 * A session as its parts see it. They read and send; what belongs to another part they leave to the
 * session.
 */
export interface SessionFacts extends Member {
  /** A throw of its timers is this session's bug, and nobody else's. */
  readonly context: RoomContext;
  /** The room it is in; it may be moved to another. */
  readonly roomName: string;
  readonly traits: ClientTraits;
  readonly link: SignalLink;
  readonly registry: TrackRegistry;
  readonly subscriber: SubscribingSide;
  readonly subscriberPrimary: boolean;
  /** It publishes and receives on one connection. */
  readonly singlePeerConnection: boolean;
  /** There is no socket: nobody to tell anything, and nobody who could come back. */
  readonly oneShot: boolean;
  /** What it is sent in its sections changes without a word. */
  readonly holdsSections: boolean;
  /** The client has a socket, so that it could answer. */
  readonly reachable: boolean;
  send(message: SignalMessage): void;
}
