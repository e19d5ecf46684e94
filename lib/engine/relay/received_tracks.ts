/**
 * The up-tracks of one engine that come from others, and from which of them each comes now.
 *
 * @module
 */
import type { UpTrackId } from "../../base/ids.ts";
import type { ReceiveSection } from "../../base/media_vocabulary.ts";
import type { RelayLink, RelayWorld } from "./relay_link.ts";
import { RelayReceiver } from "./relay_receiver.ts";

/** A relayed up-track, and where it comes from; from nowhere for now if absent. */
interface Received {
  readonly receiver: RelayReceiver;
  link: RelayLink | undefined;
}

/**
 * Up-tracks that come from other engines. One that comes from another than before goes on: its
 * down-tracks see missing packets.
 */
export class ReceivedTracks {
  readonly #world: Pick<RelayWorld, "upTracks" | "drops" | "batch" | "loudest">;
  readonly #received = new Map<UpTrackId, Received>();

  constructor(world: Pick<RelayWorld, "upTracks" | "drops" | "batch" | "loudest">) {
    this.#world = world;
  }

  has(id: UpTrackId): boolean {
    return this.#received.has(id);
  }

  /**
   * Makes an up-track of what comes by `link`, now or later; or lets one that there is follow it.
   *
   * @param link Absent: nothing comes for now.
   * @param section The publisher's; again with another: its codecs are used from now on.
   */
  receive(
    id: UpTrackId,
    link: RelayLink | undefined,
    section: ReceiveSection,
    now: number,
  ): void {
    const { upTracks, drops, batch, loudest } = this.#world;
    let received = this.#received.get(id);
    if (received === undefined) {
      if (upTracks.has(id)) return drops.count("relay_track_exists");
      received = { receiver: new RelayReceiver(section, drops, batch, loudest), link: undefined };
      this.#received.set(id, received);
      upTracks.set(id, received.receiver.track);
    } else received.receiver.setCodecs(section.codecs);
    if (received.link === link) return;
    received.link?.unfollow(id, now);
    received.link = link;
    link?.follow(id, received.receiver);
  }

  /** The up-track is no more, if it is one of these. */
  end(id: UpTrackId, now: number): void {
    const received = this.#received.get(id);
    if (received === undefined) return;
    this.#received.delete(id);
    this.#world.upTracks.delete(id);
    received.link?.unfollow(id, now);
  }
}
