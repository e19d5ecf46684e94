/**
 * What one subscriber gets of the frames in the stream it is being sent: VP8's temporal layers, and
 * the spatial and temporal layers inside a VP9 or AV1 stream.
 *
 * Of VP8 whose payload tells of its pictures itself the frames are chosen by that, for its numbers
 * are rewritten; where dependency descriptors alone tell of them, as of VP9 and AV1.
 *
 * Contract: `join` at each start or switch, then `decide` for each packet with a payload. Where a
 * stream has nothing to select from, `decide` lets everything pass unchanged.
 *
 * @module
 */
import { CODEC } from "../../wire/key_frame.ts";
import type { LayerTarget } from "../../base/media_vocabulary.ts";
import type { OutgoingPacket } from "../packet/outgoing_packet.ts";
import type { SourcePacket } from "../packet/source_packet.ts";
import { SvcSelection } from "../select/svc_selection.ts";
import { SVC } from "../layer/svc_stream.ts";
import { Vp8Rewriter } from "../select/vp8_rewriter.ts";
import { Vp9Selection } from "../select/vp9_selection.ts";

/** A key frame so far behind the newest frame may be an old one. */
const MAX_LATE_FRAMES = 256;

/** One per down-track. */
export class FrameSelection {
  readonly #vp8 = new Vp8Rewriter();
  #described: SvcSelection | undefined;
  #vp9: Vp9Selection | undefined;
  #isVp8 = false;
  /** Spatial layer inside the stream that is being sent; -1 if it has none. */
  spatial = -1;
  /** What is added to the numbers of frames, and the highest that was sent; negative: none was. */
  #frameOffset = 0;
  #lastFrame = -1;
  /** The wanted layer inside the stream can't be sent before a key frame. */
  needsKeyFrame = false;

  /** The packet, a key frame's first, starts what is sent from now on. */
  join(packet: SourcePacket, target: LayerTarget): void {
    this.#isVp8 = packet.layer.family === CODEC.vp8;
    if (this.#isVp8) this.#vp8.switchTo(packet.vp8, temporalLimit(packet, target));
    if (packet.hasDescriptor) this.#continueNumbers(packet.descriptor.frameNumber);
    this.#forget();
  }

  /**
   * Sources number their frames from anywhere, and libwebrtc's receivers leave out what has a lower
   * number than they have seen, until they have stood still for three seconds.
   */
  #continueNumbers(first: number): void {
    const ahead = first + this.#frameOffset - this.#lastFrame;
    if (this.#lastFrame < 0 || (ahead << 16) > 0) return;
    this.#frameOffset = (this.#lastFrame + 1 - first) & 0xffff;
  }

  /** Whether the encoder started counting anew; a key frame that came late is not so far behind. */
  #isAnew(frameNumber: number): boolean {
    const ahead = frameNumber + this.#frameOffset - this.#lastFrame;
    return this.#lastFrame >= 0 && (ahead << 16) >> 16 < -MAX_LATE_FRAMES;
  }

  #forget(): void {
    this.#described?.restart();
    this.#vp9?.restart();
    this.spatial = -1;
    this.needsKeyFrame = false;
  }

  /**
   * Decides about one packet and sets in `out` what is to be written differently.
   *
   * @param late Whether newer packets were forwarded before.
   * @returns `false` if it is to be left out.
   */
  decide(packet: SourcePacket, late: boolean, target: LayerTarget, out: OutgoingPacket): boolean {
    if (!this.#choose(packet, late, target, out)) return false;
    if (packet.hasDescriptor) {
      const { frameNumber } = packet.descriptor;
      if (!late && packet.keyFrameStart && this.#isAnew(frameNumber)) {
        this.#continueNumbers(frameNumber);
      }
      out.frameOffset = this.#frameOffset;
      const frame = (frameNumber + this.#frameOffset) & 0xffff;
      if (this.#lastFrame < 0 || (frame - this.#lastFrame) << 16 > 0) this.#lastFrame = frame;
    }
    return true;
  }

  #choose(packet: SourcePacket, late: boolean, target: LayerTarget, out: OutgoingPacket): boolean {
    switch (packet.svc) {
      case SVC.described:
        return this.#decideDescribed(packet, target, out);
      case SVC.vp9:
        return this.#decideVp9(packet, target, out);
      case SVC.unknown:
        if (packet.hasDescriptor) this.#described?.leaveOut(packet.descriptor);
        return false;
      default:
        if (this.spatial >= 0) this.#forget();
        this.needsKeyFrame = false;
        return !this.#isVp8 || this.#decideVp8(packet, late, target, out);
    }
  }

  #decideVp8(
    packet: SourcePacket,
    late: boolean,
    target: LayerTarget,
    out: OutgoingPacket,
  ): boolean {
    const vp8 = this.#vp8;
    if (!vp8.decide(packet.vp8, late, temporalLimit(packet, target))) return false;
    out.pictureId = vp8.pictureIdOut;
    out.tl0PicIdx = vp8.tl0PicIdxOut;
    out.keyIdx = vp8.keyIdxOut;
    return true;
  }

  #decideDescribed(packet: SourcePacket, target: LayerTarget, out: OutgoingPacket): boolean {
    const selection = this.#described ??= new SvcSelection();
    const { descriptor, layer, view } = packet;
    const isSent = selection.decide(
      descriptor,
      layer.svc,
      view.timestamp,
      target.maxSpatial,
      temporalLimit(packet, target),
    );
    this.needsKeyFrame = selection.needsKeyFrame;
    if (!isSent) return false;
    const structure = layer.svc.structure!;
    this.spatial = structure.maxSpatial > 0 ? selection.spatial : -1;
    out.setsMarker = selection.marker;
    if (descriptor.hasTemplateStructure || descriptor.targetCount !== structure.targetCount) {
      return true;
    }
    out.activeTargets = selection.announcedTargets(structure);
    out.targetCount = structure.targetCount;
    return true;
  }

  #decideVp9(packet: SourcePacket, target: LayerTarget, out: OutgoingPacket): boolean {
    const selection = this.#vp9 ??= new Vp9Selection();
    const { timestamp } = packet.view;
    const limit = temporalLimit(packet, target);
    const isSent = selection.decide(packet.vp9, packet.seq, timestamp, target.maxSpatial, limit);
    this.spatial = selection.spatial;
    this.needsKeyFrame = selection.needsKeyFrame;
    if (isSent) out.setsMarker = selection.marker;
    return isSent;
  }
}

/** The highest temporal layer wanted: by number, and by the frame rate if one was asked for. */
function temporalLimit({ layer }: SourcePacket, { maxTemporal, maxFps }: LayerTarget): number {
  return maxFps !== undefined
    ? Math.min(maxTemporal, layer.frameRate.temporalFor(maxFps))
    : maxTemporal;
}
