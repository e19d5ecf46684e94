/**
 * A UDP socket on loopback that tells the traffic class (DSCP and ECN) of what arrives, which
 * neither the runtime's sockets nor ours show. Linux with glibc only.
 *
 * @module
 */
import type { RemoteAddress } from "../../../lib/transport/datagrams/datagrams.ts";

const [AF_INET, AF_INET6, SOCK_DGRAM, SOL_IP, SOL_IPV6] = [2, 10, 2, 0, 41];
const [IP_RECVTOS, IPV6_RECVTCLASS] = [13, 66];
const CONTROL_BYTES = 64;

/** One socket, closed on disposal. */
export class TrafficClassReceiver implements Disposable {
  readonly address: RemoteAddress;
  readonly #fd: number;
  readonly #library = Deno.dlopen("libc.so.6", {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
    recvmsg: { parameters: ["i32", "buffer", "i32"], result: "isize", nonblocking: true },
    close: { parameters: ["i32"], result: "i32" },
  });

  constructor(family: 4 | 6) {
    const calls = this.#library.symbols;
    const isV6 = family === 6;
    const name = new Uint8Array(28);
    name[0] = isV6 ? AF_INET6 : AF_INET;
    if (isV6) name[23] = 1;
    else name.set([127, 0, 0, 1], 4);
    this.#fd = calls.socket(name[0], SOCK_DGRAM, 0);
    const [level, option] = isV6 ? [SOL_IPV6, IPV6_RECVTCLASS] : [SOL_IP, IP_RECVTOS];
    const isReady = calls.bind(this.#fd, name, isV6 ? 28 : 16) === 0 &&
      calls.setsockopt(this.#fd, level, option, Int32Array.of(1), 4) === 0 &&
      calls.getsockname(this.#fd, name, Uint32Array.of(28)) === 0;
    if (!isReady) throw new Error("Cannot open a socket that shows traffic classes");
    const port = name[2]! << 8 | name[3]!;
    this.address = { transport: "udp", hostname: isV6 ? "::1" : "127.0.0.1", port };
  }

  /** Waits for one datagram and gives its traffic class. */
  async receive(): Promise<number> {
    const bytes = new Uint8Array(2048);
    const vector = BigUint64Array.of(addressOf(bytes), BigInt(bytes.length));
    const control = new Uint8Array(CONTROL_BYTES);
    // Name, its length, vectors, their count, control, its length, flags.
    const header = BigUint64Array.of(
      ...[0n, 0n, addressOf(new Uint8Array(vector.buffer)), 1n],
      ...[addressOf(control), BigInt(CONTROL_BYTES), 0n],
    );
    const length = await this.#library.symbols.recvmsg(this.#fd, header, 0);
    if (length < 0n) throw new Error("Receiving with a traffic class failed");
    // Length (8 bytes), level, type, and then one byte (IPv4) or an integer (IPv6).
    return control[16]!;
  }

  [Symbol.dispose](): void {
    this.#library.symbols.close(this.#fd);
    this.#library.close();
  }
}

function addressOf(bytes: Uint8Array<ArrayBuffer>): bigint {
  return Deno.UnsafePointer.value(Deno.UnsafePointer.of(bytes));
}
