/**
 * Finds the session a STUN request is for: every mux hands its STUN here, and the local half of
 * `USERNAME` names the agent (RFC 8445 §7.3).
 *
 * Contract: an agent sees only requests whose MESSAGE-INTEGRITY is right under the password that
 * goes with the ufrag they name, and only answers to its own open checks, by the path that was
 * asked, with MESSAGE-INTEGRITY under the client's password. Everything else is a counted drop,
 * answered by silence, so that strangers learn nothing and nothing is reflected.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import { invariant } from "../../base/errors.ts";
import {
  BINDING_ERROR,
  BINDING_INDICATION,
  BINDING_REQUEST,
  BINDING_SUCCESS,
  isOfTransaction,
  parseStun,
  type StunMac,
  type StunMessage,
  verifyIntegrity,
} from "../../wire/stun.ts";
import type { RemoteAddress } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import { MovedClients } from "./moved_clients.ts";
import type { NetworkPath } from "./network_path.ts";

/** Where a STUN message came from, and the ways back. Valid during the call only. */
export interface StunOrigin {
  readonly remote: RemoteAddress;
  /** The path of this address, if it has one. */
  readonly path: NetworkPath | undefined;
  reply(bytes: Uint8Array, length: number): void;
  /** Makes the address a path; called once it has proved itself. */
  openPath(): NetworkPath;
}

/** Where muxes hand their STUN. */
export interface StunReceiver {
  /** Takes a datagram that `datagramKind` called STUN. Never throws for what is in it. */
  receiveStun(bytes: Uint8Array, length: number, origin: StunOrigin, now: number): void;
}

/** A request that passed MESSAGE-INTEGRITY under `credential`. */
export interface ProvenRequest {
  readonly credential: LocalCredential;
  readonly message: StunMessage;
  /** The half of `USERNAME` behind the colon. */
  readonly remoteUfrag: string;
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly origin: StunOrigin;
}

/** One local ufrag and whose it is. */
export interface LocalCredential {
  readonly ufrag: string;
  readonly mac: StunMac;
  readonly agent: { receiveRequest(request: ProvenRequest, now: number): void };
}

/** A check of ours that waits for its answer. */
export interface OpenCheck {
  /** 12 random bytes. */
  readonly transaction: Uint8Array;
  /** The first four of them; no two open checks have the same. */
  readonly tag: number;
  /** Of the client's password. */
  readonly mac: StunMac;
  readonly path: NetworkPath;
  /** The client answered: it is where the path leads. */
  answered(now: number): void;
}

/** Local ufrag → agent, for all muxes of one engine. */
export class IceDirectory implements StunReceiver {
  /** Clients that may turn up at another address. */
  readonly movedClients: MovedClients<StunOrigin> = new MovedClients();
  readonly #byUfrag = new Map<string, LocalCredential>();
  readonly #checks = new Map<number, OpenCheck>();

  constructor(private readonly drops: DropSink<TransportDrop>) {}

  /** Number of local ufrags known. */
  get size(): number {
    return this.#byUfrag.size;
  }

  /** Makes `credential` findable. Local ufrags are ours, so one in use is a bug. */
  add(credential: LocalCredential): void {
    invariant(!this.#byUfrag.has(credential.ufrag), "Cannot register an ICE ufrag that is in use");
    this.#byUfrag.set(credential.ufrag, credential);
  }

  /** Forgets `credential`; nothing happens if it is not known. */
  delete(credential: LocalCredential): void {
    if (this.#byUfrag.get(credential.ufrag) === credential) {
      this.#byUfrag.delete(credential.ufrag);
    }
  }

  /** Number of checks whose answer is waited for. */
  get openChecks(): number {
    return this.#checks.size;
  }

  /** Whether no open check has this tag. */
  isFree(tag: number): boolean {
    return !this.#checks.has(tag);
  }

  /** Answers to `check` are waited for, until {@linkcode IceDirectory.deleteCheck}. */
  addCheck(check: OpenCheck): void {
    invariant(this.isFree(check.tag), "Cannot open a check whose tag is in use");
    this.#checks.set(check.tag, check);
  }

  /** Nothing happens if it is not known. */
  deleteCheck(check: OpenCheck): void {
    if (this.#checks.get(check.tag) === check) this.#checks.delete(check.tag);
  }

  receiveStun(bytes: Uint8Array, length: number, origin: StunOrigin, now: number): void {
    const message = parseStun(bytes, length);
    if (message === undefined) return this.drops.count("stun_malformed");
    if (message.messageType === BINDING_SUCCESS || message.messageType === BINDING_ERROR) {
      return this.#receiveAnswer(message, bytes, origin, now);
    }
    if (message.messageType !== BINDING_REQUEST) {
      // Indications are keep-alives for NATs (RFC 8445 §11) and prove nothing.
      const isKeepAlive = message.messageType === BINDING_INDICATION;
      return this.drops.count(isKeepAlive ? "stun_indication" : "stun_unexpected_type");
    }
    const username = message.username;
    const colon = username === undefined ? -1 : username.indexOf(":");
    if (username === undefined || colon < 0) return this.drops.count("stun_no_username");
    const credential = this.#byUfrag.get(username.slice(0, colon));
    if (credential === undefined) return this.drops.count("stun_unknown_ufrag");
    if (!verifyIntegrity(bytes, message, credential.mac)) {
      return this.drops.count("stun_bad_integrity");
    }
    const remoteUfrag = username.slice(colon + 1);
    credential.agent.receiveRequest(
      { credential, message, remoteUfrag, bytes, length, origin },
      now,
    );
  }

  /** An error is an answer, too: who signs one has heard the request (a role conflict, say). */
  #receiveAnswer(
    message: StunMessage,
    bytes: Uint8Array,
    { path }: StunOrigin,
    now: number,
  ): void {
    const check = this.#checks.get(message.transactionTag);
    if (check === undefined || !isOfTransaction(bytes, check.transaction)) {
      return this.drops.count("stun_unknown_transaction");
    }
    if (check.path !== path) return this.drops.count("stun_answer_from_elsewhere");
    if (!verifyIntegrity(bytes, message, check.mac)) {
      return this.drops.count("stun_bad_integrity");
    }
    this.deleteCheck(check);
    check.answered(now);
  }
}
