/**
 * What the system gives a UDP socket of ours: buffers, and sending several datagrams as one (GSO).
 *
 * @module
 */
import { libc } from "./libc.ts";
import { findDescriptor, grantedBuffers, setSocketOptions } from "./socket_options.ts";

/** What Linux says of all cores is longer on large machines; the first one is enough. */
const CPU_INFO_BYTES = 16_384;
const SOL_UDP = 17;
const UDP_SEGMENT = 103;

/** What was found out; numbers are bytes. */
export interface SocketProbe {
  readonly receiveBuffer: number;
  readonly sendBuffer: number;
  /** What is asked for. */
  readonly wanted: number;
  /** Several datagrams for one destination leave in one call. */
  readonly hasGso: boolean;
  /** The processor computes AES itself; `undefined` if it does not say. */
  readonly hasAes: boolean | undefined;
}

/** @returns Why it cannot be known, in place of what was found. */
export function probeSocket(): SocketProbe | { readonly reason: string } {
  const library = libc();
  if (!library.ok) return { reason: library.reason };
  const calls = library.libc;
  const conn = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
  try {
    const descriptor = findDescriptor(calls, conn.addr as Deno.NetAddr);
    if (descriptor === undefined) return { reason: "the socket's descriptor cannot be found" };
    setSocketOptions(calls, descriptor, {});
    const segment = Int32Array.of(0);
    const set = calls.setsockopt(descriptor.fd, SOL_UDP, UDP_SEGMENT, segment, segment.byteLength);
    return {
      ...grantedBuffers(calls, descriptor),
      hasGso: set === 0,
      hasAes: hasAes((path, into) => calls.waiting.readFile(path, into)),
    };
  } finally {
    conn.close();
  }
}

/** What the system says of the processor (x86 `flags`, ARM `Features`). */
function hasAes(
  readFile: (path: string, into: Uint8Array<ArrayBuffer>) => number,
): boolean | undefined {
  const bytes = new Uint8Array(CPU_INFO_BYTES);
  const length = readFile("/proc/cpuinfo", bytes);
  if (length <= 0) return undefined;
  const text = new TextDecoder().decode(bytes.subarray(0, length));
  const features = /^(?:flags|Features)\s*:(.*)$/m.exec(text)?.[1];
  return features === undefined ? undefined : /\baes\b/.test(features);
}
