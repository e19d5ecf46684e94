/**
 * The seams of the forwarding plane: what an up-track and its down-tracks see of each other. How a
 * packet leaves is `base/packet_sink.ts`.
 *
 * @module
 */
import type { DropReason } from "../layer/drop_reason.ts";
import type { SourcePacket } from "./source_packet.ts";
import type { UpTrackLayer } from "../layer/up_track_layer.ts";

/** An up-track as its down-tracks see it. */
export interface LayerSource {
  /** Whether the publisher has muted the track. */
  readonly muted: boolean;
  /** Bit `1 << spatial` for each layer that is being received. */
  readonly liveLayers: number;
  /** `undefined` before the layer's first packet. */
  layer(spatial: number): UpTrackLayer | undefined;
  /** Asks for a key frame of a layer; merged with everybody else's requests. */
  requestKeyFrame(spatial: number, now: number): void;
  /**
   * Forwards to one receiver again what had come before `start` but belongs behind it, as far as it
   * is cached.
   */
  replay(receiver: PacketReceiver, start: SourcePacket, now: number): void;
  /** What one of the receivers needs ({@linkcode PacketReceiver.neededLayers}) may have changed. */
  needsChanged(): void;
  /** {@linkcode PacketReceiver.loudestOf} of one of the receivers is another. */
  audienceChanged(now: number): void;
}

/** A down-track as its up-track sees it. */
export interface PacketReceiver {
  /** Bit `1 << spatial` for each layer it forwards or is about to. */
  readonly neededLayers: number;
  /** What it would have if all of it found room (`layer_wish.ts`); absent: what it needs. */
  readonly wish?: number;
  /**
   * Where it stands among the receivers of all tracks: the same for those on one connection, and
   * for no others. Absent: behind all.
   */
  readonly place?: number | undefined;
  /** It passes packets on to others, so it gets each before those who do not. */
  readonly passesOn?: boolean;
  /** It is given packets only while the track is among the loudest of that room; absent: always. */
  readonly loudestOf?: string | undefined;
  attach(source: LayerSource, now: number): void;
  detach(): void;
  /** Sends the packet on if it belongs to what is being forwarded; 0 if it did. */
  forward(packet: SourcePacket, now: number): DropReason;
  /** A layer appeared, stopped, came back or was bound anew. */
  layersChanged(now: number): void;
  /** Packets were, or are from now on, kept from it: what it is given next does not follow. */
  interrupted?(now: number): void;
  /** The publisher muted or unmuted. */
  sourceMuted(muted: boolean, now: number): void;
  /** {@linkcode PacketReceiver.forward} threw: a bug of ours that may end this receiver alone. */
  failed(error: unknown): void;
}
