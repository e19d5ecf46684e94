/**
 * Which simulcast id of a section is which layer, where its name does not say so.
 *
 * `q`, `h` and `f` mean the same to every LiveKit SDK. Other names begin in the order in which the
 * description was read (`orderRids`), and are put right as soon as the sizes of their pictures
 * contradict it. Once every layer was measured the order stands: later sizes may be those of layers
 * that have been resized while another one paused.
 *
 * Pure state, one for a publisher's connection.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";
import type { SpatialLayer } from "../../base/media_vocabulary.ts";
import type { LayerSizes } from "./registry_messages.ts";

/** Ids whose order nobody doubts. */
const PLAIN_RIDS: readonly string[] = ["q", "h", "f"];

interface Size {
  readonly width: number;
  readonly height: number;
}

interface OrderedSection {
  /** Lowest layer first. */
  rids: readonly string[];
  readonly sizes: Map<string, Size>;
  settled: boolean;
}

/**
 * One connection's simulcast ids by layer. Ids with a known meaning keep their layer; the order of
 * others may change until all of them were measured.
 */
export class LayerOrder {
  readonly #sections = new Map<UpTrackId, OrderedSection>();

  /**
   * @param rids As the description names them, lowest first for all that is known from it.
   * @returns The same ids, lowest first.
   */
  of(upTrack: UpTrackId, rids: readonly string[]): readonly string[] {
    if (rids.length < 2 || rids.every((rid) => PLAIN_RIDS.includes(rid))) return rids;
    const known = this.#sections.get(upTrack);
    const same = known?.rids.length === rids.length &&
      rids.every((rid) => known.rids.includes(rid));
    if (known !== undefined && same) return known.rids;
    this.#sections.set(upTrack, { rids, sizes: new Map(), settled: false });
    return rids;
  }

  /**
   * The pictures of one id turned out to be this large.
   *
   * @returns The ids and all sizes known, by their layers; `undefined` where names say enough.
   */
  measured(upTrack: UpTrackId, rid: string, size: Size): Required<LayerSizes> | undefined {
    const section = this.#sections.get(upTrack);
    if (section === undefined || !section.rids.includes(rid)) return undefined;
    section.sizes.set(rid, size);
    if (!section.settled) section.rids = sorted(section);
    section.settled ||= section.sizes.size === section.rids.length;
    const { rids, sizes } = section;
    return {
      rids,
      sizes: [...sizes].map(([id, { width, height }]) => (
        { spatial: rids.indexOf(id) as SpatialLayer, width, height }
      )),
    };
  }

  /** The section carries another track, or none. */
  forget(upTrack: UpTrackId): void {
    this.#sections.delete(upTrack);
  }
}

/** Measured ids by their size, in the places that measured ids have; the others keep theirs. */
function sorted({ rids, sizes }: OrderedSection): readonly string[] {
  const area = (rid: string) => sizes.get(rid)!.width * sizes.get(rid)!.height;
  const measured = rids.filter((rid) => sizes.has(rid)).sort((a, b) => area(a) - area(b));
  let next = 0;
  return rids.map((rid) => sizes.has(rid) ? measured[next++]! : rid);
}
