/**
 * How this node connects to `/cluster` of another one.
 *
 * @module
 */
import { MAX_SOCKET_MESSAGE_BYTES } from "../../cluster/link/outgoing_queue.ts";
import type { LinkDial, LinkSocket } from "../../cluster/link/link_socket.ts";
import { NODE_TOKEN_HEADER } from "../../../routes/cluster.ts";
import { adaptWebSocket } from "../../../routes/web_socket.ts";

/** A join response of a room with thousands of people has a few MiB. */
const MAX_CARRIED_BYTES = 64 * 1024 * 1024;

/** Connects to other nodes. */
export interface NodeDialling extends Disposable {
  readonly dial: LinkDial;
  /** The same for what is carried, which is as long as a client may be told. */
  readonly dialCarried: LinkDial;
}

/**
 * Dials with the runtime's WebSocket.
 *
 * @param caCerts Certificates (PEM) of authorities that sign other nodes' besides those the system
 *   knows; for `wss://`.
 */
export function nodeDialling(caCerts: readonly string[] = []): NodeDialling {
  const client = caCerts.length === 0
    ? undefined
    : Deno.createHttpClient({ caCerts: [...caCerts] });
  const dialling = (maxMessageBytes: number): LinkDial => (address, token) => {
    try {
      const headers = { [NODE_TOKEN_HEADER]: token };
      const raw = new WebSocket(
        address,
        client === undefined ? { headers } : { headers, client },
      );
      return new DialledSocket(raw, maxMessageBytes);
    } catch {
      // No address of a WebSocket: as good as nobody there.
      return UNREACHABLE;
    }
  };
  return {
    dial: dialling(MAX_SOCKET_MESSAGE_BYTES),
    dialCarried: dialling(MAX_CARRIED_BYTES),
    [Symbol.dispose]: () => client?.close(),
  };
}

/** A socket that was dialled: given up, it does not wait to be connected first. */
class DialledSocket implements LinkSocket {
  readonly #raw: WebSocket;
  readonly #socket: LinkSocket;

  constructor(raw: WebSocket, maxMessageBytes: number) {
    this.#raw = raw;
    this.#socket = adaptWebSocket(raw, maxMessageBytes);
  }

  set onMessage(listener: (data: Uint8Array | string) => void) {
    this.#socket.onMessage = listener;
  }

  set onClose(listener: () => void) {
    this.#socket.onClose = listener;
  }

  get bufferedAmount(): number {
    return this.#socket.bufferedAmount;
  }

  send(data: Uint8Array): void {
    this.#socket.send(data);
  }

  close(code: number, reason: string): void {
    if (this.#raw.readyState === WebSocket.CONNECTING) this.#raw.close();
    else this.#socket.close(code, reason);
  }
}

/** Ends as soon as somebody asks. */
const UNREACHABLE: LinkSocket = {
  bufferedAmount: 0,
  send() {},
  close() {},
  onMessage: () => {},
  set onClose(listener: () => void) {
    listener();
  },
};
