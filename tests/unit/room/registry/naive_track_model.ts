/**
 * The rules of the track registry once more, as plainly as possible: flat lists that are searched
 * from the start for every question. Written apart from the registry, to compare it with.
 *
 * @module
 */
import type { MediaKind } from "../../../../lib/base/media_vocabulary.ts";

/** A section while it lives; it keeps its name and kind until it is closed. */
export interface ModelSection {
  readonly sdpCid: string;
  readonly kind: MediaKind;
  readonly up: string;
  readonly mid: string;
}

interface Announced {
  readonly cid: string;
  readonly kind: MediaKind;
  readonly name: string;
  muted: boolean;
}

interface Published extends Announced {
  readonly sdpCid: string;
  readonly up: string;
  readonly rids: Set<string>;
}

interface Parked extends ModelSection {
  readonly rid: string;
}

/** What the registry should hold and say. */
export class NaiveTrackModel {
  announced: Announced[] = [];
  published: Published[] = [];
  parked: Parked[] = [];
  /** Cids whose first announcement may take media. */
  current = new Set<string>();
  /** When a cid came to be pending, or became current after waiting. */
  since = new Map<string, number>();
  /** Which section is known to carry the current announcement of a cid. */
  expected = new Map<string, ModelSection>();
  said: string[] = [];
  #time = 0;

  announce(cid: string, kind: MediaKind, name: string): void {
    if (this.current.has(cid)) return this.#announceAnew(cid, kind, name);
    const same = this.announced.filter((other) => other.cid === cid).length;
    if (same >= 3) return void this.said.push("LIMIT_EXCEEDED");
    this.announced.push({ cid, kind, name, muted: false });
    if (same === 0) this.since.set(cid, ++this.#time);
    if (same > 0 || this.#taken(cid)) return void this.said.push("QUEUED");
    this.current.add(cid);
    for (const [other, section] of [...this.expected]) {
      if (section.sdpCid !== cid) continue;
      this.expected.delete(other);
      this.expected.set(cid, section);
    }
    this.said.push(`track_published:${cid}`);
    this.#settle();
  }

  /** The first announcement of a cid waits for its media: the last word about it holds. */
  #announceAnew(cid: string, kind: MediaKind, name: string): void {
    const index = this.announced.findIndex((other) => other.cid === cid);
    if (this.announced[index]!.kind !== kind) this.expected.delete(cid);
    this.announced[index] = { cid, kind, name, muted: false };
    this.said.push(`track_published:${cid}`);
    this.#settle();
  }

  plan(sections: readonly ModelSection[]): void {
    for (const byKind of [false, true]) {
      for (const section of sections) {
        const found = this.#find(section, byKind);
        if (typeof found !== "object" || !("cid" in found)) continue;
        for (const [cid, other] of [...this.expected]) {
          if (other.up === section.up || other.sdpCid === section.sdpCid) this.expected.delete(cid);
        }
        this.expected.set(found.cid, section);
      }
    }
    this.#settle();
  }

  claim(section: ModelSection, rid: string): void {
    if (!this.#give(section, rid)) {
      const known = this.parked.some((other) => other.up === section.up && other.rid === rid);
      if (!known) this.parked.push({ ...section, rid });
    }
    this.#settle();
  }

  close(up: string): void {
    this.parked = this.parked.filter((media) => media.up !== up);
    for (const [cid, section] of [...this.expected]) {
      if (section.up === up) this.expected.delete(cid);
    }
    for (const track of this.published) {
      if (track.up === up) this.said.push(`unpublished:${track.name}`);
    }
    this.published = this.published.filter((track) => track.up !== up);
    this.#settle();
  }

  mute(name: string, muted: boolean): void {
    const track = this.published.find((other) => other.name === name);
    if (track !== undefined) {
      if (track.muted !== muted) this.said.push(`updated:${name}`);
      track.muted = muted;
      return;
    }
    const cid = this.announced.find((other) => other.name === name)?.cid;
    for (const other of this.announced) if (other.cid === cid) other.muted = muted;
  }

  #taken(cid: string): boolean {
    return this.published.some((track) => track.cid === cid || track.sdpCid === cid);
  }

  #first(cid: string): Announced | undefined {
    return this.announced.find((other) => other.cid === cid);
  }

  #find(section: ModelSection, byKind: boolean): Published | Announced | "refuse" | "wait" {
    const carried = this.published.find((track) => track.up === section.up);
    if (carried !== undefined) return "refuse"; // asked for by callers only after `carried`
    const named = this.published.find((track) => track.sdpCid === section.sdpCid);
    if (named !== undefined) return named.kind === section.kind ? "wait" : "refuse";
    const cid = this.current.has(section.sdpCid)
      ? section.sdpCid
      : [...this.expected].find(([, other]) => other.sdpCid === section.sdpCid)?.[0];
    if (cid !== undefined) {
      const first = this.#first(cid)!;
      return first.kind === section.kind ? first : "refuse";
    }
    if (this.#first(section.sdpCid) !== undefined) return "wait";
    if (!byKind) return "wait";
    const guesses = [...this.current]
      .filter((other) => !this.expected.has(other) && this.#first(other)!.kind === section.kind)
      .sort((a, b) => this.since.get(a)! - this.since.get(b)!);
    return guesses[0] === undefined ? "wait" : this.#first(guesses[0])!;
  }

  /** Whether the media is dealt with. */
  #give(section: ModelSection, rid: string): boolean {
    const carried = this.published.find((track) => track.up === section.up);
    if (carried !== undefined) {
      if (!carried.rids.has(rid)) this.said.push(`updated:${carried.name}`);
      carried.rids.add(rid);
      return true;
    }
    const found = this.#find(section, true);
    if (typeof found === "string") return found === "refuse";
    this.announced = this.announced.filter((other) => other !== found);
    this.current.delete(found.cid);
    this.expected.delete(found.cid);
    for (const [cid, other] of [...this.expected]) {
      if (other.up === section.up) this.expected.delete(cid);
    }
    const { sdpCid, up } = section;
    this.published.push({ ...found, sdpCid, up, rids: new Set([rid]) });
    this.said.push(`published:${found.name}`);
    return true;
  }

  #settle(): void {
    for (let moved = true; moved;) {
      moved = false;
      const waiting = [...new Set(this.announced.map(({ cid }) => cid))]
        .filter((cid) => !this.current.has(cid) && !this.#taken(cid))
        .sort((a, b) => this.since.get(a)! - this.since.get(b)!);
      for (const cid of waiting) {
        this.current.add(cid);
        this.since.set(cid, ++this.#time);
        this.said.push(`track_published:${cid}`);
        moved = true;
      }
      for (const media of [...this.parked]) {
        if (!this.#give(media, media.rid)) continue;
        this.parked = this.parked.filter((other) => other !== media);
        moved = true;
      }
    }
  }
}
