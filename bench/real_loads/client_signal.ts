/**
 * The signalling of a load's client. Of what the server says it reads what a client of loads acts
 * upon and skips the rest: in a room of fifty that is nearly all of it.
 *
 * @module
 */
import { type FieldInfo, type Message, type MessageType, proto3 } from "@bufbuild/protobuf";
import { JoinResponse, SignalRequest, SignalResponse } from "@livekit/protocol";
import type { ClientSockets } from "../load/client_sockets.ts";
import { ClientWebSocket } from "../load/client_web_socket.ts";

/** Longest wait for the server's welcome, ms. */
const WELCOME_LIMIT_MS = 20_000;
const WELCOME = onlyFields(JoinResponse, [
  "ice_servers",
  "subscriber_primary",
  "ping_interval",
  "fast_publish",
]);
const RESPONSE = onlyFields(SignalResponse, [
  "join",
  "answer",
  "offer",
  "trickle",
  "track_published",
  "media_sections_requirement",
], { join: WELCOME });

export type HeardMessage = SignalResponse["message"];

/** One connection, from the server's welcome on. */
export class ClientSignal {
  readonly #socket: ClientWebSocket;
  readonly #welcome = Promise.withResolvers<JoinResponse>();
  /** What has come before anybody listened. */
  #early: HeardMessage[] = [];
  #onMessage = (message: HeardMessage): void => {
    this.#early.push(message);
  };

  private constructor(socket: ClientWebSocket) {
    this.#socket = socket;
    socket.onMessage = (bytes) => this.#take(bytes);
    socket.ended.then(() => this.#welcome.reject(new Error("it closed before its welcome")));
  }

  /**
   * Opens one and waits for the welcome.
   *
   * @throws {Error} if the server refuses, or does not answer.
   */
  static async open(
    sockets: ClientSockets,
    url: URL,
  ): Promise<{ signal: ClientSignal; welcome: JoinResponse }> {
    const socket = new ClientWebSocket(await sockets.connect(url));
    const signal = new ClientSignal(socket);
    const { promise, reject } = signal.#welcome;
    const limit = setTimeout(() => reject(new Error("no welcome")), WELCOME_LIMIT_MS);
    try {
      const [welcome] = await Promise.all([promise, socket.upgrade(url)]);
      return { signal, welcome };
    } catch (error) {
      throw new Error(`Cannot open ${url.origin}${url.pathname}: ${(error as Error).message}`);
    } finally {
      clearTimeout(limit);
    }
  }

  /** Gives out what came behind the welcome, and from now on all that comes. */
  listen(onMessage: (message: HeardMessage) => void): void {
    this.#onMessage = onMessage;
    for (const message of this.#early.splice(0)) onMessage(message);
  }

  /** Sends one request, unless it has ended. */
  send(message: SignalRequest["message"]): void {
    if (!this.#socket.isEnded) this.#socket.send(new SignalRequest({ message }).toBinary());
  }

  /** Closes without a word; settles when the server has closed, too. */
  async close(): Promise<void> {
    await this.#socket.close();
  }

  #take(bytes: Uint8Array): void {
    const { message } = RESPONSE.fromBinary(bytes, { readUnknownFields: false });
    if (message.case === "join") this.#welcome.resolve(message.value);
    else if (message.case !== undefined) this.#onMessage(message);
  }
}

/**
 * `type` with nothing but the fields `names`.
 *
 * @param parts Types of fields, by their names, in place of the library's.
 */
function onlyFields<T extends Message<T>>(
  type: MessageType<T>,
  names: readonly string[],
  parts: Readonly<Record<string, MessageType>> = {},
): MessageType<T> {
  // Copies, because the library notes in a field to which type it belongs.
  const fields = type.fields.list().filter(({ name }) => names.includes(name))
    .map((field) => ({ ...field, ...(field.name in parts ? { T: parts[field.name] } : {}) }));
  return proto3.makeMessageType(type.typeName, fields as FieldInfo[]) as MessageType<T>;
}
