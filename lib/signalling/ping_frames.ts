/**
 * Pings and their answers as binary frames, read and written by hand and as numbers: they are all
 * that an idle client and its server say, and the protobuf library makes two dozen objects of each.
 *
 * Contract: what is not read here is left to the library, which says the same of everything; what
 * is written for what was read is what the library would write. Field numbers are the library's.
 *
 * @module
 */
import { Ping, Pong, SignalRequest, SignalResponse } from "@livekit/protocol";

const VARINT = 0;
const DELIMITED = 2;
/** Seven bits each: below 2^49, which in milliseconds is the year 19,000. */
const MAX_VARINT_BYTES = 7;
/** Longer ones say something else, or say it in another way. */
const MAX_FRAME_BYTES = 32;

const PING = tagOf(SignalRequest, "ping", VARINT);
const PING_REQUEST = tagOf(SignalRequest, "ping_req", DELIMITED);
const PING_TIME = tagOf(Ping, "timestamp", VARINT);
const PING_ROUND_TRIP = tagOf(Ping, "rtt", VARINT);
const PONG = tagOf(SignalResponse, "pong", VARINT);
const PONG_ANSWER = tagOf(SignalResponse, "pong_resp", DELIMITED);
const PONG_PING_TIME = tagOf(Pong, "last_ping_timestamp", VARINT);
const PONG_TIME = tagOf(Pong, "timestamp", VARINT);

/** What a ping says: `ping` the first alone. Below 2^49, in ms. */
export interface ReadPing {
  readonly kind: "ping" | "pingReq";
  readonly timestamp: number;
  /** Of the ping before, as the client measured it; 0 if it did not. */
  readonly rtt: number;
}

/**
 * Reads a frame that is `ping` or `ping_req` and nothing else; `undefined` for all others.
 *
 * @returns Valid until the next call.
 */
export function readPing(frame: Uint8Array): ReadPing | undefined {
  if (frame.length > MAX_FRAME_BYTES) return undefined;
  reading.start(frame);
  const tag = reading.varint();
  if (tag === PING) {
    const time = reading.varint();
    return time < 0 || !reading.isAtEnd ? undefined : read("ping", time, 0);
  }
  if (tag !== PING_REQUEST || reading.varint() !== reading.left) return undefined;
  let timestamp = 0;
  let rtt = 0;
  while (!reading.isAtEnd) {
    const field = reading.varint();
    const value = reading.varint();
    if (value < 0) return undefined;
    if (field === PING_TIME) timestamp = value;
    else if (field === PING_ROUND_TRIP) rtt = value;
    else return undefined;
  }
  return read("pingReq", timestamp, rtt);
}

/** Writes what is answered to a ping at `wallMs`: `pong` or `pong_resp`. */
export function writePong({ kind, timestamp }: ReadPing, wallMs: number): Uint8Array {
  if (kind === "pingReq") return writePongAnswer(timestamp, wallMs);
  const frame = new Uint8Array(sizeOf(PONG) + sizeOf(wallMs));
  write(frame, write(frame, 0, PONG), wallMs);
  return frame;
}

function writePongAnswer(pinged: number, time: number): Uint8Array {
  // A zero is not written (proto3).
  const length = (pinged === 0 ? 0 : sizeOf(PONG_PING_TIME) + sizeOf(pinged)) +
    (time === 0 ? 0 : sizeOf(PONG_TIME) + sizeOf(time));
  const frame = new Uint8Array(sizeOf(PONG_ANSWER) + sizeOf(length) + length);
  let at = write(frame, write(frame, 0, PONG_ANSWER), length);
  if (pinged !== 0) at = write(frame, write(frame, at, PONG_PING_TIME), pinged);
  if (time !== 0) write(frame, write(frame, at, PONG_TIME), time);
  return frame;
}

/** A place in a frame. */
class Reading {
  #frame: Uint8Array = new Uint8Array(0);
  #at = 0;

  start(frame: Uint8Array): void {
    this.#frame = frame;
    this.#at = 0;
  }

  get left(): number {
    return this.#frame.length - this.#at;
  }

  get isAtEnd(): boolean {
    return this.left === 0;
  }

  /** -1 if there is none, or a longer one than is read here. */
  varint(): number {
    let value = 0;
    for (let count = 0, scale = 1; count < MAX_VARINT_BYTES; count++, scale *= 128) {
      if (this.#at >= this.#frame.length) return -1;
      const byte = this.#frame[this.#at++]!;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return -1;
  }
}

const reading = new Reading();

/** The last one that was read. */
const last: { -readonly [Field in keyof ReadPing]: ReadPing[Field] } = {
  kind: "ping",
  timestamp: 0,
  rtt: 0,
};

function read(kind: ReadPing["kind"], timestamp: number, rtt: number): ReadPing {
  last.kind = kind;
  last.timestamp = timestamp;
  last.rtt = rtt;
  return last;
}

function sizeOf(value: number): number {
  let size = 1;
  for (let left = value; left >= 128; left = Math.floor(left / 128)) size++;
  return size;
}

/** Writes a varint at `at`. @returns Where it ends. */
function write(frame: Uint8Array, at: number, value: number): number {
  let left = value;
  for (; left >= 128; left = Math.floor(left / 128)) frame[at++] = (left % 128) | 0x80;
  frame[at++] = left;
  return at;
}

function tagOf(
  type: typeof SignalRequest | typeof SignalResponse | typeof Ping | typeof Pong,
  name: string,
  wire: number,
): number {
  return type.fields.list().find((field) => field.name === name)!.no * 8 + wire;
}
