/**
 * The client's end of a WebSocket (RFC 6455) on a {@linkcode ClientStream}. The runtime's own costs
 * a joining client a third of a millisecond, on the cores that the server under test shares.
 *
 * @module
 */
import { joinBytes } from "../../lib/base/joined_bytes.ts";
import type { ClientStream } from "./client_sockets.ts";

/** First bytes of frames: the last of its message, of this kind. */
const FINAL = 0x80;
const BINARY = FINAL | 2;
const CLOSE = FINAL | 8;
const PING = FINAL | 9;
const PONG = FINAL | 10;
/** In the second byte: a client masks what it sends (§5.3). */
const MASKED = 0x80;
const LENGTH = 0x7f;
const SHORT_BYTES = 125;
const LENGTH_OF_16_BITS = 126;
/** There are no scripts here to protect those between from (§10.3): one for all will do. */
const MASK = crypto.getRandomValues(new Uint8Array(4));
/** Status 1000 (§7.4.1). */
const NORMAL_CLOSURE = Uint8Array.of(0x03, 0xe8);
const END_OF_HEAD = "\r\n\r\n";
const SWITCHED = "HTTP/1.1 101 ";
const LATIN1 = new TextDecoder("latin1");

/** One WebSocket, with binary messages in one frame each. */
export class ClientWebSocket {
  /** Takes each message; its bytes are valid during the call. */
  onMessage: (message: Uint8Array) => void = () => {};
  /** Settles when either side has ended it. */
  readonly ended: Promise<void>;
  readonly #stream: ClientStream;
  readonly #end = Promise.withResolvers<void>();
  readonly #opened = Promise.withResolvers<void>();
  #isOpen = false;
  #isEnded = false;
  /** What has come of a frame that is not whole. */
  #rest: Uint8Array = new Uint8Array(0);

  constructor(stream: ClientStream) {
    this.#stream = stream;
    this.ended = this.#end.promise;
    stream.onBytes = (bytes) => this.#take(bytes);
    stream.onEnd = () => this.#finish("the connection ended");
  }

  /**
   * Asks for what is at `url`, with path and query; messages may come before this resolves.
   *
   * @throws {Error} with the server's words if it refuses.
   */
  async upgrade(url: URL): Promise<void> {
    const key = crypto.getRandomValues(new Uint8Array(16)).toBase64();
    const head = [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `User-Agent: Deno/${Deno.version.deno}`,
      `Host: ${url.host}`,
      "Upgrade: websocket",
      "Connection: Upgrade",
      `Sec-WebSocket-Key: ${key}`,
      "Sec-WebSocket-Version: 13",
    ];
    this.#stream.send(new TextEncoder().encode(head.join("\r\n") + END_OF_HEAD));
    await this.#opened.promise;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  send(message: Uint8Array): void {
    this.#sendFrame(BINARY, message);
  }

  /** Says that it ends here, and settles when the server has agreed. */
  async close(): Promise<void> {
    this.#sendFrame(CLOSE, NORMAL_CLOSURE);
    await this.ended;
  }

  #sendFrame(first: number, content: Uint8Array): void {
    if (this.#isEnded) return;
    const { length } = content;
    const maskAt = length <= SHORT_BYTES ? 2 : 4;
    const frame = new Uint8Array(maskAt + MASK.length + length);
    frame[0] = first;
    if (length <= SHORT_BYTES) frame[1] = MASKED | length;
    else {
      frame[1] = MASKED | LENGTH_OF_16_BITS;
      frame[2] = length >> 8;
      frame[3] = length;
    }
    frame.set(MASK, maskAt);
    const at = maskAt + MASK.length;
    for (let i = 0; i < length; i++) frame[at + i] = content[i]! ^ MASK[i & 3]!;
    this.#stream.send(frame);
  }

  #take(bytes: Uint8Array): void {
    const all = this.#rest.length === 0 ? bytes : joinBytes([this.#rest, bytes]);
    let at = 0;
    if (!this.#isOpen) {
      at = this.#takeHead(all);
      if (at === 0) return void (this.#rest = all.slice());
    }
    this.#rest = all.slice(
      takeFrames(all, at, (first, content) => this.#takeFrame(first, content)),
    );
  }

  /** @returns Where frames begin, or 0 as long as the server has not agreed. */
  #takeHead(bytes: Uint8Array): number {
    const text = LATIN1.decode(bytes);
    const end = text.indexOf(END_OF_HEAD);
    if (end < 0) return 0;
    const [status = ""] = text.split("\r\n", 1);
    if (!status.startsWith(SWITCHED)) {
      this.#finish(status);
      return 0;
    }
    this.#isOpen = true;
    this.#opened.resolve();
    return end + END_OF_HEAD.length;
  }

  #takeFrame(first: number, content: Uint8Array): void {
    switch (first) {
      case BINARY:
        return this.onMessage(content);
      case PING:
        return this.#sendFrame(PONG, content);
      case PONG:
        return;
      case CLOSE:
        return this.#finish("the server closed it");
      default:
        return this.#finish(`a frame that begins with ${first}`);
    }
  }

  /** Once; after it nothing is sent, and nothing is heard. */
  #finish(why: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#stream.close();
    this.#opened.reject(new Error(why));
    this.#end.resolve();
  }
}

/**
 * Gives out the frames from `at` on that are whole, by their first bytes and what they hold.
 *
 * @returns Where the first one begins that is not.
 */
function takeFrames(
  bytes: Uint8Array,
  at: number,
  take: (first: number, content: Uint8Array) => void,
): number {
  for (;;) {
    const short = bytes[at + 1]! & LENGTH;
    const lengthBytes = short < LENGTH_OF_16_BITS ? 0 : short === LENGTH_OF_16_BITS ? 2 : 8;
    const contentAt = at + 2 + lengthBytes;
    if (contentAt > bytes.length) return at;
    let length = lengthBytes === 0 ? short : 0;
    for (let i = at + 2; i < contentAt; i++) length = length * 256 + bytes[i]!;
    if (contentAt + length > bytes.length) return at;
    take(bytes[at]!, bytes.subarray(contentAt, contentAt + length));
    at = contentAt + length;
  }
}
