/**
 * Whether a room has still to be served by this node, where several may: it ends once for all of
 * them when nobody is left, and a node leaves it to the others when it serves nobody any more.
 *
 * Contract: who is served here is never left alone: as long as somebody is, or is about to be, the
 * room stays. Nothing of this is asked where a node is alone.
 *
 * @module
 */
import { DisconnectReason } from "@livekit/protocol";
import type { RoomSid } from "../base/ids.ts";
import type { Cancel, Platform } from "../base/platform.ts";
import type { RoomPlacement } from "./context/node_ports.ts";
import type { RoomMembers } from "./participant/room_members.ts";

/**
 * A node keeps a room this long in which it serves nobody: a client that joins anew is soon back.
 */
const LINGER_MS = 10_000;
/** What could not be settled is tried again after this, ms. */
const RETRY_MS = 5_000;

/** The room, as far as it is ended here. */
interface StayingRoom {
  readonly name: string;
  readonly sid: RoomSid;
  readonly closed: boolean;
  /** By this node. */
  readonly isRecorded: boolean;
  /** Over for all, by this node's word, which is told. */
  finish(reason: DisconnectReason): void;
  /** Over here. */
  abandon(reason: DisconnectReason): void;
}

/** One room's stay on this node. */
export class RoomStay {
  #cancel: Cancel | undefined;

  constructor(
    readonly room: StayingRoom,
    readonly members: RoomMembers,
    readonly platform: Pick<Platform, "timers">,
    readonly placement: RoomPlacement | undefined,
  ) {}

  /** Nobody has been here, or anywhere, for so long that the room is to end. */
  end(): void {
    if (this.placement === undefined) return this.room.finish(DisconnectReason.ROOM_CLOSED);
    // Those who are here for others go first, so that the last node finds nobody.
    for (const member of this.members.all()) {
      if (!member.elsewhere) member.close(DisconnectReason.ROOM_CLOSED, "disconnect");
    }
    this.#leave(this.placement, "finish");
  }

  /** Somebody came or left. */
  look(): void {
    if (this.placement === undefined || this.room.closed) return;
    const { placement, members } = this;
    if (members.servesAnybody || this.room.isRecorded) return this.stop();
    if (members.counted === 0) return;
    this.#cancel ??= this.platform.timers.after(LINGER_MS, () => {
      this.#cancel = undefined;
      this.#leave(placement, "stay");
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  #leave(placement: RoomPlacement, last: "finish" | "stay"): void {
    const { room, members } = this;
    placement.leave(room.name, room.sid, last).catch(() => "kept" as const).then((departure) => {
      if (departure === "finished") return room.finish(DisconnectReason.ROOM_CLOSED);
      if (departure === "left") return room.abandon(DisconnectReason.ROOM_CLOSED);
      if (room.closed || members.servesAnybody) return;
      this.#cancel ??= this.platform.timers.after(RETRY_MS, () => {
        this.#cancel = undefined;
        if (members.counted === 0) this.end();
        else this.look();
      });
    });
  }
}
