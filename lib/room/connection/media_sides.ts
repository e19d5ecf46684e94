/**
 * Makes the two sides of a participant's media: on two peer connections, or both on one.
 *
 * @module
 */
import type { ClientTraits } from "../context/client_traits.ts";
import type { ConnectionHost } from "./connection_host.ts";
import type { AcceptanceListener, PublishingSide, SubscribingSide } from "./connection_sides.ts";
import { HeldConnection } from "./held_connection.ts";
import { OneShotConnection } from "./one_shot_connection.ts";
import { PublisherConnection } from "./publisher_connection.ts";
import type { RoomContext } from "../context/room_context.ts";
import { SingleConnection } from "./single_connection.ts";
import { SubscriberConnection } from "./subscriber_connection.ts";
import type { TrackRegistry } from "../registry/track_registry.ts";

/** How a client connects; fixed when it joins. */
export interface MediaTopology {
  /** It has one peer connection for both directions, on which it offers. */
  readonly singlePeerConnection: boolean;
  /** Its only offer is answered once. */
  readonly oneShot: boolean;
  /** What its only offer is answered with waits for tracks; implies {@linkcode oneShot}. */
  readonly holdsSections: boolean;
  /** The subscriber connection carries the data channels; never with a single one. */
  readonly subscriberPrimary: boolean;
}

/** Makes both sides; nothing is opened before the first description. */
export function mediaSides(
  context: RoomContext,
  host: ConnectionHost,
  registry: TrackRegistry,
  traits: ClientTraits,
  topology: MediaTopology,
  listener: AcceptanceListener,
): { readonly publisher: PublishingSide; readonly subscriber: SubscribingSide } {
  const publisher = new PublisherConnection(context, host, registry, traits);
  if (!topology.singlePeerConnection) {
    const options = { primary: topology.subscriberPrimary, ...listener };
    return { publisher, subscriber: new SubscriberConnection(context, host, traits, options) };
  }
  const OneShot = topology.holdsSections ? HeldConnection : OneShotConnection;
  const Companion = topology.oneShot ? OneShot : SingleConnection;
  const subscriber = new Companion(publisher.id, context, host, listener, traits);
  publisher.companion = subscriber;
  return { publisher, subscriber };
}
