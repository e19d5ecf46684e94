/**
 * What one node asks of another about a room that both serve: to give up an identity that somebody
 * else has by now, and for a blob that one of its members left.
 *
 * @module
 */
import { DataBlob, DataBlobKey } from "@livekit/protocol";
import type { NodeId } from "../../base/ids.ts";
import type { CarriedCall, CarriedReply, MirroredRoom } from "../../room/context/node_ports.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import type { NodeLinks } from "../link/link_ports.ts";
import { MAX_NAME, sidOf } from "./member_message.ts";
import { countOf, messageOf, textOf, tupleOf } from "../link/packed_fields.ts";

/** How long a node may take, ms. */
const EVICTION_MS = 5_000;
const BLOB_MS = 3_000;
const MAX_MESSAGE = 65_536;
const MAX_HOPS = 16;
const MAX_BLOB = 8 * 1024 * 1024;

const METHOD = {
  evict: "room.evict",
  reclaim: "room.reclaim",
  blob: "room.blob",
  carry: "room.api",
} as const;

/** Who has to give way. */
export interface Eviction {
  readonly room: string;
  readonly identity: string;
  /** The claim of whoever has the identity now. */
  readonly number: number;
}

/** A blob of one member. */
export interface BlobQuestion {
  readonly room: string;
  readonly sid: string;
  readonly key: DataBlobKey;
}

/** Who does here what others ask. */
export interface CallsHost {
  /** A room of this node. */
  roomOf(name: string): MirroredRoom | undefined;
  /** See `SharedRoomsOptions`. */
  answer(call: CarriedCall): Promise<CarriedReply | undefined>;
  reclaim(room: string, identity: string): void;
}

/** Calls between nodes that share rooms. */
export class PeerCalls {
  constructor(readonly links: Pick<NodeLinks, "call" | "serve">, readonly host: CallsHost) {
    links.serve(METHOD.reclaim, (_peer, payload) => this.#serveReclaim(payload));
    links.serve(METHOD.carry, (_peer, payload) => this.#serveCarried(payload));
    links.serve(METHOD.evict, (_peer, payload) => this.#serveEvict(payload));
    links.serve(METHOD.blob, (_peer, payload) => this.#serveBlob(payload));
  }

  /** Whoever has the identity on `node` by an older claim is to give way. */
  evict(node: NodeId, { room, identity, number }: Eviction): void {
    const options = { withinMs: EVICTION_MS };
    // A node that cannot be asked shows its member again when it is back, and is asked again.
    this.links.call(node, METHOD.evict, [room, identity, number], options).catch(() => {});
  }

  /** Whoever has the identity on `node` has it still. */
  reclaim(node: NodeId, room: string, identity: string, address: string): void {
    const options = { withinMs: EVICTION_MS, address };
    this.links.call(node, METHOD.reclaim, [room, identity], options).catch(() => {});
  }

  async blob(node: NodeId, { room, sid, key }: BlobQuestion): Promise<DataBlob | undefined> {
    const answer = await this.links
      .call(node, METHOD.blob, [room, sid, key.toBinary()], { withinMs: BLOB_MS })
      .catch(() => null);
    return messageOf(answer, DataBlob, MAX_BLOB);
  }

  /** @returns The answer; `undefined` if there is none. */
  async carry(
    node: NodeId,
    { name, bytes, hops }: CarriedCall,
    withinMs: number,
    address: string,
  ): Promise<CarriedReply | undefined> {
    const answer = await this.links
      .call(node, METHOD.carry, [name, bytes, hops], { withinMs, address })
      .catch(() => null);
    if (answer instanceof Uint8Array) return { ok: true, bytes: answer };
    const packed = tupleOf(answer, 3);
    const code = textOf(packed?.[0], MAX_NAME);
    const message = textOf(packed?.[1], MAX_MESSAGE);
    const detail = packed?.[2];
    if (code === undefined || message === undefined) return undefined;
    const isDetail = typeof detail === "string" || typeof detail === "number";
    return { ok: false, code, message, ...(isDetail ? { detail } : {}) };
  }

  async #serveCarried(payload: PackedValue): Promise<PackedValue> {
    const packed = tupleOf(payload, 3);
    const name = textOf(packed?.[0], MAX_NAME);
    const bytes = packed?.[1];
    const hops = countOf(packed?.[2], MAX_HOPS);
    if (name === undefined || !(bytes instanceof Uint8Array) || hops === undefined) return null;
    const reply = await this.host.answer({ name, bytes, hops });
    if (reply === undefined) return null;
    return reply.ok ? reply.bytes : [reply.code, reply.message, reply.detail ?? null];
  }

  #serveEvict(payload: PackedValue): PackedValue {
    const packed = tupleOf(payload, 3);
    const room = textOf(packed?.[0], MAX_NAME);
    const identity = textOf(packed?.[1], MAX_NAME);
    const number = countOf(packed?.[2]);
    if (room === undefined || identity === undefined || number === undefined) return null;
    this.host.roomOf(room)?.evict(identity, number);
    return null;
  }

  #serveReclaim(payload: PackedValue): PackedValue {
    const packed = tupleOf(payload, 2);
    const room = textOf(packed?.[0], MAX_NAME);
    const identity = textOf(packed?.[1], MAX_NAME);
    if (room !== undefined && identity !== undefined) this.host.reclaim(room, identity);
    return null;
  }

  async #serveBlob(payload: PackedValue): Promise<PackedValue> {
    const packed = tupleOf(payload, 3);
    const room = textOf(packed?.[0], MAX_NAME);
    const sid = sidOf(packed?.[1]);
    const key = messageOf(packed?.[2], DataBlobKey, MAX_BLOB);
    if (room === undefined || sid === undefined || key === undefined) return null;
    return (await this.host.roomOf(room)?.blob(sid, key))?.toBinary() ?? null;
  }
}
