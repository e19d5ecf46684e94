/**
 * What a down-track is given for each packet: everything that is the same for all subscribers, worked
 * out once.
 *
 * @module
 */
import { DependencyDescriptor } from "../wire/dependency_descriptor.ts";
import type { RtpView } from "../wire/rtp_view.ts";
import type { ExtSeq } from "../wire/seq.ts";
import { Vp8Descriptor } from "../wire/vp8_descriptor.ts";
import { Vp9Descriptor } from "../wire/vp9_descriptor.ts";
import { SVC, type SvcKind } from "./svc_stream.ts";
import type { UpTrackLayer } from "./up_track_layer.ts";

/** One per up-track, reused; valid during the turn in which it is forwarded. */
export class SourcePacket {
  /** The header as received, or as rebuilt from RTX. */
  view: RtpView;
  layer: UpTrackLayer;
  seq: ExtSeq = 0 as ExtSeq;
  /** Slot of the packet in the layer's cache. */
  slot = 0;
  /** Payload bytes in the slot; 0 for padding-only and undecipherable packets. */
  payloadLength = 0;
  keyFrameStart = false;
  /** How its place among the spatial layers inside its stream is known. */
  svc: SvcKind = SVC.none;
  /** Whether it has a dependency descriptor. */
  hasDescriptor = false;
  /** Filled for VP8 only. */
  readonly vp8: Vp8Descriptor = new Vp8Descriptor();
  readonly vp9: Vp9Descriptor = new Vp9Descriptor();
  readonly descriptor: DependencyDescriptor = new DependencyDescriptor();

  constructor(view: RtpView, layer: UpTrackLayer) {
    this.view = view;
    this.layer = layer;
  }
}
