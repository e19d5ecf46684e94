/**
 * What a down-track is given for each packet: everything that is the same for all subscribers,
 * worked out once when it arrives.
 *
 * @module
 */
import { DependencyDescriptor } from "../../wire/dependency_descriptor.ts";
import { RtpView } from "../../wire/rtp_view.ts";
import type { ExtSeq } from "../../wire/seq.ts";
import { Vp8Descriptor } from "../../wire/vp8_descriptor.ts";
import { Vp9Descriptor } from "../../wire/vp9_descriptor.ts";
import { SVC, type SvcKind } from "../layer/svc_stream.ts";
import type { UpTrackLayer } from "../layer/up_track_layer.ts";

/** Reused; valid until its run has been fanned out. */
export class SourcePacket {
  /** The header as received, or as rebuilt from RTX, in the layer's cache. */
  readonly view: RtpView = new RtpView();
  layer: UpTrackLayer;
  seq: ExtSeq = 0 as ExtSeq;
  /** The layer's highest number when it came. */
  highest: ExtSeq = 0 as ExtSeq;
  /** Counts the up-track's packets in the order they came. */
  arrival = 0;
  /** Slot of the packet in the layer's cache. */
  slot = 0;
  /** Payload bytes in the slot; 0 for padding-only and undecipherable packets. */
  payloadLength = 0;
  keyFrameStart = false;
  /** How its place among the layers inside its stream is known. */
  svc: SvcKind = SVC.none;
  /** Whether it has a dependency descriptor. */
  hasDescriptor = false;
  /** Filled for VP8 only. */
  readonly vp8: Vp8Descriptor = new Vp8Descriptor();
  readonly vp9: Vp9Descriptor = new Vp9Descriptor();
  readonly descriptor: DependencyDescriptor = new DependencyDescriptor();

  constructor(layer: UpTrackLayer) {
    this.layer = layer;
  }
}
