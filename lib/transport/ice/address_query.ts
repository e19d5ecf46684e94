/**
 * Finds out under which address one socket is reached from outside (RFC 8489 §6): asks STUN
 * servers from it, and then proves the answer by sending a datagram there and waiting for it to
 * come back to the socket.
 *
 * Contract: pure but for what it is given; it says by {@linkcode AddressQuery.nextWakeAt} when it
 * wants to be woken, and calls `done` once. An answer is believed only if it is to a request of
 * ours, from the server that was asked, and names an address that can be ours; everything else is
 * counted and changes nothing, so whoever guesses, repeats or forges can at most be ignored.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { Random } from "../../base/platform.ts";
import { formatIpAddress, isPublicAddress, parseIpAddress } from "../../wire/ip_address.ts";
import {
  BINDING_ERROR,
  BINDING_REQUEST,
  BINDING_SUCCESS,
  isOfTransaction,
  parseStun,
  STUN_HEADER_BYTES,
  TRANSACTION_BYTES,
} from "../../wire/stun.ts";
import { readMappedAddress, stunQuery } from "../../wire/stun_query.ts";
import type { RemoteAddress } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";

/** When one server is asked, ms after the first time: RFC 8489 §6.2.1, for an impatient client. */
const ASK_AT_MS = [0, 500, 1_500, 3_500] as const;
/** A server that has not answered for so long is not waited for alone any more, ms. */
const NEXT_SERVER_MS = 500;
/** Nobody is waited for longer, ms; LiveKit's server waits as long. */
const ASK_LIMIT_MS = 5_000;
/** When the way back is tried, ms after the answer, and until when. */
const PROVE_AT_MS = [0, 250, 750] as const;
const PROVE_LIMIT_MS = 1_500;
/** First bytes of addresses of groups and of none at all. */
const FIRST_GROUP_IPV4 = 224;
const GROUP_IPV6 = 0xff;

/** What was found out. */
export interface FoundAddress {
  /** Literal. */
  readonly address: string;
  /** The port under which the server saw the socket; not the socket's own if a NAT changes it. */
  readonly port: number;
  /** A datagram to it, at the socket's own port, came back; or it is the socket's own. */
  readonly isProven: boolean;
}

/** What a query needs. */
export interface AddressQueryOptions {
  /** Where the socket is bound: a literal address, and the port that clients are to reach. */
  readonly local: { readonly hostname: string; readonly port: number };
  /** Asked in this order, literal addresses of the socket's family. */
  readonly servers: readonly { readonly hostname: string; readonly port: number }[];
  /**
   * Sends from another socket of the same address, so that the way back is tried as a stranger
   * would. Absent: nothing is proven.
   */
  readonly sendBeside: ((bytes: Uint8Array, to: RemoteAddress) => void) | undefined;
  /** Sends from the socket itself. */
  readonly send: (bytes: Uint8Array, to: RemoteAddress) => void;
  readonly random: Random;
  readonly drops: DropSink<TransportDrop>;
  /** Told once; `undefined` if nobody gave an answer that can be used. */
  readonly done: (found: FoundAddress | undefined) => void;
}

/** One server and what it is asked. */
interface Asked {
  readonly remote: RemoteAddress;
  /** As bytes, to tell who answers. */
  readonly address: Uint8Array | undefined;
  readonly request: Uint8Array<ArrayBuffer>;
  readonly beginsAt: number;
  sent: number;
  /** It answered, and the answer cannot be used. */
  isOut: boolean;
}

/** One socket's question. `done` is called once, at the latest after 6.5 s. */
export class AddressQuery {
  /** When {@linkcode AddressQuery.wake} is to be called, monotonic ms; `Infinity` after the end. */
  nextWakeAt: number;
  readonly #options: AddressQueryOptions;
  readonly #beganAt: number;
  readonly #asked: readonly Asked[];
  /** Set while the answer is being proven. */
  #proof: {
    readonly found: FoundAddress;
    readonly remote: RemoteAddress;
    readonly datagram: Uint8Array<ArrayBuffer>;
    readonly beganAt: number;
    sent: number;
  } | undefined;
  #isOver = false;

  /** Sends nothing until it is woken the first time, which is due at once. */
  constructor(options: AddressQueryOptions, now: number) {
    this.#options = options;
    this.#beganAt = now;
    this.nextWakeAt = now;
    this.#asked = options.servers.map(({ hostname, port }, index) => ({
      remote: { transport: "udp", hostname, port },
      address: parseIpAddress(hostname),
      request: stunQuery(options.random.bytes(TRANSACTION_BYTES)),
      beginsAt: now + index * NEXT_SERVER_MS,
      sent: 0,
      isOut: false,
    }));
  }

  /** Sends what is due. */
  wake(now: number): void {
    if (this.#isOver) return;
    if (this.#proof !== undefined) return this.#prove(now);
    if (now - this.#beganAt >= ASK_LIMIT_MS || this.#asked.every(({ isOut }) => isOut)) {
      return this.#end(undefined);
    }
    let next = this.#beganAt + ASK_LIMIT_MS;
    for (const asked of this.#asked) {
      if (asked.isOut) continue;
      while (asked.sent < ASK_AT_MS.length && now >= dueAt(asked)) {
        asked.sent++;
        this.#options.send(asked.request, asked.remote);
        // Where nothing lies between, the answer may be here already.
        if (this.#isOver || this.#proof !== undefined) return;
      }
      next = Math.min(next, dueAt(asked));
    }
    this.nextWakeAt = next;
  }

  /**
   * Takes STUN that came to the socket.
   *
   * @returns Whether it was about this query, and so is for nobody else.
   */
  receive(bytes: Uint8Array, length: number, remote: RemoteAddress, now: number): boolean {
    if (this.#isOver || length < STUN_HEADER_BYTES || bytes.length < length) return false;
    const proof = this.#proof;
    if (proof !== undefined) {
      if (!isOfTransaction(bytes, proof.datagram.subarray(8))) return false;
      if (parseStun(bytes, length)?.messageType !== BINDING_REQUEST) return false;
      this.#end({ ...proof.found, isProven: true });
      return true;
    }
    const asked = this.#asked.find(({ request, sent }) =>
      sent > 0 && isOfTransaction(bytes, request.subarray(8))
    );
    if (asked === undefined || asked.isOut) return false;
    const type = parseStun(bytes, length)?.messageType;
    const { drops } = this.#options;
    if (!isFrom(asked, remote)) drops.count("external_address_from_elsewhere");
    else if (type === BINDING_SUCCESS) this.#answered(asked, bytes, length, now);
    else if (type === BINDING_ERROR) this.#setAside(asked, "external_address_refused", now);
    else drops.count("stun_malformed");
    return true;
  }

  #answered(asked: Asked, bytes: Uint8Array, length: number, now: number): void {
    const mapped = readMappedAddress(bytes, length);
    const { local, sendBeside, random } = this.#options;
    if (mapped === undefined || mapped.port === 0 || !canBeOurs(mapped.address, local.hostname)) {
      return this.#setAside(asked, "external_address_unusable", now);
    }
    const address = formatIpAddress(mapped.address);
    const isOwn = isSame(mapped.address, parseIpAddress(local.hostname));
    const found = { address, port: mapped.port, isProven: isOwn };
    if (isOwn || sendBeside === undefined) return this.#end(found);
    this.#proof = {
      found,
      remote: { transport: "udp", hostname: address, port: local.port },
      datagram: stunQuery(random.bytes(TRANSACTION_BYTES)),
      beganAt: now,
      sent: 0,
    };
    this.#prove(now);
  }

  /** Whoever gave a useless answer is not asked again; the others may do better. */
  #setAside(asked: Asked, reason: TransportDrop, now: number): void {
    this.#options.drops.count(reason);
    asked.isOut = true;
    this.wake(now);
  }

  #prove(now: number): void {
    const proof = this.#proof!;
    if (now - proof.beganAt >= PROVE_LIMIT_MS) return this.#end(proof.found);
    const dueAt = () => proof.beganAt + (PROVE_AT_MS[proof.sent] ?? PROVE_LIMIT_MS);
    while (proof.sent < PROVE_AT_MS.length && now >= dueAt()) {
      proof.sent++;
      this.#options.sendBeside!(proof.datagram, proof.remote);
      if (this.#isOver) return;
    }
    this.nextWakeAt = dueAt();
  }

  #end(found: FoundAddress | undefined): void {
    this.#isOver = true;
    this.nextWakeAt = Infinity;
    this.#options.done(found);
  }
}

/** When it is to be asked the next time; `Infinity` if never. */
function dueAt({ beginsAt, sent }: Asked): number {
  return beginsAt + (ASK_AT_MS[sent] ?? Infinity);
}

function isFrom({ address, remote }: Asked, from: RemoteAddress): boolean {
  return from.port === remote.port && address !== undefined &&
    isSame(address, parseIpAddress(from.hostname));
}

function isSame(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return one.length === other?.length && one.every((byte, i) => byte === other[i]);
}

/** The socket's own, where nothing is between; else one of the public internet. */
function canBeOurs(address: Uint8Array, local: string): boolean {
  const own = parseIpAddress(local);
  if (own === undefined || own.length !== address.length) return false;
  if (isSame(address, own)) return true;
  const isGroup = address.length === 4
    ? address[0]! >= FIRST_GROUP_IPV4
    : address[0] === GROUP_IPV6;
  return !isGroup && isPublicAddress(formatIpAddress(address));
}
