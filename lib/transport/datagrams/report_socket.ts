/**
 * A second socket at the address of a first, to which the kernel gives what can wait for some
 * milliseconds: reports and feedback (RTCP), and acknowledgements of data, so that a thread is not
 * woken for each of them. It only receives.
 *
 * The kernel chooses between the two by a program (`shared_port.ts`) that reads the datagram's
 * first two bytes. Senders' reports (RFC 3550 §6.4.1) stay with media: when they come, clocks are
 * compared. Data is encrypted, and what a datagram of it is its length tells: no message has one as
 * short as a SACK's (RFC 9260 §3.3.4), and a SACK of something missing is longer.
 *
 * While nobody waits for what comes, checks and their answers (STUN) can wait as well
 * ({@linkcode steerChecks}): at other times they find paths and measure them.
 *
 * Contract: whichever socket a datagram comes to is a matter of when it is received, and never of
 * what is done with it.
 *
 * @module
 */
import { formatIpAddress, parseIpAddress } from "../../wire/ip_address.ts";
import type { Libc } from "./libc.ts";
import { APPLICATION_DATA, SACK_RECORD_BYTES } from "./sack_record.ts";
import {
  allowSharing,
  Bpf,
  chooseBy,
  type Instruction,
  isShared,
  openSharer,
} from "./shared_port.ts";
import { findDescriptors, type SocketDescriptor } from "./socket_options.ts";

/** First bytes of STUN among what shares a port are below this (RFC 7983 §7). */
const BEHIND_STUN = 4;
/** Packet types of RTCP beside media (RFC 5761 §4), and a sender's report among them. */
const FIRST_RTCP = 192;
const BEHIND_RTCP = 224;
const SENDER_REPORT = 200;

/**
 * Instructions that leave 1 in `X` if what begins at byte `at` of the datagram, and goes on to its
 * end, is a report that can wait, and 0 if not. A datagram that ends before that is for the first
 * socket.
 */
export function reportTest(at: number): readonly Instruction[] {
  return [
    [Bpf.LOAD_BYTE, 0, 0, at],
    [Bpf.IF_EQUAL, 6, 0, APPLICATION_DATA],
    [Bpf.AND, 0, 0, 0xc0],
    [Bpf.IF_EQUAL, 0, 8, 0x80],
    [Bpf.LOAD_BYTE, 0, 0, at + 1],
    [Bpf.IF_AT_LEAST, 0, 6, FIRST_RTCP],
    [Bpf.IF_AT_LEAST, 5, 0, BEHIND_RTCP],
    [Bpf.IF_EQUAL, 4, 2, SENDER_REPORT],
    [Bpf.LOAD_LENGTH, 0, 0, 0],
    [Bpf.IF_EQUAL, 0, 2, at + SACK_RECORD_BYTES],
    [Bpf.X_IS_NUMBER, 0, 0, 1],
    [Bpf.JUMP, 0, 0, 1],
    [Bpf.X_IS_NUMBER, 0, 0, 0],
  ];
}

const PROGRAM: readonly Instruction[] = [
  ...reportTest(0),
  // The first for what cannot wait, and behind it the second.
  [Bpf.LOAD_NUMBER, 0, 0, 0],
  [Bpf.ADD_X, 0, 0, 0],
  [Bpf.RETURN_A, 0, 0, 0],
];
const WITH_CHECKS: readonly Instruction[] = [
  [Bpf.LOAD_BYTE, 0, 0, 0],
  [Bpf.IF_AT_LEAST, 2, 0, BEHIND_STUN],
  [Bpf.LOAD_NUMBER, 0, 0, 1],
  [Bpf.RETURN_A, 0, 0, 0],
  ...PROGRAM,
];

/**
 * Opens the second socket.
 *
 * @returns Its descriptor, for {@linkcode closeReportSocket}; `undefined` where the kernel refuses,
 * and then the first is as it was.
 */
export function openReportSocket(libc: Libc, first: SocketDescriptor): number | undefined {
  const second = openSharer(libc, first);
  if (second !== undefined && chooseBy(libc, second, PROGRAM)) return second;
  if (second !== undefined) libc.waiting.close(second);
  allowSharing(libc, first.fd, false);
  return undefined;
}

/** From now on the second socket gets checks and their answers, too, or no longer. */
export function steerChecks(libc: Libc, second: number, toSecond: boolean): void {
  // Where the kernel refuses, the program before holds on.
  chooseBy(libc, second, toSecond ? WITH_CHECKS : PROGRAM);
}

/** Closes the second socket, and the first is as it was. */
export function closeReportSocket(libc: Libc, first: SocketDescriptor, second: number): void {
  // In this order the first is never one that shares and is alone.
  allowSharing(libc, first.fd, false);
  libc.waiting.close(second);
}

/**
 * Closes a second socket whose first is gone: of a thread that was ended, the runtime closes what
 * it knows. What is left would keep the address from the thread that comes in its place.
 *
 * @param local A literal address, and the port.
 * @returns Whether there was one.
 */
export function closeLeftBehind(libc: Libc, local: { hostname: string; port: number }): boolean {
  const address = parseIpAddress(local.hostname);
  if (address === undefined || local.port === 0) return false;
  const found = findDescriptors(libc, { ...local, hostname: formatIpAddress(address) });
  const only = found.next().value;
  // With its first there are two, and others do not share.
  if (only === undefined || found.next().value !== undefined) return false;
  if (!isShared(libc, only.fd)) return false;
  libc.waiting.close(only.fd);
  return true;
}
