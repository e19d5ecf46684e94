/**
 * Who receives an up-track, and who of them is given its packets now: those who want it only while
 * it is among the loudest of a room are left out while it is not, at no cost for each of them.
 *
 * @module
 */
import { readAudioLevel } from "../../wire/header_extensions.ts";
import type { RtpView } from "../../wire/rtp_view.ts";
import type { PacketReceiver } from "../packet/forwarding_ports.ts";
import { placeOf } from "../packet/run_fan_out.ts";
import { bothWishes, NO_WISH } from "../packet/layer_wish.ts";
import type { LoudestRooms, RankedAudio } from "./loudest_audio.ts";

/** The up-track as its audience sees it. */
export interface AudienceHost {
  /** Other receivers are given packets from now on: what waits belongs to those before. */
  onAudienceChanges(now: number): void;
  /** These are given packets again, which were not for a while. */
  onReturn(receivers: readonly PacketReceiver[], now: number): void;
}

/**
 * Those who pass packets on come first in both lists, the others by their places; each receiver is
 * in each at most once.
 */
export class Audience {
  /** All receivers. */
  all: readonly PacketReceiver[] = [];
  /** Those who are given packets. */
  active: readonly PacketReceiver[] = this.all;
  readonly #rooms: LoudestRooms | undefined;
  readonly #host: AudienceHost;
  /** The rooms in which it is heard only if it is loud, usually one or none. */
  readonly #ranks = new Map<string, RankedAudio>();
  /** For packets: no iteration over a map. */
  #ranked: readonly RankedAudio[] = [];

  /**
   * @param rooms Absent: receivers are given every packet.
   * @param levelId Id of the audio level extension, or 0.
   */
  constructor(
    rooms: LoudestRooms | undefined,
    readonly levelId: number,
    host: AudienceHost,
  ) {
    this.#rooms = rooms;
    this.#host = host;
  }

  /** @returns `false` if it is there already. */
  add(receiver: PacketReceiver): boolean {
    if (this.all.includes(receiver)) return false;
    const isWhole = !this.isPartial;
    this.all = withReceiver(this.all, receiver);
    this.#join(receiver.loudestOf);
    if (!this.#isHeard(receiver)) return true;
    this.active = isWhole ? this.all : withReceiver(this.active, receiver);
    return true;
  }

  /** @returns `false` if it was not there. */
  remove(receiver: PacketReceiver): boolean {
    if (!this.all.includes(receiver)) return false;
    const isOther = (other: PacketReceiver) => other !== receiver;
    const isWhole = !this.isPartial;
    this.all = this.all.filter(isOther);
    this.active = isWhole ? this.all : this.active.filter(isOther);
    this.#leave();
    if (this.active.length === this.all.length) this.active = this.all;
    return true;
  }

  /** Some receiver wants it in another way ({@linkcode PacketReceiver.loudestOf}). */
  regroup(now: number): void {
    for (const { loudestOf } of this.all) this.#join(loudestOf);
    this.#leave();
    const { active: before } = this;
    this.#select(now);
    // Who was left out goes on somewhere else.
    for (const receiver of this.active) if (!before.includes(receiver)) receiver.interrupted?.(now);
  }

  /** Whether somebody is left out now. */
  get isPartial(): boolean {
    return this.active !== this.all;
  }

  /** The room of whose loudest it has to be for all receivers; absent if one wants it always. */
  get onlyRoom(): string | undefined {
    const room = this.all[0]?.loudestOf;
    return this.all.every(({ loudestOf }) => loudestOf === room) ? room : undefined;
  }

  /** What all receivers together would have (`layer_wish.ts`). */
  get wish(): number {
    return this.all.reduce(
      (wish, receiver) => bothWishes(wish, receiver.wish ?? receiver.neededLayers),
      NO_WISH,
    );
  }

  /** How loud a packet says it is, -dBov; -1 if it does not. */
  levelOf(view: RtpView): number {
    return this.levelId === 0 ? -1 : readAudioLevel(view, this.levelId);
  }

  /** A packet in order came, with its level or -1. */
  hear(dbov: number, now: number): void {
    const ranked = this.#ranked;
    for (let i = 0; i < ranked.length; i++) ranked[i]!.hear(dbov, now);
  }

  /** Whether {@linkcode Audience.hear} has somebody to tell. */
  get isRanked(): boolean {
    return this.#ranked.length > 0;
  }

  /** The publisher has muted it. */
  silence(now: number): void {
    for (const rank of this.#ranked) rank.silence(now);
  }

  #join(room: string | undefined): void {
    if (room === undefined || this.#rooms === undefined || this.#ranks.has(room)) return;
    const rank = this.#rooms.join(room, (passes, now) => this.#turned(room, passes, now));
    this.#ranks.set(room, rank);
    this.#ranked = [...this.#ranks.values()];
  }

  /** Leaves the rooms that no receiver names any more. */
  #leave(): void {
    for (const [room, rank] of this.#ranks) {
      if (this.all.some(({ loudestOf }) => loudestOf === room)) continue;
      this.#ranks.delete(room);
      this.#rooms?.leave(room, rank);
      this.#ranked = [...this.#ranks.values()];
    }
  }

  #turned(room: string, passes: boolean, now: number): void {
    const concerned = this.all.filter(({ loudestOf }) => loudestOf === room);
    this.#select(now);
    for (const receiver of concerned) receiver.interrupted?.(now);
    if (passes) this.#host.onReturn(concerned, now);
  }

  #isHeard({ loudestOf }: PacketReceiver): boolean {
    return loudestOf === undefined || this.#ranks.get(loudestOf)?.passes !== false;
  }

  #select(now: number): void {
    this.#host.onAudienceChanges(now);
    const active = this.all.filter((receiver) => this.#isHeard(receiver));
    this.active = active.length === this.all.length ? this.all : active;
  }
}

function withReceiver(
  list: readonly PacketReceiver[],
  receiver: PacketReceiver,
): readonly PacketReceiver[] {
  if (receiver.passesOn === true) return [receiver, ...list];
  const place = placeOf(receiver);
  let at = list.length;
  for (; at > 0; at--) {
    const before = list[at - 1]!;
    if (before.passesOn === true || placeOf(before) <= place) break;
  }
  return list.toSpliced(at, 0, receiver);
}
