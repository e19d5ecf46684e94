/**
 * The relays of one engine: which of its up-tracks other engines get, and which it gets from them.
 *
 * Nothing here is told twice to the control plane: statistics, quality, loudness and arrivals of a
 * relayed track are reported by the engine that its publisher is connected to.
 *
 * @module
 */
import { type DataTrackId, isDataTrackId, type UpTrackId } from "../../base/ids.ts";
import type { RelayCommand, RelayedDataTrackCommand } from "../messages/engine_messages.ts";
import { LoudestRooms } from "../../media/up/loudest_audio.ts";
import type { HopPeer, RelayPeer } from "../messages/neighbour_messages.ts";
import type { DataLane } from "./data_lane.ts";
import { EngineHops, type HopsWorld } from "./engine_hops.ts";
import { RelayLink, type RelayWorld } from "./relay_link.ts";
import { ReceivedTracks } from "./received_tracks.ts";
import { ringChannel } from "./relay_ring.ts";
import { ringBell } from "../../transport/datagrams/thread_bell.ts";

/** What joins an engine to the others of its process: a ring for each direction to each of them. */
export interface RelayNeighbours {
  /** Which of them this engine is. */
  readonly index: number;
  readonly peers: readonly RelayPeer[];
  /** This thread's bell (`thread_bell.ts`), if it waits for one. */
  readonly bell?: number;
}

/**
 * One engine's ends of relays. A relayed track is told to the control plane by its publisher's
 * engine alone.
 */
export class EngineRelays {
  /** To engines of other nodes. */
  readonly hops: EngineHops;
  /** Rooms of which only the loudest audio may be wanted, here or where it crosses to. */
  readonly loudest = new LoudestRooms();
  readonly #world: RelayWorld;
  readonly #links = new Map<number, RelayLink>();
  readonly #received: ReceivedTracks;
  /** Data tracks of other nodes → by which hop they are to come. */
  readonly #expected = new Map<DataTrackId, number>();
  readonly #bell: number | undefined;
  #isStarted = false;

  constructor(
    neighbours: RelayNeighbours | undefined,
    world: RelayWorld,
    hops: HopsWorld,
  ) {
    this.#world = { ...world, loudest: this.loudest };
    this.hops = new EngineHops(hops, this.#world);
    this.#received = new ReceivedTracks(this.#world);
    this.#bell = neighbours?.bell;
    for (const peer of neighbours?.peers ?? []) this.connect(peer);
  }

  /** Begins to read what other engines send. */
  start(): void {
    this.#isStarted = true;
    for (const link of this.#links.values()) void link.run();
  }

  /** Joins another engine; again with new rings when that one was started anew. */
  connect({ index, inbound, outbound, bell }: RelayPeer): void {
    this.#links.get(index)?.close();
    const channel = ringChannel(inbound, outbound, {
      other: ringing(bell),
      own: ringing(this.#bell),
    });
    const link = new RelayLink(index, channel, this.#world);
    this.#links.set(index, link);
    if (this.#isStarted) void link.run();
  }

  /** Joins an engine of another node; again in place of what had its name. */
  connectHop(peer: HopPeer): void {
    this.#links.get(peer.index)?.close();
    this.#links.set(peer.index, this.hops.connect(peer));
  }

  /** The other engine is gone. */
  disconnect(index: number): void {
    this.#links.get(index)?.close();
    this.hops.disconnect(index);
    this.#links.delete(index);
  }

  /** The way of data to another engine; counted if there is none. */
  lane(index: number): DataLane | undefined {
    return this.#link(index)?.data;
  }

  /** Whether an up-track comes from another engine. */
  has(upTrack: UpTrackId): boolean {
    return this.#received.has(upTrack);
  }

  /** Carries out a command; one about another engine that there is not is counted. */
  carryOut(command: RelayCommand, now: number): void {
    switch (command.type) {
      case "send_relay": {
        const { upTrack, to } = command;
        const link = this.#link(to);
        if (isDataTrackId(upTrack)) link?.data.tracks.offer(upTrack);
        else link?.send(upTrack, now);
        return this.hops.changed(to);
      }
      case "stop_relay": {
        const { upTrack, to } = command;
        const link = this.#link(to);
        return isDataTrackId(upTrack) ? link?.data.tracks.withdraw(upTrack) : link?.stop(upTrack);
      }
      case "receive_relay": {
        const { upTrack, from, section } = command;
        const link = from === undefined ? undefined : this.#link(from);
        if (from !== undefined && link === undefined) return;
        this.#received.receive(upTrack, link, section, now);
        if (from !== undefined) this.hops.changed(from);
        return;
      }
      case "end_relay":
        return this.#received.end(command.upTrack, now);
    }
  }

  /** A data track comes from an engine of another node from now on, or from none. */
  expectDataTrack({ track, from, route }: RelayedDataTrackCommand): void {
    const source = route === undefined ? undefined : from;
    const before = this.#expected.get(track);
    if (source === undefined) this.#expected.delete(track);
    else this.#expected.set(track, source);
    for (const index of [before, source]) {
      if (index === undefined) continue;
      this.#links.get(index)?.data.tracks.expect(track, index === source);
      this.hops.changed(index);
    }
  }

  /** Whether anything crosses, so that {@linkcode EngineRelays.tick} is needed soon. */
  get isActive(): boolean {
    for (const link of this.#links.values()) if (link.isActive) return true;
    return false;
  }

  tick(now: number): void {
    for (const link of this.#links.values()) if (link.isActive) link.tick(now);
    this.hops.tick(now);
  }

  /** Idempotent. */
  close(): void {
    for (const link of this.#links.values()) link.close();
    this.hops.close();
  }

  #link(index: number): RelayLink | undefined {
    const link = this.#links.get(index);
    if (link === undefined) this.#world.drops.count("relay_no_engine");
    return link;
  }
}

function ringing(bell: number | undefined): () => void {
  return bell === undefined ? () => {} : () => ringBell(bell);
}
