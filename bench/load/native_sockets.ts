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
  isRtp,
  isRtpOrRtcp,
  MAX_DATAGRAM_BYTES,
  type RtpListener,
} from "./client_sockets.ts";
import { MessageVector } from "./message_vector.ts";

const AF_INET = 2;
const SOCK_DGRAM = 2;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_TIMESTAMPNS = 35;
const MSG_DONTWAIT = 0x40;
const CLOCK_REALTIME = 0;
/** Datagrams per system call. */
const BATCH = 64;
/** Asked for each socket; the kernel gives what its limit allows. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024;

const SYMBOLS = {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  recvmmsg: { parameters: ["i32", "buffer", "u32", "i32", "pointer"], result: "i32" },
  sendmmsg: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
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

class NativeSockets implements ClientSockets {
  readonly kind = "libc, one socket per client, kernel time stamps";
  onRtp: RtpListener = () => {};
  readonly #libc: Libc;
  readonly #sockets: NativeSocket[] = [];
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
    const option = (name: number, value: number) =>
      libc.setsockopt(fd, SOL_SOCKET, name, new Uint8Array(Int32Array.of(value).buffer), 4);
    option(SO_RCVBUF, RECEIVE_BUFFER_BYTES);
    check(option(SO_TIMESTAMPNS, 1), "SO_TIMESTAMPNS");
    const size = new Uint8Array(Uint32Array.of(address.length).buffer);
    check(libc.getsockname(fd, address, size), "getsockname");
    const socket = new NativeSocket(this, libc, fd, (address[2]! << 8) | address[3]!);
    this.#sockets.push(socket);
    return socket;
  }

  sweep(): void {
    for (let i = 0; i < this.#sockets.length; i++) this.#read(this.#sockets[i]!);
  }

  forget(socket: NativeSocket): void {
    this.#sockets.splice(this.#sockets.indexOf(socket), 1);
  }

  #read(socket: NativeSocket): void {
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
}

class NativeSocket implements ClientSocket {
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
