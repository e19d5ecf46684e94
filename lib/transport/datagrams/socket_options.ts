/**
 * What has to be known and set once about a socket that the runtime has opened: its descriptor,
 * buffers and marks of UDP, and how much of TCP the kernel takes before it can send it.
 *
 * @module
 */
import type { PacketMarks } from "./datagrams.ts";
import { type Libc, SOCK_DGRAM, SOCK_STREAM } from "./libc.ts";
import {
  type AddressFamily,
  AF_INET,
  AF_INET6,
  NAME_WORDS,
  SocketAddress,
} from "./socket_address.ts";

/**
 * Buffers asked for, as LiveKit asks (livekit/mediatransportutil, June 2026,
 * `pkg/rtcconfig/webrtc_config.go`); the kernel gives what its limit allows.
 */
const SOCKET_BUFFER_BYTES = 16 * 1024 * 1024;
/** Descriptors looked at. They are given out from the lowest free one. */
const MAX_DESCRIPTORS = 65_536;
/** Explicit congestion notification: "ECN-capable transport 0" (RFC 3168 §5). */
const ECT_0 = 2;

/**
 * Bytes of a TCP connection that the kernel takes before it can send them. What it has cannot be
 * overtaken or left out any more: a path that becomes narrow would be heard as a gap that long.
 */
const MOST_UNSENT_BYTES = 8 * 1024;

const SOL_IP = 0;
const IPPROTO_TCP = 6;
const TCP_NOTSENT_LOWAT = 25;
const SO_ACCEPTCONN = 30;
const SOL_SOCKET = 1;
const SOL_IPV6 = 41;
const IP_TOS = 1;
const IPV6_TCLASS = 67;
const SO_TYPE = 3;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;

/** A socket of this process, as native code names it. */
export interface SocketDescriptor {
  readonly fd: number;
  readonly family: AddressFamily;
}

/**
 * Finds the UDP socket that is bound to `local`, by asking each descriptor for its name: no two
 * sockets have the same unless both allow it, and the runtime's do not.
 */
export function findDescriptor(libc: Libc, local: Endpoint): SocketDescriptor | undefined {
  return findDescriptors(libc, local).next().value;
}

/** All numbers of UDP sockets of this process that are bound to `local`. */
export function findDescriptors(
  libc: Libc,
  local: Endpoint,
): Iterator<SocketDescriptor, undefined> {
  return find(libc, libc.getsockname, local, SOCK_DGRAM);
}

/**
 * Finds the TCP connection from `remote` to `local`. Both count: clients behind one address, or one
 * client, can come to two ports of this process from the same port of theirs.
 */
export function findConnection(
  libc: Libc,
  local: Endpoint,
  remote: Endpoint,
): SocketDescriptor | undefined {
  const found = find(libc, libc.sharing.getpeername, remote, SOCK_STREAM);
  const words = new Int32Array(NAME_WORDS);
  for (;;) {
    const { value: socket } = found.next();
    if (socket === undefined || isNamed(libc.getsockname, socket.fd, words, local)) return socket;
  }
}

/** Whether `fd` is a connection from `remote` to `local` (still). */
export function isConnection(
  libc: Libc,
  fd: number,
  local: Endpoint,
  remote: Endpoint,
): boolean {
  const words = new Int32Array(NAME_WORDS);
  return isNamed(libc.sharing.getpeername, fd, words, remote) &&
    isNamed(libc.getsockname, fd, words, local);
}

/**
 * Finds the TCP listener at `local`. Each connection that it has accepted has the same name, and
 * does not listen.
 */
export function findListener(libc: Libc, local: Endpoint): SocketDescriptor | undefined {
  const found = find(libc, libc.getsockname, local, SOCK_STREAM);
  const value = new Int32Array(1);
  const length = Uint32Array.of(value.byteLength);
  for (;;) {
    const { value: socket } = found.next();
    if (socket === undefined) return undefined;
    const isKnown = libc.getsockopt(socket.fd, SOL_SOCKET, SO_ACCEPTCONN, value, length) === 0;
    if (isKnown && value[0] === 1) return socket;
  }
}

/**
 * Lets the kernel take little of a TCP connection that it cannot send yet; of a listener: of all
 * that it accepts from now on (tcp(7), `TCP_NOTSENT_LOWAT`).
 *
 * @returns Whether the system does so.
 */
export function limitUnsent(libc: Libc, { fd }: Pick<SocketDescriptor, "fd">): boolean {
  const value = Int32Array.of(MOST_UNSENT_BYTES);
  return libc.setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, value, value.byteLength) === 0;
}

/** An address as literal, and a port. */
export interface Endpoint {
  readonly hostname: string;
  readonly port: number;
}

/** As one text, for maps. */
export function nameOfEndpoint({ hostname, port }: Endpoint): string {
  return `${hostname}|${port}`;
}

function* find(
  libc: Libc,
  nameOf: Libc["getsockname"],
  wanted: Endpoint,
  wantedType: number,
): Generator<SocketDescriptor, undefined> {
  const words = new Int32Array(NAME_WORDS);
  const length = new Uint32Array(1);
  const type = new Int32Array(1);
  for (let fd = 0; fd < MAX_DESCRIPTORS; fd++) {
    if (!isNamed(nameOf, fd, words, wanted)) continue;
    length[0] = type.byteLength;
    if (libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, type, length) !== 0) continue;
    if (type[0] === wantedType) yield { fd, family: (words[0]! & 0xffff) as AddressFamily };
  }
  return undefined;
}

/** Whether that is the socket's name, which is left in `words`. */
function isNamed(
  nameOf: Libc["getsockname"],
  fd: number,
  words: Int32Array<ArrayBuffer>,
  wanted: Endpoint,
): boolean {
  const bytes = new Uint8Array(words.buffer);
  if (nameOf(fd, bytes, Uint32Array.of(bytes.length)) !== 0) return false;
  const family = words[0]! & 0xffff;
  if (family !== AF_INET && family !== AF_INET6) return false;
  // Most descriptors are told by it, without making text of an address.
  if ((bytes[2]! << 8 | bytes[3]!) !== wanted.port) return false;
  return new SocketAddress(family, words, 0).hostname === wanted.hostname;
}

/** How large the buffers are, bytes, and how large they were asked to be. */
export function grantedBuffers(
  libc: Libc,
  { fd }: SocketDescriptor,
): { readonly receiveBuffer: number; readonly sendBuffer: number; readonly wanted: number } {
  const value = new Int32Array(1);
  const length = new Uint32Array(1);
  const read = (name: number) => {
    length[0] = value.byteLength;
    // The kernel doubles what it is asked for, for its own records (socket(7)).
    return libc.getsockopt(fd, SOL_SOCKET, name, value, length) === 0 ? value[0]! / 2 : 0;
  };
  return {
    receiveBuffer: read(SO_RCVBUF),
    sendBuffer: read(SO_SNDBUF),
    wanted: SOCKET_BUFFER_BYTES,
  };
}

/**
 * Enlarges the buffers, beyond the system's limit where we may, and sets the marks asked for. What
 * the system refuses stays as it was: the socket works, with less room for bursts or without marks.
 */
export function setSocketOptions(
  libc: Libc,
  { fd, family }: SocketDescriptor,
  marks: PacketMarks,
): void {
  const value = new Int32Array(1);
  const set = (level: number, name: number, to: number) => {
    value[0] = to;
    return libc.setsockopt(fd, level, name, value, value.byteLength) === 0;
  };
  for (const [force, ask] of [[SO_RCVBUFFORCE, SO_RCVBUF], [SO_SNDBUFFORCE, SO_SNDBUF]] as const) {
    if (!set(SOL_SOCKET, force, SOCKET_BUFFER_BYTES)) set(SOL_SOCKET, ask, SOCKET_BUFFER_BYTES);
  }
  const trafficClass = ((marks.dscp ?? 0) & 0x3f) << 2 | (marks.ecn === true ? ECT_0 : 0);
  if (trafficClass === 0) return;
  // An IPv6 socket has one for the IPv4 peers it reaches as well.
  set(SOL_IP, IP_TOS, trafficClass);
  if (family === AF_INET6) set(SOL_IPV6, IPV6_TCLASS, trafficClass);
}
