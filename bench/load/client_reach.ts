/**
 * The ways on which a load's clients reach the server's media: datagrams, ICE over TCP, or the TURN
 * server of the node over UDP or TLS. All but the first read in the event loop of this process, so
 * their latencies include its own delays.
 *
 * @module
 */
import type { MediaAddress } from "../../lib/base/media_vocabulary.ts";
import { TurnSplitter } from "../../lib/wire/turn_framing.ts";
import { word } from "../../tests/support/virtual/turn_world.ts";
import {
  allocateChannels,
  FIRST_CHANNEL,
  type TurnAccount,
} from "../../tests/support/wire/turn_dialogue.ts";
import {
  type ClientSocket,
  type ClientSockets,
  isRtp,
  isRtpOrRtcp,
  MAX_DATAGRAM_BYTES,
} from "./client_sockets.ts";
import { openPortableSocket } from "./portable_sockets.ts";

export const REACHES = ["udp", "tcp", "turn-udp", "turn-tls"] as const;
export type Reach = (typeof REACHES)[number];

/** A TURN server as clients are told of it. */
export interface RelayServer extends TurnAccount {
  readonly urls: readonly string[];
}

/** What a way needs. */
export interface ReachParts {
  readonly sockets: ClientSockets;
  readonly reach: Reach;
  readonly relays: readonly RelayServer[];
  readonly tls: RelayTls | undefined;
}

/** Where the TURN server listens for TLS, as clients are told of the usual port; and who it is. */
export interface RelayTls {
  readonly port: number;
  /** PEM. */
  readonly certificate: string;
}

const LOOPBACK = "127.0.0.1";
const CHANNEL_BYTES = 4;
/** A TLS record's worth at once. */
const READ_BYTES = 64 * 1024;

/** What is sent and heard below a relay: messages of TURN. */
type Carrier = Pick<ClientSocket, "localPort" | "ended" | "send" | "close" | "onDatagram">;

/** Opens the way to one of the server's candidates. */
export async function openReach(parts: ReachParts, server: MediaAddress): Promise<ClientSocket> {
  const { sockets, reach } = parts;
  if (reach === "udp") return await sockets.open(server);
  if (reach === "tcp") return await openPortableSocket(server, sockets);
  const relay = parts.relays.find(({ urls }) => urls.some((url) => wayOf(url) === reach));
  const url = relay?.urls.find((url) => wayOf(url) === reach);
  if (relay === undefined || url === undefined) throw new Error(`no relay over ${reach}`);
  const [, hostname = "", port = ""] = /^turns?:([^:?]+):(\d+)/.exec(url) ?? [];
  const carrier = reach === "turn-udp"
    ? await sockets.open({ protocol: "udp", hostname, port: Number(port) })
    : await openTls(hostname, parts);
  const relayed = new RelayedSocket(carrier, sockets);
  await relayed.allocate(relay, server);
  return relayed;
}

function wayOf(url: string): Reach | undefined {
  if (url.startsWith("turns:")) return "turn-tls";
  return url.endsWith("transport=udp") && url.includes(LOOPBACK) ? "turn-udp" : undefined;
}

/** TURN over TLS to a server on this machine, whatever it is called. */
async function openTls(hostname: string, { sockets, tls }: ReachParts): Promise<Carrier> {
  if (tls === undefined) throw new Error("nobody has said where TLS is");
  const plain = await Deno.connect({ hostname: LOOPBACK, port: tls.port });
  plain.setNoDelay(true);
  const conn = await Deno.startTls(plain, { hostname, caCerts: [tls.certificate] });
  let lastSend: Promise<unknown> = Promise.resolve();
  const splitter = new TurnSplitter(MAX_DATAGRAM_BYTES);
  const read = async () => {
    const chunk = new Uint8Array(READ_BYTES);
    for (;;) {
      const length = await conn.read(chunk).catch(() => null);
      if (length === null) return;
      const at = sockets.now();
      const isWhole = splitter.push(
        chunk,
        length,
        (bytes, size) => carrier.onDatagram(bytes.slice(0, size), at),
      );
      if (!isWhole) throw new Error("what the relay sent is no TURN");
    }
  };
  const carrier: Carrier = {
    localPort: (plain.localAddr as Deno.NetAddr).port,
    ended: Promise.resolve(),
    onDatagram: () => {},
    send: (bytes) => {
      const padded = new Uint8Array(bytes.length + 3 & ~3);
      padded.set(bytes);
      lastSend = lastSend.then(() => writeAll(conn, padded)).catch(() => {});
      return lastSend as Promise<void>;
    },
    close: () => {
      try {
        conn.close();
      } catch {
        // The server was faster.
      }
    },
  };
  return Object.assign(carrier, { ended: read() });
}

async function writeAll(conn: Deno.TlsConn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

/** A socket whose datagrams go through one channel of a relay. */
class RelayedSocket implements ClientSocket {
  onDatagram: ClientSocket["onDatagram"] = () => {};
  onRtp: ClientSocket["onRtp"];
  onRtcp: ClientSocket["onRtcp"] = () => {};
  readonly #carrier: Carrier;
  readonly #sockets: ClientSockets;
  #onAnswer: (bytes: Uint8Array) => void = () => {};

  constructor(carrier: Carrier, sockets: ClientSockets) {
    this.#carrier = carrier;
    this.#sockets = sockets;
    this.onRtp = (bytes, offset, length, at) => sockets.onRtp(bytes, offset, length, at);
    carrier.onDatagram = (bytes, at) => this.#receive(bytes, at);
  }

  get localPort(): number {
    return this.#carrier.localPort;
  }

  get ended(): Promise<void> {
    return this.#carrier.ended;
  }

  /** Allocates, and binds a channel to `peer`. */
  allocate(relay: RelayServer, peer: MediaAddress): Promise<void> {
    return allocateChannels((request) => this.#ask(request), relay, [peer]);
  }

  send(bytes: Uint8Array): Promise<void> {
    const wrapped = new Uint8Array(CHANNEL_BYTES + bytes.length);
    wrapped.set(word(FIRST_CHANNEL << 16 | bytes.length));
    wrapped.set(bytes, CHANNEL_BYTES);
    return this.#carrier.send(wrapped);
  }

  sendBurst(slots: readonly Uint8Array[], lengths: ArrayLike<number>, count: number): number {
    const leftAt = this.#sockets.now();
    for (let i = 0; i < count; i++) this.send(slots[i]!.subarray(0, lengths[i]!));
    return leftAt;
  }

  close(): void {
    this.#carrier.close();
  }

  #receive(bytes: Uint8Array, at: number): void {
    if (bytes[0]! < FIRST_CHANNEL >> 8) return this.#onAnswer(bytes);
    const length = bytes[2]! << 8 | bytes[3]!;
    const first = bytes[CHANNEL_BYTES]!;
    if (!isRtpOrRtcp(first)) {
      this.onDatagram(bytes.subarray(CHANNEL_BYTES, CHANNEL_BYTES + length), at);
    } else if (isRtp(first, bytes[CHANNEL_BYTES + 1]!)) {
      this.onRtp(bytes, CHANNEL_BYTES, length, at);
    } else this.onRtcp(bytes, CHANNEL_BYTES, length, at);
  }

  /** Nothing is lost on loopback before media flows. */
  async #ask(request: Uint8Array): Promise<Uint8Array> {
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    this.#onAnswer = resolve;
    await this.#carrier.send(request);
    return await promise;
  }
}
