/**
 * Several UDP sockets at one address, and the program by which the kernel chooses among them for
 * each datagram (`SO_REUSEPORT` and `SO_ATTACH_REUSEPORT_CBPF`, `man 7 socket`).
 *
 * Contract: the first socket is bound before it allows others, so that an address in use is refused
 * as ever; only a process of the same user that asks for it can come in afterwards. The kernel
 * numbers the sockets in the order in which they came, as long as none goes.
 *
 * @module
 */
import { type Libc, SOCK_DGRAM } from "./libc.ts";
import { NAME_WORDS, sockaddrBytes } from "./socket_address.ts";
import { setSocketOptions, type SocketDescriptor } from "./socket_options.ts";

const SOL_SOCKET = 1;
const SO_REUSEPORT = 15;
const SO_ATTACH_REUSEPORT_CBPF = 51;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;

/** Added to where something is in the packet's IP header; else loads are from the datagram's. */
export const FROM_IP_HEADER = -0x10_0000;

/** Codes of classic BPF (`linux/bpf_common.h`). `A` is the accumulator, `X` the other register. */
export const Bpf = {
  /** Loads that go beyond the packet end the program with 0. */
  LOAD_BYTE: 0x30,
  LOAD_HALF: 0x28,
  LOAD_WORD: 0x20,
  LOAD_NUMBER: 0x00,
  /** Of the whole datagram. */
  LOAD_LENGTH: 0x80,
  X_IS_NUMBER: 0x01,
  X_IS_A: 0x07,
  AND: 0x54,
  MULTIPLY: 0x24,
  SHIFT_RIGHT: 0x74,
  ADD_X: 0x0c,
  XOR_X: 0xac,
  JUMP: 0x05,
  IF_EQUAL: 0x15,
  IF_AT_LEAST: 0x35,
  RETURN: 0x06,
  RETURN_A: 0x16,
  /** One of sixteen words that keep a number. */
  STORE_X: 0x03,
  X_IS_STORED: 0x61,
} as const;

/**
 * One instruction: code, how many are skipped if its condition holds and if not, and its number.
 */
export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

/**
 * Opens one more socket at the address of the first, with buffers as large. It only receives, and
 * sends, what native code asks of it.
 *
 * @returns Its descriptor; `undefined` where the kernel refuses.
 */
export function openSharer(libc: Libc, first: SocketDescriptor): number | undefined {
  const name = new Uint8Array(4 * NAME_WORDS);
  const length = new Uint32Array([name.length]);
  if (libc.getsockname(first.fd, name, length) !== 0) return undefined;
  const fd = libc.socket(first.family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0) return undefined;
  const isOpen = allowSharing(libc, first.fd, true) && allowSharing(libc, fd, true) &&
    libc.bind(fd, name, sockaddrBytes(first.family)) === 0;
  if (!isOpen) {
    libc.waiting.close(fd);
    return undefined;
  }
  setSocketOptions(libc, { fd, family: first.family }, {});
  return fd;
}

/** Whether others may have the socket's address. */
export function isShared(libc: Libc, fd: number): boolean {
  const value = new Int32Array(1);
  const length = Uint32Array.of(value.byteLength);
  return libc.getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, value, length) === 0 && value[0] !== 0;
}

/** @returns Whether the kernel did that. */
export function allowSharing(libc: Libc, fd: number, isShared: boolean): boolean {
  const value = Int32Array.of(Number(isShared));
  return libc.setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, value, value.byteLength) === 0;
}

/**
 * Lets `program` choose from now on: it ends with the number of a socket of those that share the
 * address of `fd`, which has to be one of several.
 *
 * @returns Whether the kernel took it; if not, the last one goes on.
 */
export function chooseBy(libc: Libc, fd: number, program: readonly Instruction[]): boolean {
  // `struct sock_fprog`: how many instructions (`struct sock_filter`), and where they are.
  const view = new DataView(new ArrayBuffer(8 * program.length));
  program.forEach(([code, ifTrue, ifFalse, operand], i) => {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, ifTrue);
    view.setUint8(8 * i + 3, ifFalse);
    view.setUint32(8 * i + 4, operand, true);
  });
  const instructions = new Uint8Array(view.buffer);
  const address = Deno.UnsafePointer.value(Deno.UnsafePointer.of(instructions));
  const value = new BigUint64Array([BigInt(program.length), BigInt(address)]);
  const words = new Int32Array(value.buffer);
  return libc.setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, words, words.byteLength) === 0;
}
