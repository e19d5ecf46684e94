/**
 * Carries data packets between the participants of one room.
 *
 * A packet is never sent back to its sender and is encoded once, whatever the number of receivers;
 * receivers of one packet go to the media plane in one command. Reliable packets for a participant
 * whose channel is not open yet wait in order, bounded by bytes; lossy ones are dropped.
 *
 * @module
 */
import type { DataPacket } from "@livekit/protocol";
import type { DropCounters } from "../base/drop_counters.ts";
import type { ConnectionId } from "../base/ids.ts";
import type { DataKind } from "../base/media_vocabulary.ts";
import type { EngineCommand } from "../engine/engine_messages.ts";
import {
  type DataSender,
  isDestination,
  NonceMemory,
  outgoing,
  type OutgoingData,
  type RpcAnswer,
  stampDataPacket,
  wrapRawData,
} from "./data_packets.ts";

/** Bytes of reliable data held for one participant that is still connecting. */
const MAX_WAITING_BYTES = 100_000;

/** One participant as the router sees it. */
export interface DataPeer extends DataSender {
  readonly canPublishData: boolean;
  /** Connection that carries data to it; `undefined` once it left. */
  readonly dataConnection: ConnectionId | undefined;
  /** Whether it is in the room as far as data is concerned (state past JOINING). */
  readonly receivesData: boolean;
  /** Whether its primary connection was ever up. */
  readonly active: boolean;
}

/** What a router knows of one peer. */
export interface PeerState {
  open: boolean;
  waiting: Uint8Array[];
  waitingBytes: number;
  lastSequence: number;
}

/** Data of one room. */
export class DataRouter {
  /** Asked about answers to remote procedure calls; those taken are not sent on. */
  takeRpcAnswer: (sender: DataPeer, answer: RpcAnswer) => boolean = () => false;
  readonly #nonces = new NonceMemory();
  readonly #states = new WeakMap<DataPeer, PeerState>();

  constructor(
    readonly peers: () => Iterable<DataPeer>,
    readonly send: (command: EngineCommand) => void,
    readonly counters: DropCounters,
  ) {}

  /** A message arrived on a channel of `sender`. */
  receive(sender: DataPeer, label: string, bytes: Uint8Array): void {
    if (!sender.canPublishData) return this.counters.count("data_not_allowed");
    const kind = kindOfLabel(label);
    const data = kind === undefined
      ? wrapRawData(bytes, sender)
      : stampDataPacket(bytes, kind, sender, this.#nonces);
    if ("drop" in data) return this.counters.count(data.drop);
    const state = this.#state(sender);
    if (data.sequence > 0) {
      // A client that resumed sends again what it does not know to have arrived.
      if (data.sequence <= state.lastSequence) return this.counters.count("data_duplicate");
      state.lastSequence = data.sequence;
    }
    const { rpcAnswer } = data;
    if (rpcAnswer !== undefined && this.takeRpcAnswer(sender, rpcAnswer)) return;
    this.deliver(data, sender);
  }

  /** Sends a packet of the server itself; a user packet that has been sent before is dropped. */
  deliverOwn(packet: DataPacket, kind: DataKind): void {
    const { value } = packet;
    if (value.case === "user" && !this.#nonces.accept(value.value.nonce)) {
      return this.counters.count("data_duplicate");
    }
    this.deliver(outgoing(packet, kind));
  }

  /** Sends to every destination but `sender`; without one, for data of the server itself. */
  deliver(data: OutgoingData, sender?: DataPeer): void {
    const connections: ConnectionId[] = [];
    for (const peer of this.peers()) {
      if (peer === sender || !peer.receivesData || !isDestination(data, peer)) continue;
      const connection = peer.dataConnection;
      if (connection === undefined) continue;
      const state = this.#state(peer);
      if (state.open) {
        if (data.kind === "reliable" || peer.active) connections.push(connection);
      } else if (data.kind === "reliable") {
        this.#hold(state, data.bytes);
      } else {
        this.counters.count("data_lossy_not_open");
      }
    }
    if (connections.length === 0) return;
    this.send({ type: "send_data", connections, kind: data.kind, bytes: data.bytes });
  }

  /** The reliable channel towards `peer` is open: what waited goes out first. */
  channelOpen(peer: DataPeer): void {
    const state = this.#state(peer);
    if (state.open) return;
    state.open = true;
    const connection = peer.dataConnection;
    const waiting = state.waiting;
    state.waiting = [];
    state.waitingBytes = 0;
    if (connection === undefined) return;
    for (const bytes of waiting) {
      this.send({ type: "send_data", connections: [connection], kind: "reliable", bytes });
    }
  }

  /** What is known of `peer`, for the router of the room it moves to. */
  release(peer: DataPeer): PeerState {
    const state = this.#state(peer);
    this.#states.delete(peer);
    return state;
  }

  /** Takes over what another room's router {@linkcode release}d. */
  adopt(peer: DataPeer, state: PeerState): void {
    this.#states.set(peer, state);
  }

  /** The highest reliable sequence received from `peer` (`ReconnectResponse.last_message_seq`). */
  lastSequence(peer: DataPeer): number {
    return this.#state(peer).lastSequence;
  }

  #hold(state: PeerState, bytes: Uint8Array): void {
    if (state.waitingBytes + bytes.length > MAX_WAITING_BYTES) {
      return this.counters.count("data_waiting_overflow");
    }
    state.waiting.push(bytes);
    state.waitingBytes += bytes.length;
  }

  #state(peer: DataPeer): PeerState {
    let state = this.#states.get(peer);
    if (state === undefined) {
      state = { open: false, waiting: [], waitingBytes: 0, lastSequence: 0 };
      this.#states.set(peer, state);
    }
    return state;
  }
}

function kindOfLabel(label: string): DataKind | undefined {
  if (label === "_reliable") return "reliable";
  return label === "_lossy" ? "lossy" : undefined;
}
