/**
 * One signalling connection as an SDK has it: a WebSocket with protobuf messages, nothing about
 * media. Everything received is kept in order, so a test can ask for the past as well as wait.
 *
 * @module
 */
import { SignalRequest, SignalResponse } from "@livekit/protocol";
import { until } from "./until.ts";

export type ResponseMessage = SignalResponse["message"];
export type ResponseCase = NonNullable<ResponseMessage["case"]>;
export type ResponseValue<C extends ResponseCase> = Extract<ResponseMessage, { case: C }>["value"];

/** Thrown by {@linkcode SignalClient.open} when the server refuses the upgrade. */
export class UpgradeRefused extends Error {
  override readonly name = "UpgradeRefused";
}

/**
 * One connection. Messages are kept in order of arrival; `message` finds one that came before it
 * was asked for as well as one to come.
 */
export class SignalClient {
  readonly received: ResponseMessage[] = [];
  /** Set once the socket has closed, by whichever side. */
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** Called for each message after it was put into {@linkcode received}. */
  onMessage: (message: ResponseMessage) => void = () => {};
  readonly #socket: WebSocket;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /**
   * Opens the socket; the join response may still be on its way.
   *
   * @param url With path and query, the token included.
   * @throws {UpgradeRefused}
   */
  static async open(url: string): Promise<SignalClient> {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    const client = new SignalClient(socket);
    const opened = Promise.withResolvers<void>();
    socket.onopen = () => opened.resolve();
    socket.onerror = (event) => {
      const why = event instanceof ErrorEvent ? event.message : "";
      opened.reject(new UpgradeRefused(`Cannot open ${url.split("?")[0]}: ${why}`));
    };
    socket.onmessage = ({ data }) => client.#receive(data);
    socket.onclose = ({ code, reason }) => client.closed = { code, reason };
    await opened.promise;
    return client;
  }

  /** Sends one request. */
  send(message: SignalRequest["message"]): void {
    this.sendFrame(new SignalRequest({ message }).toBinary());
  }

  /** Sends these bytes, or this text, as one frame. */
  sendFrame(frame: Uint8Array | string): void {
    this.#socket.send(frame as Uint8Array<ArrayBuffer> | string);
  }

  /** All received messages of one kind, oldest first. */
  all<C extends ResponseCase>(name: C): ResponseValue<C>[] {
    return this.received.filter((message) => message.case === name)
      .map((message) => message.value as ResponseValue<C>);
  }

  /** The first received message of this kind that `matches`, past or to come. */
  async message<C extends ResponseCase>(
    name: C,
    matches: (value: ResponseValue<C>) => boolean = () => true,
  ): Promise<ResponseValue<C>> {
    const found = await until(
      `the message ${name}`,
      () => {
        const values = this.all(name).filter(matches);
        return values.length > 0 && values;
      },
      () => ({ received: this.received.map(({ case: which }) => which), closed: this.closed }),
    );
    return found[0]!;
  }

  /** Resolves when the socket has closed, by whichever side. */
  ended(): Promise<{ readonly code: number; readonly reason: string }> {
    return until("the end of the signalling socket", () => this.closed);
  }

  /** Closes without a word, as a client whose process ends. */
  async close(): Promise<void> {
    if (this.closed !== undefined) return;
    this.#socket.close();
    await this.ended();
  }

  #receive(data: unknown): void {
    const response = data instanceof ArrayBuffer
      ? SignalResponse.fromBinary(new Uint8Array(data))
      : SignalResponse.fromJsonString(String(data));
    this.received.push(response.message);
    this.onMessage(response.message);
  }
}
