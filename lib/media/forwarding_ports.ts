/**
 * The seams of the forwarding plane: what an up-track and its down-tracks see of each other, and
 * how a packet leaves.
 *
 * @module
 */
import type { DropReason } from "./drop_reason.ts";
import type { OutgoingPacket } from "./outgoing_packet.ts";
import type { SourcePacket } from "./source_packet.ts";
import type { UpTrackLayer } from "./up_track_layer.ts";

/** Tail of a reserved buffer that a sink uses to seal in place. */
export const SEAL_BYTES = 32;

/** Where a down-track's packets go; usually one per connection. */
export interface PacketSink {
  /**
   * Where the next packet is written, from index 0 on; the last {@linkcode SEAL_BYTES} are the
   * sink's own. `undefined` if nothing can be sent now, which the sink counts. Valid until the next
   * call of any sink, and may be left unused.
   */
  reserve(): Uint8Array | undefined;
  /**
   * Sends the packet that begins in the reserved bytes and ends in `packet.source`, which is only
   * read, and only during the call: sealing and copying are one step. See `writePacket`.
   */
  send(packet: OutgoingPacket): void;
  /** The connection's next transport-wide sequence number (16 bits), or -1 if it uses none. */
  nextTransportSequence(): number;
}

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
}

/** A down-track as its up-track sees it. */
export interface PacketReceiver {
  /** Bit `1 << spatial` for each layer it forwards or is about to. */
  readonly neededLayers: number;
  attach(source: LayerSource, now: number): void;
  detach(): void;
  /** Sends the packet on if it belongs to what is being forwarded; 0 if it did. */
  forward(packet: SourcePacket, now: number): DropReason;
  /** A layer appeared, stopped, came back or was bound anew. */
  layersChanged(now: number): void;
  /** The publisher muted or unmuted. */
  sourceMuted(muted: boolean, now: number): void;
  /** {@linkcode PacketReceiver.forward} threw: a bug of ours that may end this receiver alone. */
  failed(error: unknown): void;
}
