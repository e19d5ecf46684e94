/**
 * A TURN server whose only peer is the process it is in (RFC 8656): what clients send to one of
 * this node's own candidates goes straight to the session there, and the answers back. There are no
 * relay sockets, so nobody reaches anything else through it.
 *
 * Contract: sans-IO; whoever carries it gives each message with its client and sends what that is
 * given. Who has not proved a participant's credentials leaves no memory behind and gets a bounded
 * number of small answers. Nothing in a message throws.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Clock, Random } from "../../base/platform.ts";
import { datagramKind } from "../../wire/datagram_kind.ts";
import { formatIpAddress, parseIpAddress, peerBlock } from "../../wire/ip_address.ts";
import { verifyIntegrity } from "../../wire/stun.ts";
import {
  CHANNEL_HEADER_BYTES,
  FAMILY_IPV4,
  FAMILY_IPV6,
  isChannelByte,
  isChannelNumber,
  parseTurn,
  STUN_CLASS,
  TRANSPORT_UDP,
  TURN_METHOD,
  type TurnAddress,
  type TurnErrorCode,
  type TurnMessage,
  TurnWriter,
} from "../../wire/turn_message.ts";
import { SourceAllowance } from "../datagrams/source_allowance.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { StunReceiver } from "../ice/ice_directory.ts";
import { peerKey, TurnAllocation, type TurnClient, type TurnOwner } from "./turn_allocation.ts";
import { readTurnUser, TURN_REALM, turnMac } from "./turn_credentials.ts";
import { TurnNonces } from "./turn_nonce.ts";
import { TURN_SCRATCH_BYTES, TurnPath, type TurnPathHost } from "./turn_path.ts";

/** What the server hangs on. */
export interface TurnServerOptions {
  /** Our literal addresses now; the first of each family is what relayed addresses show. */
  readonly relayed: () => readonly string[];
  /** Allocations of one participant; 0 for any number. */
  readonly allocationsPerParticipant: number;
  /** Of all; absent: as many as there are ports to be shown. */
  readonly mostAllocations?: number;
  /** Of one network, those not counted that a session has a path by; absent: 2,048. */
  readonly mostUnusedOfNetwork?: number;
  readonly secretOf: (apiKey: string) => string | undefined;
  /** Whether an address and port is one of this node's candidates over UDP. */
  readonly isOwn: (address: string, port: number) => boolean;
  /** Where STUN for sessions goes. */
  readonly directory: StunReceiver;
  readonly clock: Clock;
  readonly random: Random;
  readonly drops: DropSink<TransportDrop>;
}

/** Seconds (RFC 8656 §7.2). */
const DEFAULT_LIFETIME = 600;
const MAX_LIFETIME = 3_600;
/** Ports that relayed addresses show. None is bound. */
const FIRST_PORT = 49_152;
const LAST_PORT = 65_535;
/** An office joins at once: two connections of each, and some addresses to try. */
const STRANGERS = { atOnce: 400, perSecond: 100, places: 4096 };
/** An office has some for each of its people; over TLS each keeps a connection. */
const MOST_UNUSED_OF_NETWORK = 2_048;
/** How often all are looked through at most because one network has many, ms. */
const LOOK_MS = 1_000;
/** How often those are looked for that are over, ms. */
const SWEEP_MS = 5_000;

/** All allocations of one node. */
export class TurnServer implements TurnPathHost {
  readonly scratch: Uint8Array = new Uint8Array(TURN_SCRATCH_BYTES);
  readonly #options: TurnServerOptions;
  readonly #nonces: TurnNonces;
  readonly #strangers = new SourceAllowance(STRANGERS);
  readonly #writer = new TurnWriter();
  /** The oldest first. */
  readonly #allocations = new Set<TurnAllocation>();
  /** By participant. */
  readonly #counts = new Map<string, number>();
  /** Allocations by network, and from when on all are looked through again for its sake. */
  readonly #networks = new Map<string, { count: number; lookAt: number }>();
  readonly #usedPorts = new Set<number>();
  #nextPort = FIRST_PORT;
  #sweepAt = 0;
  #now = 0;

  constructor(options: TurnServerOptions) {
    this.#options = options;
    this.#nonces = new TurnNonces(options.random);
  }

  /** Allocations there are. */
  get size(): number {
    return this.#allocations.size;
  }

  now(): number {
    return this.#options.clock.now();
  }

  /**
   * Takes a message of `client`, whole: STUN, or a channel's.
   *
   * @param bytes Valid during the call; changed in place.
   */
  receive(bytes: Uint8Array, length: number, client: TurnClient, now: number, nowUs: number): void {
    this.#now = now;
    if (now >= this.#sweepAt) this.#sweep(now);
    if (length >= CHANNEL_HEADER_BYTES && isChannelByte(bytes[0]!)) {
      return this.#receiveChannel(bytes, length, client, nowUs);
    }
    const message = parseTurn(bytes, length);
    if (message === undefined) return this.#options.drops.count("turn_malformed");
    if (message.messageClass === STUN_CLASS.indication) {
      return this.#receiveIndication(message, bytes, client, nowUs);
    }
    if (message.messageClass !== STUN_CLASS.request) {
      return this.#options.drops.count("turn_unexpected_type");
    }
    if (message.method === TURN_METHOD.binding) return this.#bindingRequest(message, bytes, client);
    const owner = this.#prove(message, bytes, client);
    if (owner !== undefined) this.#request(message, bytes, client, owner);
  }

  /** The client is gone, and all it has. */
  clientGone(client: TurnClient): void {
    if (client.allocation !== undefined) this.#end(client.allocation);
  }

  /** Ends every allocation. */
  close(): void {
    for (const allocation of [...this.#allocations]) this.#end(allocation);
  }

  #receiveChannel(bytes: Uint8Array, length: number, client: TurnClient, nowUs: number): void {
    const { drops } = this.#options;
    const size = bytes[2]! << 8 | bytes[3]!;
    const peer = this.#live(client)?.peerOf(bytes[0]! << 8 | bytes[1]!, this.#now);
    if (peer === undefined) return drops.count("turn_unknown_channel");
    if (size > length - CHANNEL_HEADER_BYTES) return drops.count("turn_malformed");
    bytes.copyWithin(0, CHANNEL_HEADER_BYTES, CHANNEL_HEADER_BYTES + size);
    this.#toSession(client.allocation!, peer, bytes, size, nowUs);
  }

  #receiveIndication(
    message: TurnMessage,
    bytes: Uint8Array,
    client: TurnClient,
    nowUs: number,
  ): void {
    const { drops } = this.#options;
    const { method, peers: [peer], dataOffset, dataLength } = message;
    if (method === TURN_METHOD.binding) return; // keeps a NAT's entry alive
    if (method !== TURN_METHOD.send) return drops.count("turn_unexpected_type");
    const allocation = this.#live(client);
    if (allocation === undefined) return drops.count("turn_no_allocation");
    if (peer === undefined || dataOffset < 0) return drops.count("turn_malformed");
    if (!allocation.isPermitted(peer.address, this.#now) || !this.#isOwn(peer)) {
      return drops.count("turn_not_permitted");
    }
    bytes.copyWithin(0, dataOffset, dataOffset + dataLength);
    this.#toSession(allocation, peer, bytes, dataLength, nowUs);
  }

  /** Hands a datagram over as if it had come from the relayed address. */
  #toSession(
    allocation: TurnAllocation,
    peer: TurnAddress,
    bytes: Uint8Array,
    length: number,
    nowUs: number,
  ): void {
    const { drops, directory } = this.#options;
    const path = this.#path(allocation, peer);
    if (path === undefined) return drops.count("turn_not_permitted");
    const kind = datagramKind(bytes, length);
    if (kind === "stun") directory.receiveStun(bytes, length, path, this.#now);
    else if (path.owner === undefined) drops.count("turn_not_validated");
    else if (kind === "other") drops.count("turn_unknown_protocol");
    else path.owner.receive(kind, bytes, length, path, this.#now, nowUs);
  }

  #path(allocation: TurnAllocation, peer: TurnAddress): TurnPath | undefined {
    const key = peerKey(peer);
    return allocation.path(key, () => {
      const relayed = allocation.relayedFor(peer.address) ?? allocation.relayed[0]!;
      const hostname = formatIpAddress(relayed.address);
      return new TurnPath(key, allocation, peer, hostname, relayed.port, this);
    });
  }

  #bindingRequest(message: TurnMessage, bytes: Uint8Array, client: TurnClient): void {
    if (!this.#strangers.take(client.remote.hostname, this.#now)) {
      return this.#options.drops.count("turn_answers_limited");
    }
    if (message.unknownRequired.length > 0) return this.#refuse(message, bytes, client, 420);
    this.#writer.begin(bytes, TURN_METHOD.binding, STUN_CLASS.success);
    this.#mapped(client);
    this.#answer(message, client, undefined);
  }

  /** Who asks, if it proves that (RFC 8489 §9.2.4); otherwise it has been told what is missing. */
  #prove(message: TurnMessage, bytes: Uint8Array, client: TurnClient): TurnOwner | undefined {
    const { hostname } = client.remote;
    const { username, realm, nonce } = message;
    const isProven = message.integrityOffset >= 0;
    if (isProven && (username === undefined || realm === undefined || nonce === undefined)) {
      return this.#refuseStranger(message, bytes, client, 400);
    }
    if (!isProven || username === undefined || nonce === undefined) {
      return this.#refuseStranger(message, bytes, client, 401);
    }
    if (!this.#nonces.isFresh(nonce, hostname, this.#now)) {
      return this.#refuseStranger(message, bytes, client, 438);
    }
    // As LiveKit's server answers to allocations with wrong credentials; RFC 8489 would ask again.
    const wrong = message.method === TURN_METHOD.allocate ? 400 : 401;
    const known = this.#live(client)?.owner;
    if (known?.username === username) {
      if (verifyIntegrity(bytes, message, known.mac)) return known;
      return this.#refuseStranger(message, bytes, client, wrong);
    }
    const user = readTurnUser(username);
    const secret = user && this.#options.secretOf(user.apiKey);
    if (user === undefined || secret === undefined) {
      return this.#refuseStranger(message, bytes, client, wrong);
    }
    const mac = turnMac(username, user, secret);
    if (!verifyIntegrity(bytes, message, mac)) {
      return this.#refuseStranger(message, bytes, client, wrong);
    }
    const isExpired = this.#options.clock.wallMs() >= user.expiresAt * 1000;
    if (isExpired && message.method === TURN_METHOD.allocate) {
      return this.#refuseStranger(message, bytes, client, 400);
    }
    return { client, username, sid: user.sid, mac };
  }

  #request(message: TurnMessage, bytes: Uint8Array, client: TurnClient, owner: TurnOwner): void {
    const { mac } = owner;
    if (message.unknownRequired.length > 0) return this.#refuse(message, bytes, client, 420, mac);
    if (message.method === TURN_METHOD.allocate) {
      return this.#allocate(message, bytes, client, owner);
    }
    const allocation = this.#live(client);
    if (allocation === undefined) return this.#refuse(message, bytes, client, 437, mac);
    if (allocation.owner.username !== owner.username) {
      return this.#refuse(message, bytes, client, 441, mac);
    }
    switch (message.method) {
      case TURN_METHOD.refresh:
        return this.#refresh(message, bytes, allocation);
      case TURN_METHOD.createPermission:
        return this.#permit(message, bytes, allocation);
      case TURN_METHOD.channelBind:
        return this.#bind(message, bytes, allocation);
      default:
        return this.#refuse(message, bytes, client, 400, mac);
    }
  }

  #allocate(message: TurnMessage, bytes: Uint8Array, client: TurnClient, owner: TurnOwner): void {
    const { mac, sid } = owner;
    const refuse = (code: TurnErrorCode) => this.#refuse(message, bytes, client, code, mac);
    const transaction = String.fromCharCode(...bytes.subarray(8, 20));
    const known = this.#live(client);
    if (known !== undefined) {
      return known.transaction === transaction && known.owner.username === owner.username
        ? this.#allocated(message, bytes, known)
        : refuse(437);
    }
    if (message.requestedTransport === undefined) return refuse(400);
    if (message.requestedTransport !== TRANSPORT_UDP) return refuse(442);
    const { requestedFamily = FAMILY_IPV4, additionalFamily } = message;
    if (message.requestedFamily !== undefined && additionalFamily !== undefined) return refuse(400);
    if (additionalFamily !== undefined && additionalFamily !== FAMILY_IPV6) return refuse(400);
    // Two ports next to each other mean nothing where none is bound.
    if (message.hasReservationToken || message.evenPort === "even_and_next") return refuse(508);
    const families = additionalFamily === undefined
      ? [requestedFamily]
      : [FAMILY_IPV4, FAMILY_IPV6];
    const addresses = families.flatMap((family) => this.#addressOf(family) ?? []);
    if (addresses.length === 0) return refuse(440);
    const limit = this.#options.allocationsPerParticipant;
    if (limit > 0 && (this.#counts.get(sid) ?? 0) >= limit) return refuse(486);
    this.#makeRoom(client);
    const port = this.#takePort(message.evenPort === undefined ? 1 : 2);
    if (port === undefined) return refuse(508);
    const relayed = addresses.map((address) => ({ address, port }));
    const until = this.#now + lifetimeOf(message) * 1000;
    const allocation = new TurnAllocation(owner, transaction, relayed, until);
    this.#counts.set(sid, (this.#counts.get(sid) ?? 0) + 1);
    const network = this.#networks.get(allocation.block);
    if (network === undefined) this.#networks.set(allocation.block, { count: 1, lookAt: 0 });
    else network.count++;
    this.#allocations.add(allocation);
    client.allocation = allocation;
    client.kept(true);
    this.#allocated(message, bytes, allocation);
  }

  #allocated(message: TurnMessage, bytes: Uint8Array, allocation: TurnAllocation): void {
    const { client, mac } = allocation.owner;
    this.#writer.begin(bytes, TURN_METHOD.allocate, STUN_CLASS.success);
    for (const { address, port } of allocation.relayed) this.#writer.relayedAddress(address, port);
    const both = message.additionalFamily !== undefined;
    if (both && allocation.relayed.every(({ address }) => address.length === 4)) {
      this.#writer.addressError(FAMILY_IPV6, 440);
    }
    this.#writer.lifetime(Math.max(0, Math.ceil((allocation.until - this.#now) / 1000)));
    this.#mapped(client);
    this.#answer(message, client, mac);
  }

  #refresh(message: TurnMessage, bytes: Uint8Array, allocation: TurnAllocation): void {
    const { client, mac } = allocation.owner;
    const { requestedFamily } = message;
    if (requestedFamily !== undefined && !hasFamily(allocation, requestedFamily)) {
      return this.#refuse(message, bytes, client, 443, mac);
    }
    const lifetime = message.lifetime === 0 ? 0 : lifetimeOf(message);
    if (lifetime === 0) this.#end(allocation);
    else allocation.until = this.#now + lifetime * 1000;
    this.#writer.begin(bytes, TURN_METHOD.refresh, STUN_CLASS.success).lifetime(lifetime);
    this.#answer(message, client, mac);
  }

  #permit(message: TurnMessage, bytes: Uint8Array, allocation: TurnAllocation): void {
    const { client, mac } = allocation.owner;
    const { peers } = message;
    const code = peers.length === 0 ? 400 : this.#peersRefused(allocation, peers, false);
    if (code !== undefined) return this.#refuse(message, bytes, client, code, mac);
    for (const { address } of peers) {
      if (allocation.permit(address, this.#now)) continue;
      return this.#refuse(message, bytes, client, 508, mac);
    }
    this.#writer.begin(bytes, TURN_METHOD.createPermission, STUN_CLASS.success);
    this.#answer(message, client, mac);
  }

  #bind(message: TurnMessage, bytes: Uint8Array, allocation: TurnAllocation): void {
    const { client, mac } = allocation.owner;
    const { channel, peers } = message;
    const isChannel = channel !== undefined && isChannelNumber(channel);
    const code = !isChannel || peers.length !== 1
      ? 400
      : this.#peersRefused(allocation, peers, true);
    if (code !== undefined) return this.#refuse(message, bytes, client, code, mac);
    const [peer] = peers;
    if (!allocation.bind(channel!, peer!, this.#now)) {
      return this.#refuse(message, bytes, client, 400, mac);
    }
    if (!allocation.permit(peer!.address, this.#now)) {
      return this.#refuse(message, bytes, client, 508, mac);
    }
    this.#writer.begin(bytes, TURN_METHOD.channelBind, STUN_CLASS.success);
    this.#answer(message, client, mac);
  }

  /** Why these cannot be talked to; permissions are for addresses, whatever the port. */
  #peersRefused(
    allocation: TurnAllocation,
    peers: readonly TurnAddress[],
    withPort: boolean,
  ): TurnErrorCode | undefined {
    for (const peer of peers) {
      if (allocation.relayedFor(peer.address) === undefined) return 443;
      if (this.#isOwn(peer, withPort)) continue;
      this.#options.drops.count("turn_foreign_peer");
      return 403;
    }
    return undefined;
  }

  #isOwn({ address, port }: TurnAddress, withPort = true): boolean {
    return this.#options.isOwn(formatIpAddress(address), withPort ? port : 0);
  }

  /** Asks for credentials, or says what is wrong with them; as often as a stranger may be told. */
  #refuseStranger(
    message: TurnMessage,
    bytes: Uint8Array,
    client: TurnClient,
    code: TurnErrorCode,
  ): undefined {
    const { drops } = this.#options;
    if (message.integrityOffset >= 0) drops.count("turn_wrong_credentials");
    if (!this.#strangers.take(client.remote.hostname, this.#now)) {
      return void drops.count("turn_answers_limited");
    }
    this.#writer.begin(bytes, message.method, STUN_CLASS.error).error(code);
    if (code !== 400) {
      this.#writer.realm(TURN_REALM);
      this.#writer.nonce(this.#nonces.give(client.remote.hostname, this.#now));
    }
    this.#answer(message, client, undefined);
  }

  #refuse(
    message: TurnMessage,
    bytes: Uint8Array,
    client: TurnClient,
    code: TurnErrorCode,
    mac?: TurnOwner["mac"],
  ): void {
    this.#writer.begin(bytes, message.method, STUN_CLASS.error).error(code);
    if (code === 420) this.#writer.unknownAttributes(message.unknownRequired);
    this.#answer(message, client, mac);
  }

  #mapped(client: TurnClient): void {
    const { hostname, port } = client.remote;
    const address = parseIpAddress(hostname);
    if (address !== undefined) this.#writer.mappedAddress(address, port);
  }

  #answer(message: TurnMessage, client: TurnClient, mac: TurnOwner["mac"] | undefined): void {
    const length = this.#writer.end(mac, message.hasFingerprint);
    client.send(this.#writer.bytes, length);
  }

  #live(client: TurnClient): TurnAllocation | undefined {
    const { allocation } = client;
    if (allocation === undefined || this.#now < allocation.until) return allocation;
    this.#end(allocation);
    return undefined;
  }

  #end(allocation: TurnAllocation): void {
    if (!this.#allocations.delete(allocation)) return;
    const { client, sid } = allocation.owner;
    this.#usedPorts.delete(allocation.relayed[0]!.port);
    const left = (this.#counts.get(sid) ?? 1) - 1;
    if (left > 0) this.#counts.set(sid, left);
    else this.#counts.delete(sid);
    const network = this.#networks.get(allocation.block)!;
    if (--network.count === 0) this.#networks.delete(allocation.block);
    client.allocation = undefined;
    client.kept(false);
    allocation.end();
  }

  #sweep(now: number): void {
    this.#sweepAt = now + SWEEP_MS;
    for (const allocation of [...this.#allocations]) {
      if (now >= allocation.until) this.#end(allocation);
    }
  }

  /**
   * Whoever comes back is another participant, and its allocations last for an hour: where there
   * are too many, the oldest that carry nothing end, of the newcomer's own network if some do.
   */
  #makeRoom({ remote }: TurnClient): void {
    const { mostUnusedOfNetwork = MOST_UNUSED_OF_NETWORK } = this.#options;
    const block = peerBlock(remote.hostname);
    const network = this.#networks.get(block);
    const isFull = this.#allocations.size >= this.#most;
    const isLarge = network !== undefined && network.count >= mostUnusedOfNetwork &&
      this.#now >= network.lookAt;
    if (!isFull && !isLarge) return;
    if (network !== undefined) network.lookAt = this.#now + LOOK_MS;
    const unused = [...this.#allocations].filter(({ isUsed }) => !isUsed);
    const own = unused.filter((allocation) => allocation.block === block);
    const tooMany = own.slice(0, Math.max(0, own.length + 1 - mostUnusedOfNetwork));
    if (isFull && tooMany.length === 0) {
      // Several at once, so that not every newcomer costs a look at all.
      const several = Math.max(1, this.#most >> 8);
      tooMany.push(...(own.length > 0 ? own : unused).slice(0, several));
    }
    for (const allocation of tooMany) {
      this.#options.drops.count("turn_allocation_gave_way");
      this.#end(allocation);
    }
  }

  get #most(): number {
    return this.#options.mostAllocations ?? LAST_PORT - FIRST_PORT + 1;
  }

  /** A port that nobody has, and that `divisor` divides. */
  #takePort(divisor: number): number | undefined {
    if (this.#allocations.size >= this.#most) return undefined;
    for (let tries = FIRST_PORT; tries <= LAST_PORT; tries++) {
      const port = this.#nextPort;
      this.#nextPort = port === LAST_PORT ? FIRST_PORT : port + 1;
      if (port % divisor !== 0 || this.#usedPorts.has(port)) continue;
      this.#usedPorts.add(port);
      return port;
    }
    return undefined;
  }

  #addressOf(family: number): Uint8Array | undefined {
    const bytes = family === FAMILY_IPV4 ? 4 : family === FAMILY_IPV6 ? 16 : -1;
    return this.#options.relayed().map(parseIpAddress)
      .find((address) => address?.length === bytes);
  }
}

/** Seconds, within what there may be. */
function lifetimeOf({ lifetime = DEFAULT_LIFETIME }: TurnMessage): number {
  return Math.min(MAX_LIFETIME, Math.max(DEFAULT_LIFETIME, lifetime));
}

function hasFamily({ relayed }: TurnAllocation, family: number): boolean {
  const bytes = family === FAMILY_IPV4 ? 4 : 16;
  return relayed.some(({ address }) => address.length === bytes);
}
