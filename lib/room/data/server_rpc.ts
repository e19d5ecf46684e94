/**
 * Remote procedure calls that the server itself makes of a participant (`PerformRpc`), for callers
 * that are not in the room.
 *
 * A call ends exactly once: with the participant's response, with an error code, or when it is too
 * late. The recipient sees an ordinary request from a caller whose identity is the call's id.
 * Protocol: LiveKit RPC over data packets, version 1 (LiveKit 1.13.5, `pkg/rtc/participant.go`).
 *
 * @module
 */
import { DataPacket, DataPacket_Kind, RpcRequest } from "@livekit/protocol";
import type { Cancel, Platform } from "../../base/platform.ts";
import type { ParticipantFacts } from "../context/participant_facts.ts";
import type { DataMembership } from "./data_membership.ts";

/** Why a call failed, by LiveKit's numbers. */
export const RPC_ERROR = {
  unsupportedMethod: 1400,
  recipientNotFound: 1401,
  requestTooLarge: 1402,
  unsupportedServer: 1403,
  unsupportedVersion: 1404,
  application: 1500,
  connectionTimeout: 1501,
  responseTimeout: 1502,
  recipientDisconnected: 1503,
  responseTooLarge: 1504,
  sendFailed: 1505,
} as const;

/** Without a word of receipt the recipient is taken to be unreachable after this, ms. */
const ACK_TIMEOUT_MS = 2_000;
const DEFAULT_RESPONSE_TIMEOUT_MS = 10_000;
/** Bytes of a request or response. */
const MAX_PAYLOAD_BYTES = 15_360;
const VERSION = 1;
const UUID_BYTES = 16;

/** How a call ended. */
export type RpcOutcome =
  | { readonly ok: true; readonly payload: string }
  | {
    readonly ok: false;
    readonly code: number;
    readonly message: string;
    readonly data: string;
  };

/** What to call. */
export interface RpcCall {
  readonly method: string;
  readonly payload: string;
  /** 0 means the default, 10 s. */
  readonly responseTimeoutMs: number;
}

/** What a participant says about a call. */
export type RpcAnswer =
  | { readonly type: "ack"; readonly requestId: string }
  | { readonly type: "payload"; readonly requestId: string; readonly payload: string }
  | {
    readonly type: "error";
    readonly requestId: string;
    readonly code: number;
    readonly message: string;
    readonly data: string;
  };

/** Who is called. */
interface RpcRecipient extends Pick<ParticipantFacts, "identity"> {
  readonly data: { readonly membership: Pick<DataMembership, "await"> };
}

interface Pending {
  readonly recipient: RpcRecipient;
  readonly settle: (outcome: RpcOutcome) => void;
  cancelAck: Cancel;
  cancelResponse: Cancel;
}

/** The open calls of one room. */
export class ServerRpcs {
  readonly #pending = new Map<string, Pending>();

  constructor(
    readonly platform: Pick<Platform, "timers" | "random">,
    /** Sends a packet of the server itself to identities. */
    readonly send: (packet: DataPacket, to: readonly string[]) => void,
  ) {}

  /** Calls `recipient`, which must be in the room. */
  call(
    recipient: RpcRecipient,
    { method, payload, responseTimeoutMs }: RpcCall,
  ): Promise<RpcOutcome> {
    if (new TextEncoder().encode(payload).length > MAX_PAYLOAD_BYTES) {
      return Promise.resolve(failure(RPC_ERROR.requestTooLarge, "Request payload too large"));
    }
    const { timers, random } = this.platform;
    const id = uuid(random.bytes(UUID_BYTES));
    const timeoutMs = responseTimeoutMs || DEFAULT_RESPONSE_TIMEOUT_MS;
    const { promise, resolve } = Promise.withResolvers<RpcOutcome>();
    const late = (code: number, message: string) => () => this.#end(id, failure(code, message));
    this.#pending.set(id, {
      recipient,
      settle: resolve,
      cancelAck: timers.after(
        ACK_TIMEOUT_MS,
        late(RPC_ERROR.connectionTimeout, "Connection timeout"),
      ),
      cancelResponse: timers.after(
        timeoutMs,
        late(RPC_ERROR.responseTimeout, "Response timeout"),
      ),
    });
    const request = new RpcRequest({
      id,
      method,
      payload,
      responseTimeoutMs: timeoutMs,
      version: VERSION,
    });
    const packet = new DataPacket({
      kind: DataPacket_Kind.RELIABLE,
      participantIdentity: id,
      value: { case: "rpcRequest", value: request },
    });
    recipient.data.membership.await(id, true);
    this.send(packet, [recipient.identity]);
    return promise;
  }

  /** `sender` says something about a call; if it is none to `sender`, or over, nothing happens. */
  take(sender: RpcRecipient, answer: RpcAnswer): void {
    const pending = this.#pending.get(answer.requestId);
    if (pending === undefined || pending.recipient !== sender) return;
    pending.cancelAck();
    if (answer.type === "payload") {
      this.#end(answer.requestId, { ok: true, payload: answer.payload });
    } else if (answer.type === "error") {
      const { code, message, data } = answer;
      this.#end(answer.requestId, { ok: false, code, message, data });
    }
  }

  /** `recipient` is gone. */
  left(recipient: RpcRecipient): void {
    for (const [id, pending] of [...this.#pending]) {
      if (pending.recipient !== recipient) continue;
      this.#end(id, failure(RPC_ERROR.recipientDisconnected, "Recipient disconnected"));
    }
  }

  #end(id: string, outcome: RpcOutcome): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) return;
    this.#pending.delete(id);
    pending.cancelAck();
    pending.cancelResponse();
    pending.recipient.data.membership.await(id, false);
    pending.settle(outcome);
  }
}

/** What a packet says about a call, if it does, and can be read. */
export function rpcAnswerOf(bytes: Uint8Array): RpcAnswer | undefined {
  let value: DataPacket["value"];
  try {
    ({ value } = DataPacket.fromBinary(bytes, { readUnknownFields: false }));
  } catch {
    return undefined;
  }
  if (value.case === "rpcAck") return { type: "ack", requestId: value.value.requestId };
  if (value.case !== "rpcResponse") return undefined;
  const { requestId, value: result } = value.value;
  if (result.case === "payload") return { type: "payload", requestId, payload: result.value };
  if (result.case !== "error") return undefined;
  const { code, message, data } = result.value;
  return { type: "error", requestId, code, message, data };
}

function failure(code: number, message: string): RpcOutcome {
  return { ok: false, code, message, data: "" };
}

/** RFC 9562 §5.4, version 4. */
function uuid(bytes: Uint8Array): string {
  const marked = bytes.slice();
  marked[6] = marked[6]! & 0x0f | 0x40;
  marked[8] = marked[8]! & 0x3f | 0x80;
  const hex = marked.toHex();
  return [[0, 8], [8, 12], [12, 16], [16, 20], [20, 32]].map(([a, b]) => hex.slice(a, b)).join("-");
}
