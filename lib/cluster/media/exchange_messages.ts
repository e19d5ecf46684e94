/**
 * What nodes say to each other about tracks that cross between them, in values and back. Total:
 * what makes no sense is `undefined`.
 *
 * @module
 */
import type { NodeId, RelayedTrackId } from "../../base/ids.ts";
import type { RelayEndpoint } from "../../engine/messages/node_messages.ts";
import { isRecord, type PackedValue } from "../../wire/message_pack.ts";
import { listOf } from "../link/packed_fields.ts";

/** Longest id that is remembered, characters; ours are far shorter. */
const MAX_ID = 64;
/** Engines of one node, addresses of one of them, and wants in one list. */
export const MAX_ENGINES = 256;
const MAX_ADDRESSES = 16;
const MAX_WANTS = 20_000;
const MAX_HOSTNAME = 64;

/** How the engines of a node are reached, and what it calls the other one. */
export interface MediaHello {
  readonly slot: number;
  readonly engines: readonly RelayEndpoint[];
}

/** An engine that wants a track. */
export interface TrackWant {
  readonly upTrack: RelayedTrackId;
  readonly engine: number;
}

/** The same, as it is asked for. */
export interface TrackRequest extends TrackWant {
  /** From here, and not by somebody nearer. */
  readonly direct: boolean;
}

/** What comes of it: who sends it, whom to ask instead, or nothing that is known. */
export type TrackAnswer =
  | { readonly type: "sending"; readonly engine: number }
  | { readonly type: "ask"; readonly node: NodeId }
  | { readonly type: "unknown" };

export function packHello({ slot, engines }: MediaHello): PackedValue {
  return {
    slot,
    engines: engines.map(({ addresses }) =>
      addresses.slice(0, MAX_ADDRESSES).map(({ hostname, port }) => [hostname, port])
    ),
  };
}

export function readHello(value: PackedValue): MediaHello | undefined {
  if (!isRecord(value) || !isBelow(value.slot, 1 << 16)) return undefined;
  const engines = listOf(value.engines, MAX_ENGINES, (engine) => {
    const addresses = listOf(engine, MAX_ADDRESSES, readAddress);
    return addresses && { addresses };
  });
  return engines && { slot: value.slot, engines };
}

export function packRequest({ upTrack, engine, direct }: TrackRequest): PackedValue {
  return { upTrack, engine, direct };
}

export function readRequest(value: PackedValue): TrackRequest | undefined {
  const want = readWant(value);
  return want && { ...want, direct: isRecord(value) && value.direct === true };
}

export function packWants(wants: readonly TrackWant[]): PackedValue {
  return wants.map(({ upTrack, engine }) => ({ upTrack, engine }));
}

export function readWants(value: PackedValue): readonly TrackWant[] | undefined {
  return listOf(value, MAX_WANTS, readWant);
}

export function readWant(value: PackedValue | undefined): TrackWant | undefined {
  if (!isRecord(value) || !isId(value.upTrack) || !isBelow(value.engine, MAX_ENGINES)) {
    return undefined;
  }
  return { upTrack: value.upTrack as RelayedTrackId, engine: value.engine };
}

export function packAnswer(answer: TrackAnswer): PackedValue {
  if (answer.type === "sending") return { from: answer.engine };
  return answer.type === "ask" ? { ask: answer.node } : {};
}

export function readAnswer(value: PackedValue): TrackAnswer {
  if (isRecord(value)) {
    if (isBelow(value.from, MAX_ENGINES)) return { type: "sending", engine: value.from };
    if (isId(value.ask)) return { type: "ask", node: value.ask as NodeId };
  }
  return { type: "unknown" };
}

export function packEngine(engine: number): PackedValue {
  return { engine };
}

export function readEngine(value: PackedValue): number | undefined {
  return isRecord(value) && isBelow(value.engine, MAX_ENGINES) ? value.engine : undefined;
}

/** A sealed datagram with the two engines it is between. */
export function packDatagram(from: number, to: number, bytes: Uint8Array): Uint8Array {
  const packed = new Uint8Array(bytes.length + 2);
  packed[0] = from;
  packed[1] = to;
  packed.set(bytes, 2);
  return packed;
}

export function readDatagram(
  packed: Uint8Array,
): { from: number; to: number; bytes: Uint8Array<ArrayBuffer> } | undefined {
  if (packed.length < 3) return undefined;
  return { from: packed[0]!, to: packed[1]!, bytes: packed.slice(2) };
}

function readAddress(value: PackedValue): { hostname: string; port: number } | undefined {
  if (!Array.isArray(value) || value.length !== 2) return undefined;
  const [hostname, port] = value as [PackedValue, PackedValue];
  if (typeof hostname !== "string" || hostname === "" || hostname.length > MAX_HOSTNAME) {
    return undefined;
  }
  return isBelow(port, 1 << 16) && port > 0 ? { hostname, port } : undefined;
}

function isId(value: PackedValue | undefined): value is string {
  return typeof value === "string" && value !== "" && value.length <= MAX_ID;
}

function isBelow(value: PackedValue | undefined, bound: number): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value < bound;
}
