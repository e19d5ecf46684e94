/**
 * One participant that sends and receives data, the same whatever WebRTC stack it is made of, so
 * that a scenario is written once; and messages whose content follows from their number, so that
 * any receiver can tell what came.
 *
 * @module
 */
import { crc32 } from "node:zlib";
import { DataPacket } from "@livekit/protocol";

/** WebRTC stacks by the names they have in tests. */
export type StackName =
  | "pion"
  | "libdatachannel"
  | "aiortc"
  | "chromium"
  | "firefox"
  | "rtc-node";

/** LiveKit's channels; any other label is of a channel of one's own. */
export const RELIABLE = "_reliable";
export const LOSSY = "_lossy";

/** What `RTCPeerConnection.createDataChannel` takes. */
export interface ChannelInit {
  readonly label: string;
  /** Default true. */
  readonly ordered?: boolean;
  readonly maxRetransmits?: number;
  /** Milliseconds. */
  readonly maxPacketLifeTime?: number;
}

/** A number of messages of one size. */
export interface Burst {
  /** Of an open channel. */
  readonly label: string;
  readonly count: number;
  /** Bytes of each payload. */
  readonly size: number;
  /** The number of the first one; default 0. */
  readonly first?: number;
  /** Sent as text, which only channels of one's own carry. */
  readonly text?: boolean;
  /** Identities, on LiveKit's channels; default everybody else. */
  readonly to?: readonly string[];
  /** Messages a second; default as fast as it goes. */
  readonly perSecond?: number;
}

/** One message that came. */
export interface Arrival {
  /** The sender's identity. */
  readonly from: string;
  readonly label: string;
  readonly size: number;
  /** Of the payload. */
  readonly crc: number;
  /** −1 if the payload is too short for one. */
  readonly number: number;
}

/** Channels of one's own, which LiveKit's SDKs do not offer. */
export interface OwnChannels {
  /** Resolves when it can be used. */
  open(channel: ChannelInit): Promise<void>;
  /** Resolves when it is closed. */
  close(label: string): Promise<void>;
  /** Stream id of an open channel. */
  idOf(label: string): Promise<number | undefined>;
}

/** A participant in a room. Dispose it to leave. */
export interface DataPeer extends AsyncDisposable {
  readonly identity: string;
  readonly stack: StackName;
  readonly own?: OwnChannels;
  /** Resolves when it takes data from all of these: an SDK does so from those it has been told of. */
  meet(identities: readonly string[]): Promise<void>;
  /** Resolves when the stack has nothing left of it to send. */
  send(burst: Burst): Promise<void>;
  /** Everything that came so far, in order. */
  arrivals(): Promise<readonly Arrival[]>;
  /** Where it stands, for the message of a failing test. */
  story(): Promise<unknown>;
}

const PATTERN_BYTES = 1 << 19;
/** At how many places in the pattern a payload may begin. */
const PHASES = 251;
const NUMBER_BYTES = 4;
const DIGIT_BITS = 6;
const FIRST_DIGIT = 0x20;
const PRINTABLE = 95;
const mixed = (i: number) => i * 7 + (i >> 8) * 13;
const binaryPattern = Uint8Array.from({ length: PATTERN_BYTES }, (_, i) => mixed(i));
const textPattern = Uint8Array.from(
  { length: PATTERN_BYTES },
  (_, i) => FIRST_DIGIT + mixed(i) % PRINTABLE,
);

/**
 * What message `number` holds: a piece of a pattern, with the number in its first four bytes if
 * there are as many.
 */
export function payloadOf(number: number, size: number, text = false): Uint8Array {
  const from = number % PHASES;
  const payload = (text ? textPattern : binaryPattern).slice(from, from + size);
  for (let i = 0; i < NUMBER_BYTES && size >= NUMBER_BYTES; i++) {
    const digit = number >> (DIGIT_BITS * (NUMBER_BYTES - 1 - i)) & ((1 << DIGIT_BITS) - 1);
    payload[i] = FIRST_DIGIT + digit;
  }
  return payload;
}

/** What is told of a payload that came. */
export function arrivalOf(from: string, label: string, payload: Uint8Array): Arrival {
  let number = payload.length < NUMBER_BYTES ? -1 : 0;
  for (let i = 0; i < NUMBER_BYTES && number >= 0; i++) {
    number = number << DIGIT_BITS | (payload[i]! - FIRST_DIGIT);
  }
  return { from, label, size: payload.length, crc: crc32(payload), number };
}

/** Whether what came is the message of that number and size, whole. */
export function isIntact({ number, size, crc }: Arrival, text = false): boolean {
  return crc === crc32(payloadOf(Math.max(number, 0), size, text));
}

/**
 * What goes before a payload of that size to make it a `DataPacket` with a user packet: fields of
 * protobuf may come in any order, so the payload can be the last.
 */
export function packetHead(size: number, to: readonly string[] = []): Uint8Array {
  const [user, payloadOfUser, delimited] = [2, 2, 2];
  const inner = [payloadOfUser << 3 | delimited, ...varint(size)];
  return Uint8Array.from([
    ...new DataPacket({ destinationIdentities: [...to] }).toBinary(),
    user << 3 | delimited,
    ...varint(inner.length + size),
    ...inner,
  ]);
}

function varint(value: number): number[] {
  const bytes = [];
  for (; value > 127; value >>>= 7) bytes.push(value & 127 | 128);
  return [...bytes, value];
}
