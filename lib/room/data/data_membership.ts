/**
 * What the media plane is told of one session as far as data is concerned, and tells of it.
 *
 * Contract: what was told last is what holds; nothing is told that has not changed. The session
 * keeps its number, and all that waits for it, when it is moved to another room.
 *
 * @module
 */
import type { ConnectionId } from "../../base/ids.ts";
import type { DataLimits, DataMember } from "../../engine/messages/data_messages.ts";
import type { EngineRouter } from "../context/engine_router.ts";
import type { ParticipantFacts } from "../context/participant_facts.ts";

/** A session as data sees it. */
export interface DataPeer extends ParticipantFacts {
  /** Where its own data comes from. */
  readonly publisher: { readonly id: ConnectionId };
  /** Connection that carries data to it; `undefined` before it is in the room, and once it left. */
  readonly dataConnection: ConnectionId | undefined;
  /** It is sent the payloads of user packets and nothing else, on a channel of its own. */
  readonly rawData: boolean;
}

/** The room as it is told of to the media plane. */
export interface DataRoomFacts {
  readonly id: number;
  readonly name: string;
  /** Somebody elsewhere wants what is sent here. */
  readonly bridged: boolean;
  /** Somebody keeps what is written in its chat. */
  readonly recorded: boolean;
}

/** One session's place in its room's data, until {@linkcode DataMembership.end}. */
export class DataMembership {
  /**
   * Highest reliable sequence that is known to have come (`ReconnectResponse.last_message_seq`):
   * it lags a little, and what is sent again because of that is dropped.
   */
  lastSequence = 0;
  readonly #member: number;
  #told: { readonly data: DataMember; readonly placement: string } | undefined;
  #awaited: readonly string[] = [];
  #isHeld = false;
  #isOver = false;

  constructor(
    readonly router: Pick<EngineRouter, "newDataId" | "send">,
    readonly limits: DataLimits,
  ) {
    this.#member = router.newDataId();
  }

  /** Says what `peer` is now, if it is in the room and that has changed. */
  update(peer: DataPeer, { id: room, name: placement, bridged, recorded }: DataRoomFacts): void {
    const receiver = peer.dataConnection;
    if (receiver === undefined || this.#isOver) return;
    this.#tell({
      member: this.#member,
      room,
      sid: peer.sid,
      identity: peer.identity,
      hidden: peer.hidden,
      agent: peer.agent,
      maySend: peer.canPublishData,
      active: peer.active,
      raw: peer.rawData,
      publisher: peer.publisher.id,
      receiver,
      awaited: this.#awaited,
      bridged,
      recorded,
      held: this.#isHeld,
      limits: this.limits,
    }, placement);
  }

  /** The server calls this participant, or the call is over: its answers are told, or not. */
  await(requestId: string, awaited: boolean): void {
    const others = this.#awaited.filter((id) => id !== requestId);
    this.#awaited = awaited ? [...others, requestId] : others;
    if (this.#told === undefined || this.#isOver) return;
    this.#tell({ ...this.#told.data, awaited: this.#awaited }, this.#told.placement);
  }

  /** Other nodes cannot follow what it sends, or can again. */
  hold(held: boolean): void {
    this.#isHeld = held;
    if (this.#told === undefined || this.#isOver) return;
    this.#tell({ ...this.#told.data, held }, this.#told.placement);
  }

  /** The session is over. Idempotent. */
  end(): void {
    if (this.#told !== undefined && !this.#isOver) {
      this.router.send({ type: "remove_data_member", member: this.#member });
    }
    this.#isOver = true;
  }

  #tell(data: DataMember, placement: string): void {
    if (this.#told !== undefined && isSame(this.#told.data, data)) return;
    this.#told = { data, placement };
    this.router.send({ type: "set_data_member", data, placement });
  }
}

function isSame(one: DataMember, other: DataMember): boolean {
  return (Object.keys(one) as (keyof DataMember)[]).every((key) => one[key] === other[key]);
}
