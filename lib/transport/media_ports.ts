/**
 * Which twin of each port a server uses: native or portable sockets, native or portable ciphers.
 * The one place that decides, out of the configured wish and what this machine has.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import type { Timers } from "../base/platform.ts";
import type { Datagrams } from "./datagrams/datagrams.ts";
import { libc, type LibcResult } from "./datagrams/libc.ts";
import { type NativeDatagramsOptions, openNativeDatagrams } from "./datagrams/native_datagrams.ts";
import { SocketLoop, type SocketLoopOptions } from "./datagrams/socket_loop.ts";
import { type Endpoint, findListener, limitUnsent } from "./datagrams/socket_options.ts";
import { openPortableDatagrams } from "./datagrams/portable_datagrams.ts";
import { BorrowedSockets, type BorrowedSocketsOptions } from "./tcp/borrowed_socket.ts";
import { SocketLender } from "./tcp/lent_socket.ts";
import { DEFAULT_TCP_LIMITS } from "./tcp/tcp_connection.ts";
import { chooseMediaCrypto, type MediaCrypto, type NativeUse } from "./media_crypto.ts";

/** What both twins of a socket are made from; the portable one cannot mark what it sends. */
export type DatagramsOptions = Omit<NativeDatagramsOptions, "libc">;

/**
 * The twins one thread uses. Holds functions, so it is not sent between threads: each chooses its
 * own.
 */
export interface MediaPorts {
  readonly crypto: MediaCrypto;
  /** For the start line: which twins run, and why. */
  readonly description: string;
  /** Whether sockets can mark what they send. */
  readonly canMark: boolean;
  /**
   * Binds a UDP socket.
   *
   * @throws `SfuError` as both twins do.
   */
  openDatagrams(options: DatagramsOptions): Promise<Datagrams>;
  /** What the TCP listener at `local` accepts holds little that cannot be sent; native only. */
  limitUnsent(local: Endpoint): void;
}

/**
 * Prompts for no permission.
 *
 * @throws {SfuError} `native_unavailable` with the reason, only if `native` is `require`.
 */
export function chooseMediaPorts(native: NativeUse): MediaPorts {
  const crypto = chooseMediaCrypto(native);
  const library: LibcResult = native === "off"
    ? { ok: false, reason: "native code is off" }
    : libc();
  if (!library.ok && native === "require") {
    throw new SfuError("native_unavailable", `Cannot use native sockets: libc: ${library.reason}`);
  }
  const sockets = library.ok
    ? `native sockets (${library.libc.version})`
    : `portable sockets (${library.reason})`;
  return {
    crypto,
    canMark: library.ok,
    description: `${sockets}, ${crypto.name} ciphers (${crypto.detail})`,
    openDatagrams: library.ok
      ? (options) => openWithFallback({ ...options, libc: library.libc }, native)
      : openPortableDatagrams,
    limitUnsent(local) {
      const listener = library.ok ? findListener(library.libc, local) : undefined;
      if (library.ok && listener !== undefined) limitUnsent(library.libc, listener);
    },
  };
}

/** What a thread of its own waits in; `undefined` where its sockets are portable. */
export function createSocketLoop(
  native: NativeUse,
  options: Omit<SocketLoopOptions, "calls">,
): SocketLoop | undefined {
  const library = native === "off" ? undefined : libc();
  return library?.ok === true
    ? new SocketLoop({ ...options, calls: library.libc.waiting })
    : undefined;
}

/** Sends on sockets of another thread; `undefined` where native code is not used. */
export function createBorrowing(
  native: NativeUse,
  options: Omit<BorrowedSocketsOptions, "libc" | "limits">,
): BorrowedSockets | undefined {
  const library = native === "off" ? undefined : libc();
  if (library?.ok !== true) return undefined;
  return new BorrowedSockets({ ...options, libc: library.libc, limits: DEFAULT_TCP_LIMITS });
}

/** Lends this thread's sockets to others; `undefined` where native code is not used. */
export function createLender(native: NativeUse, timers: Timers): SocketLender | undefined {
  const library = native === "off" ? undefined : libc();
  return library?.ok === true ? new SocketLender(library.libc, timers) : undefined;
}

async function openWithFallback(
  options: NativeDatagramsOptions,
  native: NativeUse,
): Promise<Datagrams> {
  try {
    return await openNativeDatagrams(options);
  } catch (error) {
    const isMissing = error instanceof SfuError && error.code === "native_unavailable";
    if (native === "require" || !isMissing) throw error;
    options.drops.count("native_socket_unavailable");
    return await openPortableDatagrams(options);
  }
}
