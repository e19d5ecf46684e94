/**
 * Finds out which section and layer an RTP packet belongs to (RFC 8843 §9.2, RFC 8852).
 *
 * An SSRC is bound once and then found by one map look-up. Browsers stop sending the mid and rid
 * extensions when they see that an SSRC was understood, and keep the SSRC when they publish another
 * track on the same section, so a binding outlives the track: it names a section and a layer, and
 * the section says which up-track it feeds now.
 *
 * @module
 */
import {
  type CodecParameters,
  EXTENSION_URI,
  FLEXFEC_MIME,
  type ReceiveSection,
  type SpatialLayer,
} from "../../base/media_vocabulary.ts";
import { readTextExtension } from "../../wire/header_extensions.ts";
import type { RtpView } from "../../wire/rtp_view.ts";

/**
 * SSRCs remembered for one connection: 64 sections of three layers with retransmission each would
 * be 384; an authenticated client that invents more gets them dropped.
 */
const MAX_BINDINGS = 512;

/** Where a packet belongs. The object is reused for every packet of its SSRC. */
export interface StreamBinding {
  readonly ssrc: number;
  readonly mid: string;
  readonly spatial: SpatialLayer;
  readonly rid: string | undefined;
  readonly isRtx: boolean;
  /** Its packets repair those of the layer. */
  readonly isFec: boolean;
}

interface SectionState {
  readonly section: ReceiveSection;
  readonly payloadTypes: ReadonlyMap<number, CodecParameters>;
  readonly rtxPayloadTypes: ReadonlySet<number>;
  readonly fecPayloadTypes: ReadonlySet<number>;
}

/** One per connection that receives. */
export class StreamDemux {
  readonly #bindings = new Map<number, StreamBinding>();
  #sections = new Map<string, SectionState>();
  #midId = 0;
  #ridId = 0;
  #repairedRidId = 0;
  #transportCcId = 0;

  /** Id of the transport-wide sequence number extension, 0 if not negotiated. */
  get transportCcId(): number {
    return this.#transportCcId;
  }

  /** All of them, as last described. */
  sections(): readonly ReceiveSection[] {
    return [...this.#sections.values()].map(({ section }) => section);
  }

  /** The section with this mid, as last described. */
  section(mid: string): ReceiveSection | undefined {
    return this.#sections.get(mid)?.section;
  }

  /**
   * Replaces the described sections. Bindings to sections that are gone are forgotten; those with a
   * rid follow it to the layer that it is now.
   */
  setSections(sections: readonly ReceiveSection[]): void {
    this.#sections = new Map(sections.map((section) => [section.mid, sectionState(section)]));
    for (const [ssrc, binding] of this.#bindings) {
      const rids = this.#sections.get(binding.mid)?.section.rids;
      if (rids === undefined) this.#bindings.delete(ssrc);
      if (rids === undefined || binding.rid === undefined) continue;
      const layer = rids.indexOf(binding.rid);
      if (layer < 0 || layer === binding.spatial) continue;
      this.#bindings.set(ssrc, { ...binding, spatial: layer as SpatialLayer });
    }
    // One bundle uses one id per extension throughout (RFC 8843 §10), so any section will do.
    const id = (uri: string) =>
      sections.flatMap((section) => section.extensions).find((e) => e.uri === uri)?.id ?? 0;
    this.#midId = id(EXTENSION_URI.mid);
    this.#ridId = id(EXTENSION_URI.rid);
    this.#repairedRidId = id(EXTENSION_URI.repairedRid);
    this.#transportCcId = id(EXTENSION_URI.transportCc);
    for (const section of sections) this.#bindDeclared(section);
  }

  /** The binding of a known SSRC. */
  find(ssrc: number): StreamBinding | undefined {
    return this.#bindings.get(ssrc);
  }

  /** All SSRCs bound to `mid`. */
  bindingsOf(mid: string): readonly StreamBinding[] {
    return [...this.#bindings.values()].filter((binding) => binding.mid === mid);
  }

  /** The codec `payloadType` means in section `mid`; retransmission types are not codecs. */
  codec(mid: string, payloadType: number): CodecParameters | undefined {
    return this.#sections.get(mid)?.payloadTypes.get(payloadType);
  }

  /**
   * The binding for a packet, made now if its SSRC is new and its extensions, the description or
   * its payload type tell where it belongs.
   */
  resolve(view: RtpView): StreamBinding | undefined {
    return this.#bindings.get(view.ssrc) ?? this.#bindNew(view);
  }

  #bindNew(view: RtpView): StreamBinding | undefined {
    if (this.#bindings.size >= MAX_BINDINGS) return undefined;
    const mid = readTextExtension(view, this.#midId);
    const repaired = readTextExtension(view, this.#repairedRidId);
    const rid = repaired ?? readTextExtension(view, this.#ridId);
    const state = mid !== undefined
      ? this.#sections.get(mid)
      : this.#onlySection((s) =>
        (rid === undefined || s.section.rids.includes(rid)) &&
        (s.payloadTypes.has(view.payloadType) || s.rtxPayloadTypes.has(view.payloadType) ||
          s.fecPayloadTypes.has(view.payloadType))
      );
    if (state === undefined) return undefined;
    const isRtx = repaired !== undefined || state.rtxPayloadTypes.has(view.payloadType);
    const isFec = state.fecPayloadTypes.has(view.payloadType);
    if (!isRtx && !isFec && !state.payloadTypes.has(view.payloadType)) return undefined;
    const layer = rid === undefined ? 0 : state.section.rids.indexOf(rid);
    // With simulcast a packet without its rid can't be told from the other layers'.
    if (layer < 0 || layer > 2 || (rid === undefined && state.section.rids.length > 1)) {
      return undefined;
    }
    return this.#bind(view.ssrc, state.section.mid, layer as SpatialLayer, rid, isRtx, isFec);
  }

  #onlySection(matches: (state: SectionState) => boolean): SectionState | undefined {
    const candidates = [...this.#sections.values()].filter(matches);
    return candidates.length === 1 ? candidates[0] : undefined;
  }

  #bindDeclared(section: ReceiveSection): void {
    if (section.rids.length > 0) return; // declared SSRCs don't say which rid they carry
    section.ssrcs.slice(0, 3).forEach(({ ssrc, rtxSsrc, fecSsrc }, layer) => {
      const spatial = layer as SpatialLayer;
      this.#bind(ssrc, section.mid, spatial, undefined, false);
      if (rtxSsrc !== undefined) this.#bind(rtxSsrc, section.mid, spatial, undefined, true);
      if (fecSsrc !== undefined) this.#bind(fecSsrc, section.mid, spatial, undefined, false, true);
    });
  }

  #bind(
    ssrc: number,
    mid: string,
    spatial: SpatialLayer,
    rid: string | undefined,
    isRtx: boolean,
    isFec = false,
  ): StreamBinding | undefined {
    const known = this.#bindings.get(ssrc);
    if (known !== undefined && known.mid === mid) return known;
    if (known === undefined && this.#bindings.size >= MAX_BINDINGS) return undefined;
    const binding: StreamBinding = { ssrc, mid, spatial, rid, isRtx, isFec };
    this.#bindings.set(ssrc, binding);
    return binding;
  }
}

function sectionState(section: ReceiveSection): SectionState {
  const isFec = ({ mime }: CodecParameters) => mime === FLEXFEC_MIME;
  return {
    section,
    payloadTypes: new Map(
      section.codecs.filter((codec) => !isFec(codec)).map((codec) => [codec.payloadType, codec]),
    ),
    fecPayloadTypes: new Set(section.codecs.filter(isFec).map(({ payloadType }) => payloadType)),
    rtxPayloadTypes: new Set(
      section.codecs.flatMap((codec) => codec.rtxPayloadType ?? []),
    ),
  };
}
