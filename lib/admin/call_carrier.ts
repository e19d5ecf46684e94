/**
 * Carries calls of the server API to the node that serves the room or the participant they are
 * about: the whole request goes there, and its answer comes back.
 *
 * @module
 */
import type { AnyMessage, Message, MessageType } from "@bufbuild/protobuf";
import type { NodeId } from "../base/ids.ts";
import type { CarriedReply, RemoteMembers } from "../room/context/node_ports.ts";
import { protobufBytes, type WritableMessage } from "../wire/protobuf_writer.ts";
import { AdminFailure, isFailureCode, nobodyServes } from "./admin_failure.ts";

type Answered = WritableMessage | AdminFailure;

/** How long another node may take, ms. */
const ANSWER_MS = 5_000;
/** To a node that serves the room, and from there to the participant's. */
const MAX_HOPS = 2;

/**
 * Carries a call to the first of `nodes` that answers.
 *
 * @param hops How often it has been carried already.
 * @param moreMs How much longer than usual the answer may take.
 */
export async function carryCall<I extends Message<I>, O extends Message<O>>(
  carrier: Pick<RemoteMembers, "carry">,
  nodes: readonly NodeId[],
  name: string,
  request: I,
  output: MessageType<O>,
  hops: number,
  moreMs = 0,
): Promise<O | AdminFailure> {
  if (hops >= MAX_HOPS) return nobodyServes();
  const call = { name, bytes: request.toBinary(), hops: hops + 1 };
  for (const node of nodes) {
    const reply = await carrier.carry(node, call, ANSWER_MS + moreMs);
    if (reply === undefined) continue;
    if (reply.ok) return readMessage(output, reply.bytes) ?? nobodyServes();
    const code = isFailureCode(reply.code) ? reply.code : "internal";
    return new AdminFailure(code, reply.message, reply.detail);
  }
  return nobodyServes();
}

/** Answers a carried call; `undefined` if its bytes are no such request. */
export async function answerCarried<I extends Message<I> = AnyMessage>(
  bytes: Uint8Array,
  input: MessageType<I>,
  run: (request: I) => Promise<Answered> | Answered,
): Promise<CarriedReply | undefined> {
  const request = readMessage(input, bytes);
  if (request === undefined) return undefined;
  const answer = await run(request);
  if (!(answer instanceof AdminFailure)) return { ok: true, bytes: protobufBytes(answer) };
  const { code, message, detail } = answer;
  return { ok: false, code, message, ...(detail === undefined ? {} : { detail }) };
}

/** `undefined` for what is no such message. */
export function readMessage<T extends Message<T>>(
  type: MessageType<T>,
  bytes: Uint8Array,
): T | undefined {
  try {
    return type.fromBinary(bytes);
  } catch {
    return undefined;
  }
}
