/**
 * Pings and their answers as binary frames, read and written by hand: they are all that an idle
 * client and its server say, and the protobuf library makes two dozen objects of each.
 *
 * Contract: what is not read here, or not written, is left to the library, which says the same of
 * everything. Field numbers are the library's.
 *
 * @module
 */
import { Ping, Pong, SignalRequest, SignalResponse } from "@livekit/protocol";

const VARINT = 0;
const DELIMITED = 2;
/** Seven bits each: below 2^49, which in milliseconds is the year 19,000. */
const MAX_VARINT_BYTES = 7;
const LIMIT = 2 ** (7 * MAX_VARINT_BYTES);
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

/** Reads a frame that is `ping` or `ping_req` and nothing else; `undefined` for all others. */
export function readPing(frame: Uint8Array): SignalRequest | undefined {
  if (frame.length > MAX_FRAME_BYTES) return undefined;
  reading.start(frame);
  const tag = reading.varint();
  if (tag === PING) {
    const time = reading.varint();
    return time < 0 || !reading.isAtEnd ? undefined : request("ping", BigInt(time));
  }
  if (tag !== PING_REQUEST || reading.varint() !== reading.left) return undefined;
  const ping = new Ping();
  while (!reading.isAtEnd) {
    const field = reading.varint();
    const value = reading.varint();
    if (value < 0) return undefined;
    if (field === PING_TIME) ping.timestamp = BigInt(value);
    else if (field === PING_ROUND_TRIP) ping.rtt = BigInt(value);
    else return undefined;
  }
  return request("pingReq", ping);
}

/** Writes a `pong`; `undefined` for times that are left to the library. */
export function writePong(wallMs: bigint): Uint8Array | undefined {
  const time = Number(wallMs);
  if (time < 0 || time >= LIMIT) return undefined;
  const frame = new Uint8Array(sizeOf(PONG) + sizeOf(time));
  write(frame, write(frame, 0, PONG), time);
  return frame;
}

/** Writes a `pong_resp`; `undefined` for times that are left to the library. */
export function writePongAnswer({ lastPingTimestamp, timestamp }: Pong): Uint8Array | undefined {
  const pinged = Number(lastPingTimestamp);
  const time = Number(timestamp);
  if (pinged < 0 || pinged >= LIMIT || time < 0 || time >= LIMIT) return undefined;
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

function request(kind: "ping", value: bigint): SignalRequest;
function request(kind: "pingReq", value: Ping): SignalRequest;
function request(kind: "ping" | "pingReq", value: bigint | Ping): SignalRequest {
  const read = new SignalRequest();
  read.message = { case: kind, value } as SignalRequest["message"];
  return read;
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
