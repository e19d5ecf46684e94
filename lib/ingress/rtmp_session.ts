/**
 * One encoder's RTMP connection (Adobe's "Real-Time Messaging Protocol", 1.0): handshake, commands,
 * and what it publishes.
 *
 * Contract: bytes in, bytes out; no socket, clock or timer of its own. Nothing is published before
 * the stream key was found good, and one thing at most. Whoever breaks the rules is told why, as
 * far as the protocol can say it, and ended.
 *
 * @module
 */
import { type Amf0Value, decodeAmf0, encodeAmf0 } from "../wire/amf0.ts";
import { writeUint32 } from "../wire/big_endian.ts";
import {
  RTMP_TYPE,
  RtmpChunkReader,
  type RtmpMessage,
  userControlEvent,
  writeRtmpMessage,
} from "../wire/rtmp_chunks.ts";

/** What is done for a connection. */
export interface RtmpSessionHost {
  write(bytes: Uint8Array<ArrayBuffer>): void;
  /** Nothing more is written, and nothing read. */
  end(): void;
  /** The encoder wants to publish: answered by `accept` or `refuse`. */
  publish(key: string): void;
  metadata(values: ReadonlyMap<string, Amf0Value>): void;
  media(kind: "audio" | "video", payload: Uint8Array<ArrayBuffer>, timestamp: number): void;
  /** It has stopped publishing. */
  stopped(): void;
}

const HANDSHAKE_BYTES = 1536;
const VERSION = 3;
/** Bytes of our chunks. */
const CHUNK_BYTES = 4096;
/** How much the peer may send before we say that it came. */
const WINDOW_BYTES = 2_500_000;
const STREAM_ID = 1;
const CHUNK = { control: 2, command: 3, status: 5 } as const;
const PING_REQUEST = 6;
const PING_RESPONSE = 7;
const STREAM_BEGIN = 0;
/** Commands that only make sense a few times on a connection. */
const MAX_COMMANDS = 100;
const MAX_KEY_CHARS = 256;
/** What an encoder says of its stream after so many times is not read. */
const MAX_DATA = 20;

/** One connection, from its first byte. */
export class RtmpSession {
  readonly #host: RtmpSessionHost;
  readonly #reader = new RtmpChunkReader();
  #phase: "version" | "hello" | "echo" | "open" | "ended" = "version";
  readonly #hello = new Uint8Array(HANDSHAKE_BYTES);
  #filled = 0;
  #publishing: "no" | "asked" | "yes" = "no";
  #commands = 0;
  #data = 0;
  #received = 0;
  #acknowledged = 0;

  constructor(host: RtmpSessionHost) {
    this.#host = host;
  }

  /** Whether it may publish. */
  get isPublishing(): boolean {
    return this.#publishing === "yes";
  }

  /** Takes bytes as they come. */
  receive(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length && this.#phase !== "open" && this.#phase !== "ended") {
      at = this.#shake(bytes, at);
    }
    if (this.#phase !== "open" || at >= bytes.length) return;
    this.#reader.push(bytes.subarray(at), (message) => this.#take(message));
    if (this.#reader.fault !== undefined) return this.#end();
    this.#received += bytes.length;
    if (this.#received - this.#acknowledged < WINDOW_BYTES) return;
    this.#acknowledged = this.#received;
    this.#control(RTMP_TYPE.acknowledgement, this.#received % 0x1_0000_0000);
  }

  /** The key is good: media may come. */
  accept(): void {
    if (this.#publishing !== "asked") return;
    this.#publishing = "yes";
    this.#status("status", "NetStream.Publish.Start", "publishing");
  }

  /** It cannot publish, or no longer; it is told in words, and ended. */
  refuse(words: string, code = "NetStream.Publish.Denied"): void {
    if (this.#phase === "ended") return;
    if (this.#phase === "open") this.#status("error", code, words);
    this.#end();
  }

  /** Its connection is over. */
  closed(): void {
    if (this.#phase === "ended") return;
    this.#phase = "ended";
    if (this.#publishing !== "no") this.#host.stopped();
  }

  #end(): void {
    if (this.#phase === "ended") return;
    this.closed();
    this.#host.end();
  }

  /** The three parts of the plain handshake (§5.2); what is random is sent back. */
  #shake(bytes: Uint8Array, from: number): number {
    if (this.#phase === "version") {
      if (bytes[from] !== VERSION) this.#end();
      else this.#phase = "hello";
      return from + 1;
    }
    const count = Math.min(HANDSHAKE_BYTES - this.#filled, bytes.length - from);
    this.#hello.set(bytes.subarray(from, from + count), this.#filled);
    this.#filled += count;
    if (this.#filled === HANDSHAKE_BYTES) {
      this.#filled = 0;
      if (this.#phase === "echo") this.#phase = "open";
      else {
        this.#phase = "echo";
        const answer = new Uint8Array(1 + 2 * HANDSHAKE_BYTES);
        answer[0] = VERSION;
        answer.set(this.#hello, 1 + HANDSHAKE_BYTES);
        this.#host.write(answer);
      }
    }
    return from + count;
  }

  #take({ type, payload, timestamp }: RtmpMessage): void {
    if (this.#phase !== "open") return;
    switch (type) {
      case RTMP_TYPE.command:
        return this.#command(payload);
      case RTMP_TYPE.data:
        return this.#takeData(payload);
      case RTMP_TYPE.audio:
      case RTMP_TYPE.video:
        if (!this.isPublishing) return;
        return this.#host.media(
          type === RTMP_TYPE.audio ? "audio" : "video",
          payload,
          timestamp,
        );
      case RTMP_TYPE.userControl:
        if (userControlEvent(payload) !== PING_REQUEST || payload.length !== 6) return;
        payload[1] = PING_RESPONSE;
        return this.#write(CHUNK.control, RTMP_TYPE.userControl, 0, payload);
    }
  }

  #command(payload: Uint8Array): void {
    if (++this.#commands > MAX_COMMANDS) return this.#end();
    const values = decodeAmf0(payload);
    const [name, transaction, , argument] = values ?? [];
    if (typeof name !== "string" || typeof transaction !== "number") return this.#end();
    switch (name) {
      case "connect":
        return this.#connect(transaction);
      case "createStream":
        return this.#result(transaction, [null, STREAM_ID]);
      case "publish":
        return this.#publish(argument);
      case "releaseStream":
      case "FCPublish":
      case "_checkbw":
        return this.#result(transaction, [null, null]);
      case "FCUnpublish":
      case "deleteStream":
      case "closeStream":
        return this.#publishing === "no" ? undefined : this.#end();
      case "play":
        return this.refuse("nothing is played by RTMP here", "NetStream.Play.Failed");
    }
  }

  #connect(transaction: number): void {
    this.#control(RTMP_TYPE.windowSize, WINDOW_BYTES);
    const bandwidth = new Uint8Array(5);
    writeUint32(bandwidth, 0, WINDOW_BYTES);
    bandwidth[4] = 2;
    this.#write(CHUNK.control, RTMP_TYPE.peerBandwidth, 0, bandwidth);
    this.#control(RTMP_TYPE.setChunkSize, CHUNK_BYTES);
    const server = new Map<string, Amf0Value>([["fmsVer", "FMS/3,5,7,7009"], ["capabilities", 31]]);
    const info = new Map<string, Amf0Value>([
      ["level", "status"],
      ["code", "NetConnection.Connect.Success"],
      ["description", "connected"],
      ["objectEncoding", 0],
      ["fourCcList", ["av01", "Opus"]],
    ]);
    this.#result(transaction, [server, info]);
  }

  #publish(argument: Amf0Value | undefined): void {
    if (this.#publishing !== "no" || typeof argument !== "string") return this.#end();
    // Some encoders put parameters behind the key.
    const key = argument.split("?")[0]!;
    if (key.length > MAX_KEY_CHARS) return this.#end();
    this.#publishing = "asked";
    this.#write(
      CHUNK.control,
      RTMP_TYPE.userControl,
      0,
      Uint8Array.of(0, STREAM_BEGIN, 0, 0, 0, 1),
    );
    this.#host.publish(key);
  }

  #takeData(payload: Uint8Array): void {
    if (!this.isPublishing || ++this.#data > MAX_DATA) return;
    const values = decodeAmf0(payload) ?? [];
    const at = values.indexOf("onMetaData");
    const told = at < 0 ? undefined : values[at + 1];
    if (told instanceof Map) this.#host.metadata(told);
  }

  #result(transaction: number, values: readonly Amf0Value[]): void {
    const payload = encodeAmf0(["_result", transaction, ...values]);
    this.#write(CHUNK.command, RTMP_TYPE.command, 0, payload);
  }

  #status(level: "status" | "error", code: string, description: string): void {
    const info = new Map([["level", level], ["code", code], ["description", description]]);
    const payload = encodeAmf0(["onStatus", 0, null, info]);
    this.#write(CHUNK.status, RTMP_TYPE.command, STREAM_ID, payload);
  }

  #control(type: number, value: number): void {
    const payload = new Uint8Array(4);
    writeUint32(payload, 0, value);
    this.#write(CHUNK.control, type, 0, payload);
  }

  #write(chunk: number, type: number, streamId: number, payload: Uint8Array<ArrayBuffer>): void {
    this.#host.write(
      writeRtmpMessage(chunk, { type, streamId, timestamp: 0, payload }, CHUNK_BYTES),
    );
  }
}
