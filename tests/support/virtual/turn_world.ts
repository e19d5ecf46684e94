/**
 * The TURN server on virtual time with clients that speak as a real one does, written here and not
 * with the server's own writers.
 *
 * @module
 */
import { createHash, createHmac } from "node:crypto";
import { Buffer } from "node:buffer";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { TransportDrop } from "../../../lib/transport/drop_reasons.ts";
import type { StunOrigin } from "../../../lib/transport/ice/ice_directory.ts";
import type { TurnAllocation, TurnClient } from "../../../lib/transport/turn/turn_allocation.ts";
import { TurnServer, type TurnServerOptions } from "../../../lib/transport/turn/turn_server.ts";
import { VirtualPlatform } from "./virtual_platform.ts";

export const TURN_KEY = "devkey";
export const TURN_SECRET = "a-secret-of-the-turn-tests-0123456789";
/** The node's candidates. */
export const OWN_ADDRESS = "192.0.2.1";
export const OWN_PORT = 7882;

/** Types of attributes (RFC 8489 §18.3, RFC 8656 §18). */
export const ATTR = {
  username: 0x0006,
  integrity: 0x0008,
  error: 0x0009,
  channel: 0x000c,
  lifetime: 0x000d,
  peer: 0x0012,
  data: 0x0013,
  realm: 0x0014,
  nonce: 0x0015,
  relayed: 0x0016,
  family: 0x0017,
  evenPort: 0x0018,
  transport: 0x0019,
  mapped: 0x0020,
} as const;

export type Attribute = readonly [type: number, value: Uint8Array];

export const word = (value: number) =>
  Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
export const text = (value: string) => new TextEncoder().encode(value);

/** An XORed IPv4 address. */
export function xored(address: string, port: number): Uint8Array {
  const cookie = [0x21, 0x12, 0xa4, 0x42];
  const bytes = address.split(".").map((part, i) => Number(part) ^ cookie[i]!);
  const mixed = port ^ 0x2112;
  return Uint8Array.of(0, 1, mixed >> 8, mixed, ...bytes);
}

/** A message, signed with `key` if there is one. */
export function message(
  type: number,
  transaction: Uint8Array,
  attributes: readonly Attribute[],
  key?: Uint8Array,
): Uint8Array {
  const parts = attributes.map(([kind, value]) => {
    const padding = new Uint8Array((4 - value.length % 4) % 4);
    return [kind >> 8, kind, value.length >> 8, value.length, ...value, ...padding];
  }).flat();
  const header = (length: number) => [type >> 8, type, length >> 8, length];
  const rest = [0x21, 0x12, 0xa4, 0x42, ...transaction, ...parts];
  if (key === undefined) return Uint8Array.from([...header(parts.length), ...rest]);
  const signed = Uint8Array.from([...header(parts.length + 24), ...rest]);
  const mac = createHmac("sha1", key).update(signed).digest();
  return Uint8Array.from([...signed, 0, ATTR.integrity, 0, 20, ...mac]);
}

/** Attributes of an answer. */
export function attributesOf(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (let at = 20; at < bytes.length;) {
    const size = bytes[at + 2]! << 8 | bytes[at + 3]!;
    found.set(bytes[at]! << 8 | bytes[at + 1]!, bytes.slice(at + 4, at + 4 + size));
    at += 4 + (size + 3 & ~3);
  }
  return found;
}

/** What a refusal says; 0 for a success. */
export function errorOf(bytes: Uint8Array): number {
  const value = attributesOf(bytes).get(ATTR.error);
  return value === undefined ? 0 : value[2]! * 100 + value[3]!;
}

/** As LiveKit's server makes them, in whatever encoding is free of colons. */
export function credentialsOf(
  fields: readonly string[],
  secret: string,
  signed = fields,
): { readonly username: string; readonly password: string } {
  const username = Buffer.from(fields.join("|")).toString("base64url");
  const [, sid, expiry] = signed;
  const password = createHash("sha256").update([secret, sid, expiry].join("|")).digest("base64url");
  return { username, password };
}

/** ChannelData (RFC 8656 §12.4) that claims to be so long. */
export function channelData(
  channel: number,
  payload: readonly number[] | Uint8Array,
  claimed = payload.length,
): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(channel >> 8, channel & 0xff, claimed >> 8, claimed & 0xff, ...payload);
}

/** One server. */
export class TurnWorld {
  readonly platform = new VirtualPlatform(5);
  readonly drops = new DropCounters<TransportDrop>();
  /** What sessions were given. */
  readonly heard: { readonly bytes: Uint8Array; readonly origin: StunOrigin }[] = [];
  readonly server: TurnServer;

  constructor(options: Partial<TurnServerOptions> = {}) {
    this.server = new TurnServer({
      relayed: () => [OWN_ADDRESS],
      allocationsPerParticipant: 12,
      secretOf: (key) => key === TURN_KEY ? TURN_SECRET : undefined,
      isOwn: (address, port) => address === OWN_ADDRESS && (port === 0 || port === OWN_PORT),
      directory: {
        receiveStun: (bytes, length, origin) =>
          void this.heard.push({ bytes: bytes.slice(0, length), origin }),
      },
      clock: this.platform.clock,
      random: this.platform.random,
      drops: this.drops,
      ...options,
    });
  }

  client(hostname = "198.51.100.7", port = 40_000): TurnTestClient {
    return new TurnTestClient(this, hostname, port);
  }

  /** Credentials that are good for 300 s. */
  credentials(sid = "PA_ann"): { readonly username: string; readonly password: string } {
    const expiry = Math.floor(this.platform.clock.wallMs() / 1000) + 300;
    return credentialsOf([TURN_KEY, sid, String(expiry)], TURN_SECRET);
  }
}

/** One address over UDP. */
class TurnTestClient implements TurnClient {
  readonly protocol = "udp";
  readonly remote;
  allocation: TurnAllocation | undefined;
  isKept = false;
  readonly received: Uint8Array[] = [];
  #nonce = "";
  #transactions = 0;
  readonly #out = new Uint8Array(1536);

  constructor(readonly world: TurnWorld, hostname: string, port: number) {
    this.remote = { transport: "udp", hostname, port } as const;
  }

  send(bytes: Uint8Array, length: number): boolean {
    this.received.push(bytes.slice(0, length));
    return true;
  }

  reserve(): Uint8Array {
    return this.#out;
  }

  commit(length: number): void {
    this.send(this.#out, length);
  }

  kept(isKept: boolean): void {
    this.isKept = isKept;
  }

  /** Gives the server bytes as they come. */
  give(bytes: Uint8Array): void {
    const { clock } = this.world.platform;
    this.world.server.receive(bytes.slice(), bytes.length, this, clock.now(), clock.nowUs());
  }

  transaction(): Uint8Array {
    return Uint8Array.from([...word(++this.#transactions), ...new Uint8Array(8).fill(7)]);
  }

  /** Sends bytes and gives what was answered to them. */
  ask(bytes: Uint8Array): Uint8Array | undefined {
    const before = this.received.length;
    this.give(bytes);
    return this.received[before];
  }

  /** A request with credentials; the nonce is asked for where there is none. */
  request(
    type: number,
    attributes: readonly Attribute[],
    { username, password } = this.world.credentials(),
    transaction = this.transaction(),
  ): Uint8Array {
    if (this.#nonce === "") {
      const answer = this.ask(message(type, this.transaction(), attributes))!;
      this.#nonce = new TextDecoder().decode(attributesOf(answer).get(ATTR.nonce));
    }
    const key = createHash("md5").update(`${username}:livekit:${password}`).digest();
    const all: Attribute[] = [
      ...attributes,
      [ATTR.username, text(username)],
      [ATTR.realm, text("livekit")],
      [ATTR.nonce, text(this.#nonce)],
    ];
    return message(type, transaction, all, key);
  }

  /** Has an allocation from now on. */
  allocate(credentials = this.world.credentials()): Uint8Array {
    return this.ask(this.request(0x0003, [[ATTR.transport, word(17 << 24)]], credentials))!;
  }
}
