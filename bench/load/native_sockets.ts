/**
 * {@linkcode ClientSockets} over libc: batches in and out, and the kernel's own times of arrival,
 * so that a latency does not depend on when this process gets round to reading.
 *
 * @module
 */
import type { MediaAddress } from "../../lib/base/media_vocabulary.ts";
import {
  type ClientSocket,
  type ClientSockets,
  type ClientStream,
  isRtp,
  isRtpOrRtcp,
  MAX_DATAGRAM_BYTES,
  type RtpListener,
} from "./client_sockets.ts";
import { MessageVector } from "./message_vector.ts";
import { openPortableStream } from "./portable_sockets.ts";

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_TIMESTAMPNS = 35;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const POLLIN = 1;
const CLOCK_REALTIME = 0;
/** Datagrams per system call. */
const BATCH = 64;
/** Asked for each socket; the kernel gives what its limit allows. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;
/** Of a stream, read in one call. */
const STREAM_BYTES = 64 * 1024;
/** `struct pollfd` in 32-bit words: the descriptor; what is asked and, above it, what has come. */
const POLL_WORDS = 2;
const FIRST_POLLS = 64;
const IPV4 = /^\d+\.\d+\.\d+\.\d+$/;

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  recvmmsg: { parameters: ["i32", "buffer", "u32", "i32", "pointer"], result: "i32" },
  sendmmsg: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  poll: { parameters: ["buffer", "usize", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
} as const;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>["symbols"];

/** `undefined` where there is no such libc, or no permission to use it. */
export function openNativeSockets(): ClientSockets | undefined {
  const { os, arch } = Deno.build;
  if (os !== "linux" || (arch !== "x86_64" && arch !== "aarch64")) return undefined;
  try {
    return new NativeSockets(Deno.dlopen("libc.so.6", SYMBOLS).symbols);
  } catch {
    return undefined;
  }
}

/** What {@linkcode NativeSockets.sweep} looks at. */
interface Watched {
  readonly fd: number;
  /** Takes everything that waits. */
  read(): void;
}

class NativeSockets implements ClientSockets {
  readonly kind = "libc, one socket per client, kernel time stamps";
  onRtp: RtpListener = () => {};
  readonly #libc: Libc;
  readonly #watched: Watched[] = [];
  /** Of each of them, in the same order. */
  #polls = new Int32Array(FIRST_POLLS * POLL_WORDS);
  #pollBytes = new Uint8Array(this.#polls.buffer);
  readonly #streamBytes = new Uint8Array(STREAM_BYTES);
  readonly #in = new MessageVector(BATCH, MAX_DATAGRAM_BYTES);
  readonly #time = new Uint32Array(4);
  readonly #timeBytes = new Uint8Array(this.#time.buffer);
  readonly #baseSeconds = Math.floor(Date.now() / 1000);

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  now(): number {
    this.#libc.clock_gettime(CLOCK_REALTIME, this.#timeBytes);
    return (this.#time[0]! - this.#baseSeconds) * 1e6 + this.#time[2]! / 1000;
  }

  async open(server: MediaAddress | undefined): Promise<ClientSocket> {
    const libc = this.#libc;
    const fd = check(libc.socket(AF_INET, SOCK_DGRAM, 0), "socket");
    const address = socketAddress(localHost(server), 0);
    check(libc.bind(fd, address, address.length), "bind");
    if (server !== undefined) {
      const remote = socketAddress(server.hostname, server.port);
      check(libc.connect(fd, remote, remote.length), "connect");
    }
    this.#setOption(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER_BYTES);
    check(this.#setOption(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1), "SO_TIMESTAMPNS");
    const size = new Uint8Array(Uint32Array.of(address.length).buffer);
    check(libc.getsockname(fd, address, size), "getsockname");
    const socket = new NativeSocket(this, libc, fd, (address[2]! << 8) | address[3]!);
    this.#watch(socket);
    return socket;
  }

  /** On this machine it is done in the call. */
  async connect(url: URL): Promise<ClientStream> {
    const { protocol, hostname, port } = url;
    if (protocol !== "ws:" || !IPV4.test(hostname)) return await openPortableStream(url);
    const libc = this.#libc;
    const fd = check(libc.socket(AF_INET, SOCK_STREAM, 0), "socket");
    const remote = socketAddress(hostname, Number(port || 80));
    if (libc.connect(fd, remote, remote.length) < 0) {
      libc.close(fd);
      throw new Error(`Nobody listens at ${url.host}`);
    }
    // What a client says next does not wait for the answer to what it said before.
    this.#setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    const stream = new NativeStream(this, libc, fd, this.#streamBytes);
    this.#watch(stream);
    return stream;
  }

  sweep(): void {
    const polls = this.#polls;
    if (this.#libc.poll(this.#pollBytes, BigInt(this.#watched.length), 0) <= 0) return;
    // What is read may open others, and close some.
    const ready = this.#watched.filter((_, i) => polls[i * POLL_WORDS + 1]! !== POLLIN);
    for (const one of ready) one.read();
  }

  forget(one: Watched): void {
    const at = this.#watched.indexOf(one);
    if (at < 0) return;
    this.#watched.splice(at, 1);
    this.#polls.copyWithin(at * POLL_WORDS, (at + 1) * POLL_WORDS);
  }

  /** Gives a socket's datagrams to its listeners. */
  readDatagrams(socket: NativeSocket): void {
    const { headers, bytes } = this.#in;
    for (let count = BATCH; count === BATCH;) {
      count = this.#libc.recvmmsg(socket.fd, headers, BATCH, MSG_DONTWAIT, null);
      for (let i = 0; i < count; i++) {
        const offset = i * MAX_DATAGRAM_BYTES;
        const length = this.#in.received(i);
        const first = bytes[offset]!;
        const arrivedAt = this.#in.arrivedAt(i, this.#baseSeconds);
        if (!isRtpOrRtcp(first)) {
          socket.onDatagram(bytes.slice(offset, offset + length), arrivedAt);
          continue;
        }
        if (isRtp(first, bytes[offset + 1]!)) socket.onRtp(bytes, offset, length, arrivedAt);
        else socket.onRtcp(bytes, offset, length, arrivedAt);
      }
      if (count > 0) this.#in.resetControl(count);
    }
  }

  #watch(one: Watched): void {
    const at = this.#watched.push(one) - 1;
    if (this.#polls.length < (at + 1) * POLL_WORDS) {
      const larger = new Int32Array(this.#polls.length * 2);
      larger.set(this.#polls);
      this.#polls = larger;
      this.#pollBytes = new Uint8Array(larger.buffer);
    }
    this.#polls[at * POLL_WORDS] = one.fd;
    this.#polls[at * POLL_WORDS + 1] = POLLIN;
  }

  #setOption(fd: number, level: number, name: number, value: number): number {
    const bytes = new Uint8Array(Int32Array.of(value).buffer);
    return this.#libc.setsockopt(fd, level, name, bytes, bytes.length);
  }
}

class NativeSocket implements ClientSocket, Watched {
  onDatagram: ClientSocket["onDatagram"] = () => {};
  onRtp: RtpListener = (bytes, offset, length, at) => this.#all.onRtp(bytes, offset, length, at);
  onRtcp: RtpListener = () => {};
  readonly ended: Promise<void>;
  readonly #ended = Promise.withResolvers<void>();
  readonly #all: NativeSockets;
  readonly #libc: Libc;
  #isClosed = false;

  constructor(all: NativeSockets, libc: Libc, readonly fd: number, readonly localPort: number) {
    this.#all = all;
    this.#libc = libc;
    this.ended = this.#ended.promise;
  }

  read(): void {
    if (!this.#isClosed) this.#all.readDatagrams(this);
  }

  async send(bytes: Uint8Array): Promise<void> {
    if (this.#isClosed) return;
    outgoing().slots[0]!.set(bytes);
    outgoing().setLength(0, bytes.length);
    this.#libc.sendmmsg(this.fd, outgoing().headers, 1, 0);
  }

  sendBurst(slots: readonly Uint8Array[], lengths: ArrayLike<number>, count: number): number {
    const out = outgoing();
    const leftAt = this.#all.now();
    for (let done = 0; done < count && !this.#isClosed;) {
      const part = Math.min(count - done, BATCH);
      for (let i = 0; i < part; i++) {
        const length = lengths[done + i]!;
        out.bytes.set(slots[done + i]!.subarray(0, length), i * MAX_DATAGRAM_BYTES);
        out.setLength(i, length);
      }
      this.#libc.sendmmsg(this.fd, out.headers, part, 0);
      done += part;
    }
    return leftAt;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#all.forget(this);
    this.#libc.close(this.fd);
    this.#ended.resolve();
  }
}

class NativeStream implements ClientStream, Watched {
  onBytes: ClientStream["onBytes"] = () => {};
  onEnd: ClientStream["onEnd"] = () => {};
  readonly #all: NativeSockets;
  readonly #libc: Libc;
  /** All streams share it. */
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #isClosed = false;

  constructor(
    all: NativeSockets,
    libc: Libc,
    readonly fd: number,
    bytes: Uint8Array<ArrayBuffer>,
  ) {
    this.#all = all;
    this.#libc = libc;
    this.#bytes = bytes;
  }

  /** What is more than that comes with the next sweep. */
  read(): void {
    if (this.#isClosed) return;
    const bytes = this.#bytes;
    const length = Number(this.#libc.recv(this.fd, bytes, BigInt(bytes.length), MSG_DONTWAIT));
    if (length > 0) this.onBytes(bytes.subarray(0, length));
    else this.#end();
  }

  /** Clients say little: a server that leaves no room for it does not read. */
  send(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#isClosed) return;
    const length = BigInt(bytes.length);
    const sent = this.#libc.send(this.fd, bytes, length, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent !== length) this.#end();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#all.forget(this);
    this.#libc.close(this.fd);
  }

  #end(): void {
    if (this.#isClosed) return;
    this.close();
    this.onEnd();
  }
}

let out: MessageVector | undefined;

/** All sockets share it: a send has left when the call returns. */
function outgoing(): MessageVector {
  if (out === undefined) {
    out = new MessageVector(BATCH, MAX_DATAGRAM_BYTES);
    out.clearControl();
  }
  return out;
}

/** Loopback stays on loopback; elsewhere the route decides. */
function localHost(server: MediaAddress | undefined): string {
  return server === undefined || server.hostname.startsWith("127.") ? "127.0.0.1" : "0.0.0.0";
}

/** `struct sockaddr_in`. */
function socketAddress(hostname: string, port: number): Uint8Array<ArrayBuffer> {
  const address = new Uint8Array(16);
  address[0] = AF_INET;
  address.set([port >> 8, port & 0xff, ...hostname.split(".").map(Number)], 2);
  return address;
}

function check(result: number, call: string): number {
  if (result < 0) throw new Error(`${call} failed`);
  return result;
}
