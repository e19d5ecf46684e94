/**
 * Which socket a datagram that comes to the TURN server is for, as a program for the kernel
 * (`shared_port.ts`): what clients send in channels goes to the thread of their session, if that is
 * known to receive it, and all else to the first socket, which is the TURN server's.
 *
 * Clients are found by a key of 32 bits made of address and port: a sorted table as a tree of
 * comparisons, with some keys in each leaf. Two clients may have one key; the program is about
 * where something is received, and whoever receives looks at who it is from.
 *
 * Pure.
 *
 * @module
 */
import { readUint32 } from "../../wire/big_endian.ts";
import { CHANNEL_HEADER_BYTES } from "../../wire/turn_message.ts";
import { parseIpAddress } from "../../wire/ip_address.ts";
import { reportTest } from "../datagrams/report_socket.ts";
import { Bpf, FROM_IP_HEADER, type Instruction } from "../datagrams/shared_port.ts";
import type { Endpoint } from "../datagrams/socket_options.ts";

/**
 * Clients that a program can find. With each in another thread's hands than its neighbours this
 * comes to 3,500 instructions of the 4,096 that there may be.
 */
export const MAX_STEERED = 1024;
/** Keys in a leaf: few enough to be compared one by one, many enough for a small program. */
const LEAF_KEYS = 8;

/** Odd, and with bits all over, so that neighbouring addresses have keys far apart. */
const MULTIPLIER = 0x9e37_79b1;
/** First byte of what is in a channel (RFC 8656 §12): the two highest bits are 01. */
const CHANNEL_MASK = 0xc0;
const CHANNEL_BITS = 0x40;
/** Of IPv4 (RFC 791 §3.1) and IPv6 (RFC 8200 §3); UDP's source port is the first behind them. */
const V4_SOURCE = 12;
const V4_BYTES = 20;
const V6_SOURCE = 8;
const V6_BYTES = 40;
/** The word that keeps 1 for a report and 0 for all else. */
const REPORT_WORD = 0;
/** A jump to the end, whose length is not known yet. */
const TO_END = -1;

/** The key of a client; `undefined` for what is no literal address. */
export function steeringKey({ hostname, port }: Endpoint): number | undefined {
  const address = parseIpAddress(hostname);
  if (address === undefined) return undefined;
  let key = 0;
  for (let at = 0; at < address.length; at += 4) {
    key = Math.imul(key ^ readUint32(address, at), MULTIPLIER);
  }
  return (key ^ port) >>> 0;
}

/**
 * @param seats By key the number of the socket that gets a client's media; the one behind it gets
 * its reports. The first {@linkcode MAX_STEERED} are looked at.
 */
export function steeringProgram(seats: ReadonlyMap<number, number>): readonly Instruction[] {
  const known = [...seats].slice(0, MAX_STEERED).sort(([one], [other]) => one - other);
  if (known.length === 0) return [[Bpf.RETURN, 0, 0, 0]];
  const leaves: Instruction[][] = [];
  for (let at = 0; at < known.length; at += LEAF_KEYS) {
    leaves.push(leaf(known.slice(at, at + LEAF_KEYS)));
  }
  const firstKeys = leaves.map((_, i) => known[i * LEAF_KEYS]![0]);
  const program: Instruction[] = [
    [Bpf.LOAD_BYTE, 0, 0, 0],
    [Bpf.AND, 0, 0, CHANNEL_MASK],
    [Bpf.IF_EQUAL, 1, 0, CHANNEL_BITS],
    [Bpf.RETURN, 0, 0, 0],
    ...reportTest(CHANNEL_HEADER_BYTES),
    [Bpf.STORE_X, 0, 0, REPORT_WORD],
    ...keyOfSource(),
    ...tree(leaves, firstKeys),
    [Bpf.X_IS_STORED, 0, 0, REPORT_WORD],
    [Bpf.ADD_X, 0, 0, 0],
    [Bpf.RETURN_A, 0, 0, 0],
  ];
  const end = program.length - 3;
  return program.map((step, i) =>
    step[0] === Bpf.JUMP && step[3] === TO_END ? [Bpf.JUMP, 0, 0, end - i - 1] : step
  );
}

/** Leaves the key of who sent it in `A`; of one with options in its header that of nobody. */
function keyOfSource(): readonly Instruction[] {
  const v4 = keyOf(V4_SOURCE, 1, V4_BYTES);
  const v6 = keyOf(V6_SOURCE, 4, V6_BYTES);
  return [
    [Bpf.LOAD_BYTE, 0, 0, FROM_IP_HEADER],
    [Bpf.SHIFT_RIGHT, 0, 0, 4],
    [Bpf.IF_EQUAL, v4.length + 1, 0, 6],
    ...v4,
    [Bpf.JUMP, 0, 0, v6.length],
    ...v6,
  ];
}

/** As {@linkcode steeringKey}, of an address of so many words and the port at `portAt`. */
function keyOf(addressAt: number, words: number, portAt: number): readonly Instruction[] {
  const steps: Instruction[] = [];
  for (let word = 0; word < words; word++) {
    steps.push([Bpf.LOAD_WORD, 0, 0, FROM_IP_HEADER + addressAt + 4 * word]);
    if (word > 0) steps.push([Bpf.XOR_X, 0, 0, 0]);
    steps.push([Bpf.MULTIPLY, 0, 0, MULTIPLIER], [Bpf.X_IS_A, 0, 0, 0]);
  }
  return [...steps, [Bpf.LOAD_HALF, 0, 0, FROM_IP_HEADER + portAt], [Bpf.XOR_X, 0, 0, 0]];
}

/** Finds the leaf that `A` would be in. */
function tree(leaves: readonly Instruction[][], firstKeys: readonly number[]): Instruction[] {
  if (leaves.length === 1) return leaves[0]!;
  const half = leaves.length >> 1;
  const lower = tree(leaves.slice(0, half), firstKeys.slice(0, half));
  const upper = tree(leaves.slice(half), firstKeys.slice(half));
  return [
    [Bpf.IF_AT_LEAST, 0, 1, firstKeys[half]!],
    [Bpf.JUMP, 0, 0, lower.length],
    ...lower,
    ...upper,
  ];
}

/** Puts the socket's number into `A`, or says that it is nobody's. */
function leaf(keys: readonly (readonly [key: number, seat: number])[]): Instruction[] {
  const seats = [...new Set(keys.map(([, seat]) => seat))];
  const steps: Instruction[] = keys.map(([key, seat], i) => {
    const toSeat = keys.length - i - 1 + 1 + 2 * seats.indexOf(seat);
    return [Bpf.IF_EQUAL, toSeat, 0, key];
  });
  steps.push([Bpf.RETURN, 0, 0, 0]);
  for (const seat of seats) {
    steps.push([Bpf.LOAD_NUMBER, 0, 0, seat], [Bpf.JUMP, 0, 0, TO_END]);
  }
  return steps;
}
