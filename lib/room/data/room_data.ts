/**
 * One room's data as the control plane sees it: the media plane carries it, and is told here who is
 * in the room and what the server itself says.
 *
 * @module
 */
import type { DataPacket } from "@livekit/protocol";
import type { DataKind } from "../../base/media_vocabulary.ts";
import type { Platform } from "../../base/platform.ts";
import type { DataEvent } from "../../engine/messages/data_messages.ts";
import type { ArrivedData, RoomLink } from "../context/node_ports.ts";
import type { RoomContext } from "../context/room_context.ts";
import { RoomWitnesses } from "../context/room_witness.ts";
import type { DataMembership, DataPeer, DataRoomFacts } from "./data_membership.ts";
import { rpcAnswerOf, ServerRpcs } from "./server_rpc.ts";

/** Members of other nodes that are remembered after they have left. */
export const MOST_LEFT = 256;

/** A session that has a place in a room's data. */
export interface DataSession extends DataPeer {
  readonly data: { readonly membership: DataMembership };
}

/** One room's data. What the server says takes the same way as what participants do. */
export class RoomData implements DataRoomFacts {
  readonly id: number;
  /** Calls that the server API makes of participants. */
  readonly rpcs: ServerRpcs;
  /** Who keeps what is said to everybody. */
  readonly witnesses: RoomWitnesses;
  /** Numbers of senders on other nodes, by their sids. */
  readonly #senders = new Map<string, number>();
  /** The same of those that have left: what they said may come later, and is of the same sender. */
  readonly #gone = new Map<string, number>();
  /** Those who wait for other nodes. */
  readonly #held = new Set<DataSession>();

  /**
   * @param platform The room's own, whose timers are guarded.
   * @param link To the other nodes of the room.
   * @param witnessFailed A witness threw.
   */
  constructor(
    readonly name: string,
    readonly context: Pick<RoomContext, "router" | "telemetry" | "counters">,
    readonly platform: Pick<Platform, "timers" | "random" | "clock">,
    readonly link: () => Pick<RoomLink, "hasPeers" | "deliver">,
    witnessFailed: (error: unknown) => void,
  ) {
    const { counters } = context;
    this.witnesses = new RoomWitnesses(
      witnessFailed,
      () => counters.count("room_chat_not_kept"),
    );
    this.id = context.router.newDataId();
    const send = (packet: DataPacket, to: readonly string[]) => this.send(packet, "reliable", to);
    this.rpcs = new ServerRpcs(platform, send);
  }

  get bridged(): boolean {
    return this.link().hasPeers;
  }

  get recorded(): boolean {
    return !this.witnesses.isEmpty;
  }

  /** A session is in the room, or is not as it was. */
  changed(session: DataSession): void {
    session.data.membership.update(session, this);
  }

  /** A session is no longer in the room; its place in another one is told from there. */
  left(session: DataSession): void {
    this.rpcs.left(session);
    this.#held.delete(session);
  }

  /** A member of another node is no longer in the room; some of its data may still be under way. */
  remoteLeft(sid: string): void {
    const number = this.#numberOf(sid);
    this.#senders.delete(sid);
    this.#noteGone(sid, number);
  }

  /** Other nodes take reliable data again. */
  drained(): void {
    for (const session of this.#held) session.data.membership.hold(false);
    this.#held.clear();
  }

  /** A packet of a member of another node, or of the server there. */
  arrived({ from, kind, bytes, to }: ArrivedData): void {
    const number = from === "" ? undefined : this.#numberOf(from);
    const sender = number === undefined ? {} : { from: number };
    const addressed = to === undefined ? {} : { to };
    const type = "send_room_data";
    this.context.router.send({ type, room: this.id, kind, bytes, ...sender, ...addressed });
    if (to !== undefined) return;
    if (number === undefined) this.witnesses.said(bytes);
    else this.witnesses.saidAfar(bytes, number, this.platform.clock.now());
  }

  /** One sender has one number: what it says stays in order. */
  #numberOf(sid: string): number {
    const present = this.#senders.get(sid);
    if (present !== undefined) return present;
    const gone = this.#gone.get(sid);
    const number = gone ?? this.context.router.newDataId();
    if (gone === undefined) this.#senders.set(sid, number);
    else this.#noteGone(sid, number);
    return number;
  }

  /** Those that were heard of last stay. */
  #noteGone(sid: string, number: number): void {
    this.#gone.delete(sid);
    this.#gone.set(sid, number);
    if (this.#gone.size <= MOST_LEFT) return;
    for (const [oldest, its] of this.#gone) {
      this.#gone.delete(oldest);
      this.witnesses.forget(its);
      break;
    }
  }

  /**
   * Sends a packet of the server itself; a user packet that has been sent before is dropped.
   *
   * @param to Identities it is for in place of those it names.
   */
  send(packet: DataPacket, kind: DataKind, to?: readonly string[]): void {
    const bytes = packet.toBinary();
    const addressed = to === undefined ? {} : { to };
    this.context.router.send({ type: "send_room_data", room: this.id, kind, bytes, ...addressed });
    if (to === undefined) this.witnesses.said(bytes);
    const { identities, sids } = destinationsOf(packet);
    const isAddressed = to !== undefined;
    this.link().deliver({
      from: "",
      kind,
      bytes,
      identities: to ?? identities,
      sids: isAddressed ? [] : sids,
      isAddressed,
    });
  }

  /** What the media plane tells of a session's data. */
  handle(session: DataSession, event: DataEvent): void {
    switch (event.type) {
      case "data_progress":
        session.data.membership.lastSequence = event.sequence;
        for (const stream of event.streams) this.context.telemetry.dataStream(stream);
        return;
      case "data_rpc_answer": {
        const answer = rpcAnswerOf(event.bytes);
        if (answer !== undefined) this.rpcs.take(session, answer);
        return;
      }
      case "data_said":
        this.witnesses.said(event.bytes);
        return;
      case "data_sent": {
        // Not decoded here: what 60 kB can hold takes this thread milliseconds.
        const { kind, bytes, identities, sids } = event;
        const data = { from: session.sid, kind, bytes, identities, sids, isAddressed: false };
        if (this.link().deliver(data) || kind === "lossy") return;
        this.#held.add(session);
        session.data.membership.hold(true);
      }
    }
  }
}

function destinationsOf({ destinationIdentities: identities, value }: DataPacket) {
  return { identities, sids: value.case === "user" ? value.value.destinationSids : [] };
}
