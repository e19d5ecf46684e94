/**
 * Which members are to answer a remote procedure call of the server itself. Their answers are the
 * control plane's and go to nobody else.
 *
 * @module
 */
import type { ConnectionId } from "../../base/ids.ts";
import { DATA_VALUE, type DataPacketReader } from "../../wire/data_packet.ts";
import type { DataEvent } from "../messages/data_messages.ts";

/** What was heard of one call. */
interface Call {
  isReceived: boolean;
  isAnswered: boolean;
}

/** Open calls by whom they were made to. A receipt and a response are told of each, once. */
export class AnswerWatch {
  readonly #calls = new Map<ConnectionId, Map<string, Call>>();

  constructor(readonly emit: (event: DataEvent) => void) {}

  /** These are the open calls to the member that publishes on this connection. */
  keep(publisher: ConnectionId, ids: readonly string[]): void {
    const known = this.#calls.get(publisher);
    if (ids.length === 0) return void (known && this.#calls.delete(publisher));
    const calls = ids.map((id) =>
      [id, known?.get(id) ?? { isReceived: false, isAnswered: false }] as const
    );
    this.#calls.set(publisher, new Map(calls));
  }

  /**
   * An `rpcAck` or `rpcResponse` came.
   *
   * @returns whether it answers a call of the server: then nobody else gets it.
   */
  take(publisher: ConnectionId, reader: DataPacketReader, bytes: Uint8Array): boolean {
    const call = this.#calls.get(publisher)?.get(reader.requestId());
    if (call === undefined) return false;
    const isResponse = reader.value === DATA_VALUE.rpcResponse;
    const isRepeated = call.isAnswered || !isResponse && call.isReceived;
    if (isResponse) call.isAnswered = true;
    call.isReceived = true;
    if (!isRepeated) this.emit({ type: "data_rpc_answer", connection: publisher, bytes });
    return true;
  }
}
