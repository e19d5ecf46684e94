/**
 * Real UDP sockets of each twin of `Datagrams`, peers that keep what arrives, and a C library that
 * fails on demand.
 *
 * @module
 */
import { denoPlatform } from "../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { Timers } from "../../../lib/base/platform.ts";
import type { Datagrams, RemoteAddress } from "../../../lib/transport/datagrams/datagrams.ts";
import { Errno, type Libc, libc } from "../../../lib/transport/datagrams/libc.ts";
import {
  type NativeDatagramsOptions,
  openNativeDatagrams,
} from "../../../lib/transport/datagrams/native_datagrams.ts";
import {
  openDenoDatagrams,
  openNodeDatagrams,
} from "../../../lib/transport/datagrams/portable_datagrams.ts";
import { SocketLoop } from "../../../lib/transport/datagrams/socket_loop.ts";
import { VirtualPlatform } from "../virtual/virtual_platform.ts";

export interface OpenOptions {
  readonly hostname: string;
  readonly port: number;
  readonly drops: DropCounters;
  readonly timers: Timers;
}
export type Open = (options: OpenOptions) => Promise<Datagrams>;

export interface Twin {
  readonly name: string;
  readonly open: Open;
  /** Whether a batch may have more than one datagram. */
  readonly isBatching: boolean;
  /** A socket that sends nothing until it is let go. */
  readonly openStuck: (options: OpenOptions) => Promise<[Datagrams, letGo: () => void]>;
  readonly ignore: boolean;
}

/** Both portable twins never send before the event loop has turned. */
function portable(name: string, open: Open): Twin {
  const openStuck: Twin["openStuck"] = async (options) => [await open(options), () => {}];
  return { name, open, openStuck, isBatching: false, ignore: false };
}

/** A C library whose `sendmmsg` finds no room until it is let go. */
function stuckLibc(): [Libc, letGo: () => void] {
  const faults = new FaultyLibc();
  faults.script = () => Errno.EAGAIN;
  return [faults, () => faults.script = undefined];
}

export const TWINS: readonly Twin[] = [
  portable("openDenoDatagrams()", openDenoDatagrams),
  portable("openNodeDatagrams()", openNodeDatagrams),
  {
    name: "openNativeDatagrams()",
    open: (options) => openNativeDatagrams({ ...options, libc: realLibc() }),
    isBatching: true,
    async openStuck(options) {
      const [stuck, letGo] = stuckLibc();
      return [await openNativeDatagrams({ ...options, libc: stuck }), letGo];
    },
    ignore: mustIgnoreNative(),
  },
  {
    name: "openNativeDatagrams() in a loop",
    open: (options) => openNativeDatagrams({ ...options, libc: realLibc(), loop: threadLoop() }),
    isBatching: true,
    async openStuck(options) {
      const [stuck, letGo] = stuckLibc();
      return [await openNativeDatagrams({ ...options, libc: stuck, loop: threadLoop() }), letGo];
    },
    ignore: mustIgnoreNative(),
  },
];

let loop: SocketLoop | undefined;
/** The loop of this thread, which lives while it has sockets. */
function threadLoop(): SocketLoop {
  const { clock, timers } = denoPlatform();
  const failed = (error: unknown) => reportError(error);
  return loop ??= new SocketLoop({ calls: realLibc().waiting, clock, timers, failed });
}

/**
 * True where native code cannot run; says so once. Never on Linux with `CI=true`, where the test
 * fails instead.
 */
export function mustIgnoreNative(): boolean {
  const result = libc();
  if (result.ok || (Deno.build.os === "linux" && Deno.env.get("CI") === "true")) return false;
  if (!hasTold) console.log(`Tests of native datagrams are ignored here: ${result.reason}`);
  hasTold = true;
  return true;
}
let hasTold = false;

/** @throws {Error} where it cannot be used. */
export function realLibc(): Libc {
  const result = libc();
  if (!result.ok) throw new Error(`Native datagrams cannot run: ${result.reason}`);
  return result.libc;
}

/**
 * The real library, except that a script may answer `sendmmsg` in the kernel's place: full buffers
 * and broken interfaces are hard to get at will. What it does not answer really happens.
 */
export class FaultyLibc implements Libc {
  readonly #real = realLibc();
  #errno = 0;
  readonly version = this.#real.version;
  readonly recvmmsg = this.#real.recvmmsg;
  readonly socket = this.#real.socket;
  readonly bind = this.#real.bind;
  readonly getsockname = this.#real.getsockname;
  readonly getsockopt = this.#real.getsockopt;
  readonly setsockopt: Libc["setsockopt"] = this.#real.setsockopt;
  readonly waiting: Libc["waiting"] = this.#real.waiting;
  readonly sharing: Libc["sharing"] = this.#real.sharing;
  readonly memory: Libc["memory"] = this.#real.memory;
  /** Messages of each call that was let through. */
  readonly calls: number[] = [];
  /** `errno` of a failure, or how many messages to let through at most. */
  script: ((count: number, call: number) => number | { readonly letThrough: number }) | undefined;
  #asked = 0;

  sendmmsg: Libc["sendmmsg"] = (fd, messages, count, flags) => {
    const answer = this.script?.(count, this.#asked++) ?? { letThrough: count };
    if (typeof answer === "number") {
      this.#errno = answer;
      return -1;
    }
    const sent = this.#real.sendmmsg(fd, messages, Math.min(count, answer.letThrough), flags);
    this.#errno = sent < 0 ? this.#real.errno() : 0;
    if (sent > 0) this.calls.push(sent);
    return sent;
  };

  errno(): number {
    return this.#errno === 0 ? this.#real.errno() : this.#errno;
  }
}

/** One datagram, as it came. */
export interface Arrival {
  readonly bytes: Uint8Array;
  readonly remote: RemoteAddress;
}

/** A socket that keeps what arrives. */
export class Peer implements AsyncDisposable {
  readonly arrivals: Arrival[] = [];
  batches = 0;
  readonly address: RemoteAddress;
  #wake = () => {};

  constructor(
    readonly socket: Datagrams,
    readonly drops: DropCounters,
    readonly platform: VirtualPlatform,
    hostname: string,
  ) {
    this.address = { transport: "udp", hostname, port: socket.localAddress.port };
    socket.onDatagram = (bytes, length, remote) => {
      this.arrivals.push({ bytes: bytes.slice(0, length), remote });
      // What the owner of the seam may do: decrypt in place.
      bytes.fill(0, 0, length);
      this.#wake();
    };
    socket.onBatchEnd = () => void this.batches++;
  }

  /** Settles when `count` datagrams have arrived. */
  async received(count: number): Promise<void> {
    while (this.arrivals.length < count) {
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  /** Twice, since closing is idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.socket.close();
    this.socket.close();
    await this.socket.closed;
  }
}

/** A peer on `hostname`. */
export async function openPeer(open: Open, hostname = "127.0.0.1", port = 0): Promise<Peer> {
  const drops = new DropCounters();
  const platform = new VirtualPlatform();
  const socket = await open({ hostname, port, drops, timers: platform.timers });
  return new Peer(socket, drops, platform, hostname);
}

/** A native peer, with anything of its options changed. */
export function openNativePeer(
  changed: Partial<NativeDatagramsOptions> = {},
): Promise<Peer> {
  const open: Open = (options) =>
    openNativeDatagrams({ libc: changed.libc ?? realLibc(), ...options, ...changed });
  return openPeer(open, changed.hostname, changed.port);
}
