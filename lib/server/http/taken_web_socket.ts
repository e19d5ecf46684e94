/**
 * The server's end of a WebSocket whose connection `ws` has taken over. What comes is read by `ws`,
 * or as if it were (`quick_frames.ts`); what is sent is framed here (RFC 6455 §5.2), and leaves
 * once for a whole turn: a newcomer is told a dozen things at once, and `ws` takes two pieces and a
 * dozen objects for each of them.
 *
 * Contract: messages leave in order, all of a turn by its end, and before a close; none behind the
 * answer to the other side's. A turn is over
 * when the promises that are settled have been followed, too. A message is not to be changed before
 * that.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Socket } from "node:net";
import { nextTick } from "node:process";
import type { RawWebSocket } from "../../../routes/web_socket.ts";
import type { LivingSocket } from "./socket_lives.ts";

/** First byte of a frame: that it is the last of its message, that it is deflated, and its kind. */
const FINAL = 0x80;
const DEFLATED = 0x40;
const TEXT = 1;
const BINARY = 2;
/** Lengths up to here stand in the second byte, and in 16 bits behind it. */
const SHORT_BYTES = 125;
const LONG_BYTES = 0xffff;
const LENGTH_OF_16_BITS = 126;
const LENGTH_OF_64_BITS = 127;
const MAX_HEAD_BYTES = 10;
/** Up to here it is cheaper to copy frames into one piece than to give the system many. */
const MAX_JOINED_BYTES = 16 * 1024;
/** Beyond this a turn's messages do not wait for its end. */
const MAX_GATHERED_BYTES = 64 * 1024;

const OPEN = 1;
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });

/**
 * As much of a WebSocket of `ws` as is used here; its own types would bring Node's for everything.
 */
export interface LibrarySocket extends LivingSocket {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  close(code?: number, reason?: string): void;
  on(event: "pong", listener: () => void): void;
  on(event: "message", listener: (data: ArrayBuffer | Uint8Array, isBinary: boolean) => void): void;
  on(event: "close", listener: (code: number, reason: Uint8Array) => void): void;
  on(event: "error", listener: (error: Error) => void): void;
}

/** How long messages are shortened. */
export interface Deflation {
  readonly thresholdBytes: number;
  readonly deflate: (message: Uint8Array) => Uint8Array;
}

/** What its connection is for this. */
export type TakenConnection = Pick<
  Socket,
  "write" | "cork" | "uncork" | "writable" | "destroyed"
>;

/** One WebSocket. Nothing leaves after {@linkcode TakenWebSocket.close}. */
export class TakenWebSocket implements RawWebSocket {
  onmessage: RawWebSocket["onmessage"] = null;
  onclose: RawWebSocket["onclose"] = null;
  onerror: RawWebSocket["onerror"] = null;
  /** Never called: it is open from the beginning. */
  onopen: RawWebSocket["onopen"] = null;
  readonly #taken: LibrarySocket;
  readonly #connection: TakenConnection;
  readonly #deflation: Deflation | undefined;
  /** Of this turn: what frames hold, and their first bytes. */
  #contents: Uint8Array[] = [];
  #firstBytes: number[] = [];
  #gatheredBytes = 0;
  #isTurnOpen = false;

  constructor(taken: LibrarySocket, connection: TakenConnection, deflation?: Deflation) {
    this.#taken = taken;
    this.#connection = connection;
    this.#deflation = deflation;
    taken.on("message", (data, isBinary) => {
      const message = isBinary ? data : UTF8.decode(data);
      this.onmessage?.({ data: message } as MessageEvent);
    });
    taken.on("close", (code) => this.onclose?.({ code } as CloseEvent));
    // An error is followed by the end, which says all there is to know; unheard it would end the
    // process.
    taken.on("error", () => {});
  }

  get binaryType(): string {
    return this.#taken.binaryType;
  }

  set binaryType(type: string) {
    this.#taken.binaryType = type;
  }

  get readyState(): number {
    return this.#taken.readyState;
  }

  get bufferedAmount(): number {
    return this.#gatheredBytes + this.#taken.bufferedAmount;
  }

  /** What has been written to the connection already goes along with this turn's messages. */
  leaveWithTurn(): void {
    this.#connection.cork();
    this.#openTurn(() => this.#connection.uncork());
  }

  send(data: Uint8Array | string): void {
    if (this.#taken.readyState !== OPEN) return;
    const isText = typeof data === "string";
    let content = isText ? new TextEncoder().encode(data) : data;
    let first = FINAL | (isText ? TEXT : BINARY);
    if (this.#deflation !== undefined && content.length >= this.#deflation.thresholdBytes) {
      content = this.#deflation.deflate(content);
      first |= DEFLATED;
    }
    this.#contents.push(content);
    this.#firstBytes.push(first);
    this.#gatheredBytes += content.length + MAX_HEAD_BYTES;
    if (this.#gatheredBytes > MAX_GATHERED_BYTES) this.#write();
    else if (!this.#isTurnOpen) this.#openTurn();
  }

  close(code?: number, reason?: string): void {
    this.#write();
    this.#taken.close(code, reason);
  }

  #openTurn(atEnd?: () => void): void {
    this.#isTurnOpen = true;
    const end = () => {
      this.#isTurnOpen = false;
      this.#write();
      atEnd?.();
    };
    queueMicrotask(() => nextTick(end));
  }

  /** Gives the connection what has been gathered. */
  #write(): void {
    const { length } = this.#contents;
    if (length === 0) return;
    const contents = this.#contents;
    const firstBytes = this.#firstBytes;
    const most = this.#gatheredBytes;
    this.#contents = [];
    this.#firstBytes = [];
    this.#gatheredBytes = 0;
    const connection = this.#connection;
    // `ws` answers a close at once (§5.5.1: nothing follows it), whatever the turn has gathered.
    if (this.#taken.readyState !== OPEN || !connection.writable || connection.destroyed) return;
    if (most <= MAX_JOINED_BYTES) {
      const joined = Buffer.allocUnsafe(most);
      let at = 0;
      for (let i = 0; i < length; i++) {
        const content = contents[i]!;
        at = writeHead(joined, at, firstBytes[i]!, content.length);
        joined.set(content, at);
        at += content.length;
      }
      connection.write(joined.subarray(0, at));
      return;
    }
    connection.cork();
    for (let i = 0; i < length; i++) {
      const head = Buffer.allocUnsafe(MAX_HEAD_BYTES);
      const end = writeHead(head, 0, firstBytes[i]!, contents[i]!.length);
      connection.write(head.subarray(0, end));
      connection.write(contents[i]!);
    }
    connection.uncork();
  }
}

/** @returns Where the frame's content begins. */
function writeHead(out: Uint8Array, at: number, first: number, length: number): number {
  out[at] = first;
  if (length <= SHORT_BYTES) {
    out[at + 1] = length;
    return at + 2;
  }
  if (length <= LONG_BYTES) {
    out[at + 1] = LENGTH_OF_16_BITS;
    out[at + 2] = length >>> 8;
    out[at + 3] = length & 0xff;
    return at + 4;
  }
  out[at + 1] = LENGTH_OF_64_BITS;
  // Nothing of ours has four gigabytes.
  out.fill(0, at + 2, at + 6);
  out[at + 6] = length >>> 24;
  out[at + 7] = (length >>> 16) & 0xff;
  out[at + 8] = (length >>> 8) & 0xff;
  out[at + 9] = length & 0xff;
  return at + MAX_HEAD_BYTES;
}
