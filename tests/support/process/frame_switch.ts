/**
 * A program that passes Ethernet frames between virtual wires as a network of some length does:
 * each pair of ends has a delay, jitter, a loss by a seed, a rate with a queue in front of it, and
 * may be cut. The kernel's own way (`netem`) is not in every kernel.
 *
 * Its arguments are the interfaces' names; the hardware address of whoever is behind the n-th of
 * them ends in n. Each line of its input is one {@linkcode WireOrder}, and is answered by a line.
 * It ends with its input.
 *
 * @module
 */
import { HEADER_BYTES as DATAGRAM_HEADERS, NarrowLink } from "../virtual/narrow_link.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";

/** What lies between two ends, each way. */
export interface Wire {
  readonly delayMs: number;
  /** At most so much more than the delay; absent: none. */
  readonly jitterMs?: number | undefined;
  /** The part of frames that is lost. */
  readonly loss: number;
  /** Bits per second of what is in frames; absent: as fast as it goes. */
  readonly rateBps?: number | undefined;
  /** What would have to wait longer than this for its turn is dropped; absent: 300 ms. */
  readonly queueMs?: number | undefined;
  /** Nothing comes through. */
  readonly isCut: boolean;
  /** Nothing of this protocol comes through, as with a firewall; absent: everything may. */
  readonly blocks?: "udp" | "tcp" | undefined;
}

/** From one end to another one; the way back is as it was. */
export interface WireOrder extends Wire {
  readonly from: number;
  readonly to: number;
}

/** Linux: packet(7), socket(7). */
const AF_PACKET = 17;
const SOCK_RAW = 3;
const ALL_PROTOCOLS = 0x0300;
const SOL_PACKET = 263;
const SOL_SOCKET = 1;
/** Frames carry what their sender left to the hardware: checksums, cutting into segments. */
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
/** Past what others may have. */
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const POLLIN = 1;

/** Of the header that `PACKET_VNET_HDR` asks for. */
const HEADER_BYTES = 10;
const ETHERNET_BYTES = 14;
/** What of a frame is not counted by {@linkcode NarrowLink}, which adds its own headers. */
const AROUND_BYTES = HEADER_BYTES + ETHERNET_BYTES + DATAGRAM_HEADERS;
const QUEUE_MS = 300;
/** Where the last byte of the destination stands. */
const DESTINATION_AT = HEADER_BYTES + 5;
/** Where an IPv4 packet says what it carries, and what it says. */
const PROTOCOL_AT = HEADER_BYTES + ETHERNET_BYTES + 9;
const PROTOCOL = { tcp: 6, udp: 17 } as const;
/** A frame that the sender's kernel would have cut, and more. */
const LARGEST_FRAME = 70_000;
const BUFFER_BYTES = 4 << 20;
/** Frames taken from one end before the others have their turn. */
const TURN = 32;

const { symbols: libc } = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  if_nametoindex: { parameters: ["buffer"], result: "u32" },
  recv: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  send: { parameters: ["i32", "buffer", "usize", "i32"], result: "isize" },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
});

const NO_WIRE: Wire = { delayMs: 0, loss: 0, isCut: false };

/** One direction between two ends. */
class Way {
  #wire = NO_WIRE;
  readonly #link: NarrowLink;
  /** Under way, in the order in which they left. */
  readonly #frames: { readonly due: number; readonly bytes: Uint8Array<ArrayBuffer> }[] = [];

  constructor(seed: number, readonly socket: number) {
    this.#link = new NarrowLink(new SeededRandom(seed));
  }

  set wire(wire: Wire) {
    this.#wire = wire;
    const { delayMs, jitterMs = 0, loss, rateBps = Infinity, queueMs = QUEUE_MS } = wire;
    Object.assign(this.#link, { delayMs, jitterMs, loss, rateBps, queueMs });
  }

  take(frame: Uint8Array<ArrayBuffer>, now: number): void {
    const { isCut, blocks } = this.#wire;
    if (isCut) return;
    if (blocks !== undefined && frame[PROTOCOL_AT] === PROTOCOL[blocks]) return;
    const due = this.#link.arrival(Math.max(0, frame.length - AROUND_BYTES), now);
    if (due === undefined) return;
    if (due <= now && this.#frames.length === 0) this.#send(frame);
    else this.#frames.push({ due, bytes: frame.slice() });
  }

  /** Sends what has arrived. @returns when the next one does, ms. */
  deliver(now: number): number {
    let sent = 0;
    for (; sent < this.#frames.length && this.#frames[sent]!.due <= now; sent++) {
      if (!this.#wire.isCut) this.#send(this.#frames[sent]!.bytes);
    }
    if (sent > 0) this.#frames.splice(0, sent);
    return this.#frames[0]?.due ?? Infinity;
  }

  #send(frame: Uint8Array<ArrayBuffer>): void {
    libc.send(this.socket, frame, BigInt(frame.length), 0);
  }
}

function openEnd(name: string): number {
  const index = libc.if_nametoindex(new TextEncoder().encode(`${name}\0`));
  if (index === 0) throw new Error(`There is no interface ${name}`);
  const socket = libc.socket(AF_PACKET, SOCK_RAW, 0);
  const option = (level: number, which: number, value: number) =>
    libc.setsockopt(socket, level, which, new Uint8Array(Int32Array.of(value).buffer), 4);
  option(SOL_SOCKET, SO_SNDBUFFORCE, BUFFER_BYTES);
  option(SOL_SOCKET, SO_RCVBUFFORCE, BUFFER_BYTES);
  option(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
  const problem = option(SOL_PACKET, PACKET_VNET_HDR, 1);
  const address = new DataView(new ArrayBuffer(20));
  address.setUint16(0, AF_PACKET, true);
  address.setUint16(2, ALL_PROTOCOLS, true);
  address.setInt32(4, index, true);
  const bound = libc.bind(socket, new Uint8Array(address.buffer), address.byteLength);
  if (socket < 0 || problem !== 0 || bound !== 0) throw new Error(`Cannot open ${name}`);
  return socket;
}

/** All ends and the ways between them. */
class FrameSwitch {
  readonly #sockets: readonly number[];
  /** By sender, then by receiver. */
  readonly #ways: readonly (readonly Way[])[];
  readonly #buffer = new Uint8Array(LARGEST_FRAME);
  /** As poll(2) wants them: standard input, then all ends. */
  readonly #polled: Uint8Array<ArrayBuffer>;
  #rest = "";

  constructor(interfaces: readonly string[]) {
    this.#sockets = interfaces.map(openEnd);
    this.#ways = this.#sockets.map((_, from) =>
      this.#sockets.map((socket, to) => new Way(1000 * from + to, socket))
    );
    const polled = new DataView(new ArrayBuffer(8 * (this.#sockets.length + 1)));
    for (const [at, descriptor] of [0, ...this.#sockets].entries()) {
      polled.setInt32(8 * at, descriptor, true);
      polled.setInt16(8 * at + 4, POLLIN, true);
    }
    this.#polled = new Uint8Array(polled.buffer);
  }

  run(): void {
    const count = BigInt(this.#sockets.length + 1);
    for (;;) {
      const next = this.#deliver();
      const wait = next === Infinity ? -1 : Math.max(0, Math.ceil(next - performance.now()));
      libc.poll(this.#polled, count, wait);
      for (const [from, socket] of this.#sockets.entries()) {
        if (this.#polled[8 * (from + 1) + 6] !== 0) this.#receive(from, socket);
      }
      if (this.#polled[6] !== 0 && !this.#readOrders()) return;
    }
  }

  #deliver(): number {
    const now = performance.now();
    let next = Infinity;
    for (const ways of this.#ways) for (const way of ways) next = Math.min(next, way.deliver(now));
    return next;
  }

  #receive(from: number, socket: number): void {
    const now = performance.now();
    for (let i = 0; i < TURN; i++) {
      const length = Number(libc.recv(socket, this.#buffer, BigInt(LARGEST_FRAME), MSG_DONTWAIT));
      if (length <= DESTINATION_AT) return;
      // Nobody else is spoken to: who is where stands in everybody's table.
      this.#ways[from]![this.#buffer[DESTINATION_AT]!]?.take(this.#buffer.subarray(0, length), now);
    }
  }

  /** @returns false when there will be no more. */
  #readOrders(): boolean {
    const bytes = new Uint8Array(4096);
    const length = Deno.stdin.readSync(bytes);
    if (length === null) return false;
    const lines = (this.#rest + new TextDecoder().decode(bytes.subarray(0, length))).split("\n");
    this.#rest = lines.pop()!;
    for (const line of lines) {
      const { from, to, ...wire } = JSON.parse(line) as WireOrder;
      this.#ways[from]![to]!.wire = wire;
      console.log("done");
    }
    return true;
  }
}

if (import.meta.main) {
  const frames = new FrameSwitch(Deno.args);
  console.log("ready");
  frames.run();
}
