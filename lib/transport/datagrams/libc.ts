/**
 * The C library through the foreign function interface: the few calls that move batches of
 * datagrams, and those by which a thread waits for them.
 *
 * Contract: nothing here throws or asks for a permission. Where the library cannot be used (another
 * system, musl, no permission, a missing library or call, another memory layout) the result says
 * why.
 *
 * All calls are synchronous; on a socket they are made with MSG_DONTWAIT and so never wait, and two
 * are there to wait. How to
 * pass an address, measured on Deno 2.9.6 with `memcmp`, for each call: as a `Deno.PointerObject` 5
 * ns, as a `usize` with a `bigint` 3 ns, as a `buffer` 17 ns. One `usize` or `u64` parameter that
 * is given as a plain number sends every call the slow way: 95 to 130 ns and 16 bytes of garbage.
 * Here addresses never change, so they are pointer objects made once.
 *
 * @module
 */
import { SendKind } from "./datagrams.ts";
import { SendQueue } from "./send_queue.ts";
import type { SocketAddress } from "./socket_address.ts";
import { ReceiveMessages, SendMessages } from "./socket_messages.ts";
import { DropCounters } from "../../base/drop_counters.ts";

const LIBRARY_NAME = "libc.so.6";
/** Architectures whose layout `socket_messages.ts` has: 64-bit and little-endian. */
const ARCHITECTURES: readonly string[] = ["x86_64", "aarch64"];

/** Numbers of Linux that are the same on both architectures. */
export const MSG_DONTWAIT = 0x40;
/** An error in place of a signal where the other end is gone. */
export const MSG_NOSIGNAL = 0x4000;
/** What follows goes into another segment. */
export const MSG_EOR = 0x80;
const AF_UNIX = 1;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
const NON_BLOCKING = 0o4000;
const MADV_DONTNEED = 4;
/** Of `open` and `epoll_create1` alike; opened files are only read (`O_RDONLY`, which is 0). */
const CLOSE_ON_EXEC = 0o2000000;

/** `errno` values that mean something to a UDP socket. */
export const Errno = {
  EPERM: 1,
  EINTR: 4,
  EIO: 5,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EINVAL: 22,
  EMSGSIZE: 90,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ENOBUFS: 105,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
} as const;

const SYMBOLS = {
  /** Of glibc only: its absence tells musl under glibc's name. */
  gnu_get_libc_version: { parameters: [], result: "pointer", optional: true },
  __errno_location: { parameters: [], result: "pointer" },
  sendmmsg: { parameters: ["i32", "pointer", "u32", "i32"], result: "i32" },
  recvmmsg: { parameters: ["i32", "pointer", "u32", "i32", "pointer"], result: "i32" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  dup: { parameters: ["i32"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  socketpair: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  open: { parameters: ["buffer", "i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "pointer", "i32", "i32"], result: "i32" },
  usleep: { parameters: ["u32"], result: "i32" },
  madvise: { parameters: ["usize", "usize", "i32"], result: "i32" },
  malloc_trim: { parameters: ["usize"], result: "i32" },
} as const;

/** The calls, as `man 2` tells: a negative result is a failure whose reason is in `errno`. */
export interface Libc {
  /** For example `glibc 2.41`. */
  readonly version: string;
  sendmmsg(fd: number, messages: Deno.PointerObject, count: number, flags: number): number;
  /** The time-out is not used: `null`. */
  recvmmsg(
    fd: number,
    messages: Deno.PointerObject,
    count: number,
    flags: number,
    timeout: null,
  ): number;
  socket(family: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array<ArrayBuffer>, length: number): number;
  getsockname(
    fd: number,
    address: Uint8Array<ArrayBuffer>,
    length: Uint32Array<ArrayBuffer>,
  ): number;
  getsockopt(
    fd: number,
    level: number,
    name: number,
    value: Int32Array<ArrayBuffer>,
    length: Uint32Array<ArrayBuffer>,
  ): number;
  setsockopt(
    fd: number,
    level: number,
    name: number,
    value: Int32Array<ArrayBuffer>,
    length: number,
  ): number;
  /** What a thread needs that waits here and not in the runtime. */
  readonly waiting: WaitingCalls;
  /** What two threads need that write to one socket. */
  readonly sharing: SharingCalls;
  /** By which memory is given back. */
  readonly memory: MemoryCalls;
  /** `errno` as the last failed call left it: to be read before anything else is called. */
  errno(): number;
}

/** The calls by which a process gives back memory. */
export interface MemoryCalls {
  readFile: WaitingCalls["readFile"];
  /** What is free in `malloc`, of all threads. */
  trim(): void;
  /** Pages that were read from a file, and can be again: nothing else is to be there. */
  forget(from: bigint, bytes: bigint): void;
}

/** The calls by which a thread lets another one write to its sockets. */
export interface SharingCalls {
  /** Another number for the same socket, which lives until both are closed; negative if none. */
  duplicate(fd: number): number;
  getpeername: Libc["getsockname"];
  /** @returns Bytes taken, or a negative number. */
  send(fd: number, bytes: Uint8Array<ArrayBuffer>, length: bigint, flags: number): bigint | number;
  close(fd: number): number;
}

/** The calls by which a thread waits for descriptors. */
export interface WaitingCalls {
  /** Fills `into` from the file's beginning. @returns Its bytes, or a negative number. */
  readFile(path: string, into: Uint8Array<ArrayBuffer>): number;
  close(fd: number): number;
  /** A counter as a descriptor: readable while it is above 0, and reading sets it to 0. */
  openCounter(): number;
  read(fd: number, into: Uint8Array<ArrayBuffer>, length: bigint): bigint | number;
  write(fd: number, bytes: Uint8Array<ArrayBuffer>, length: bigint): bigint | number;
  epollCreate(): number;
  /** `operation` and `event` as the kernel has them; `event` is not looked at for a removal. */
  epollControl(
    epoll: number,
    operation: number,
    fd: number,
    event: Uint8Array<ArrayBuffer>,
  ): number;
  /** Waits, and the whole thread with it, until something is ready or `timeoutMs` is over. */
  epollWait(epoll: number, events: Deno.PointerObject, count: number, timeoutMs: number): number;
  /** The thread does nothing for so long, less than a second. */
  sleepUs(us: number): void;
}

/** What opening the library gives. */
export type LibcResult =
  | { readonly ok: true; readonly libc: Libc }
  | { readonly ok: false; readonly reason: string };

let opened: LibcResult | undefined;

/** The library, opened and tried out on first use in this thread. */
export function libc(): LibcResult {
  return opened ??= openLibc();
}

/** Opens the library called `name`; {@linkcode libc} does it once. */
export function openLibc(name: string = LIBRARY_NAME): LibcResult {
  const { os, arch } = Deno.build;
  if (os !== "linux") return unavailable(`not on ${os}`);
  if (!ARCHITECTURES.includes(arch)) return unavailable(`not on ${arch}`);
  if (typeof Deno.listenDatagram !== "function") return unavailable("no UDP (--unstable-net)");
  // A query never prompts. Addresses need the permission as a whole, not for single paths.
  if (Deno.permissions.querySync({ name: "ffi" }).state !== "granted") {
    return unavailable("no permission (--allow-ffi)");
  }
  let library: Deno.DynamicLibrary<typeof SYMBOLS>;
  try {
    library = Deno.dlopen(name, SYMBOLS);
  } catch (error) {
    return unavailable(`cannot open ${name}: ${lastPart(error)}`);
  }
  const calls = library.symbols;
  const version = calls.gnu_get_libc_version?.() ?? null;
  const location = calls.__errno_location();
  if (version === null || location === null) {
    return unavailable(`${name} is not the GNU C library`);
  }
  // The location is the thread's for its whole life, so `errno` is read without a call.
  const errno = new Int32Array(Deno.UnsafePointerView.getArrayBuffer(location, 4));
  const problem = layoutProblem(calls);
  if (problem !== undefined) return unavailable(problem);
  return {
    ok: true,
    libc: {
      version: `glibc ${Deno.UnsafePointerView.getCString(version)}`,
      sendmmsg: calls.sendmmsg,
      recvmmsg: calls.recvmmsg,
      socket: calls.socket,
      bind: calls.bind,
      getsockname: calls.getsockname,
      getsockopt: calls.getsockopt,
      setsockopt: calls.setsockopt,
      waiting: {
        readFile: (path, into) => readFile(calls, path, into),
        close: calls.close,
        openCounter: () => calls.eventfd(0, CLOSE_ON_EXEC | NON_BLOCKING),
        read: calls.read,
        write: calls.write,
        epollCreate: () => calls.epoll_create1(CLOSE_ON_EXEC),
        epollControl: calls.epoll_ctl,
        epollWait: calls.epoll_wait,
        sleepUs: calls.usleep,
      },
      sharing: {
        duplicate: calls.dup,
        getpeername: calls.getpeername,
        send: calls.send,
        close: calls.close,
      },
      memory: memoryCalls(calls),
      errno: () => errno[0]!,
    },
  };
}

function memoryCalls(calls: Calls): MemoryCalls {
  return {
    readFile: (path, into) => readFile(calls, path, into),
    trim: () => void calls.malloc_trim(0n),
    forget: (from, bytes) => void calls.madvise(from, bytes, MADV_DONTNEED),
  };
}

function unavailable(reason: string): LibcResult {
  return { ok: false, reason };
}

/** The system's own words, without what the runtime puts before them. */
function lastPart(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.replace(/^(?:Could not open library: |Failed to register symbol [^:]*: )+/, "");
}

function readFile(calls: Calls, path: string, into: Uint8Array<ArrayBuffer>): number {
  const fd = calls.open(new TextEncoder().encode(`${path}\0`), CLOSE_ON_EXEC);
  if (fd < 0) return fd;
  let length = 0;
  for (;;) {
    const more = Number(calls.read(fd, into.subarray(length), BigInt(into.length - length)));
    if (more <= 0) break;
    length += more;
  }
  calls.close(fd);
  return length;
}

type Calls = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/**
 * Sends two datagrams through a socket pair with the real calls, and says what came out wrong:
 * a layout that is not the expected one shows here, where it costs nothing.
 */
function layoutProblem(calls: Calls): string | undefined {
  const pair = new Int32Array(2);
  if (calls.socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) !== 0) return "cannot make a socket pair";
  const [from, to] = [pair[0]!, pair[1]!];
  try {
    const samples = [Uint8Array.of(1, 2, 3, 4, 5), Uint8Array.of(6, 7)];
    const queue = new SendQueue<SocketAddress>(new DropCounters(), samples.length);
    const nobody = { writeTo() {} } as unknown as SocketAddress;
    for (const sample of samples) {
      queue.reserve()!.set(sample);
      queue.commit(sample.length, nobody, SendKind.other);
    }
    const sent = new SendMessages(queue, 0);
    sent.fill(false);
    const received = new ReceiveMessages();
    const isMoved = calls.sendmmsg(from, sent.pointer, 2, MSG_DONTWAIT) === 2 &&
      calls.recvmmsg(to, received.pointer, 3, MSG_DONTWAIT, null) === 2;
    const isRight = isMoved &&
      samples.every((sample, i) =>
        received.lengthOf(i) === sample.length && received.nameLengthOf(i) === 0 &&
        !received.isCut(i) && sample.every((byte, k) => received.views[i]![k] === byte)
      );
    return isRight ? undefined : "structures are laid out differently here";
  } finally {
    calls.close(from);
    calls.close(to);
  }
}
