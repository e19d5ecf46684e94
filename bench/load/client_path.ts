/**
 * The path of one connection of a load's client, found as a full ICE agent finds it (RFC 8445): it
 * checks the server's best candidate, nominates where it is in control, answers the server's own
 * checks, and keeps on asking.
 *
 * @module
 */
import type { IceCredentials, MediaAddress } from "../../lib/base/media_vocabulary.ts";
import type { ReadDescription } from "../../tests/support/virtual/client_description.ts";
import { answerTo, bindingRequest, isSuccessFor } from "../../tests/support/wire/stun_requests.ts";

/** Pause between two checks until one is answered, ms; and how long that may take. */
const CHECK_REPEAT_MS = 100;
const PATH_LIMIT_MS = 20_000;

/** One path. It sends by the function that is given to {@linkcode ClientPath.find}. */
export class ClientPath {
  readonly #local: IceCredentials;
  readonly #onCheck: () => void;
  #server: MediaAddress | undefined;
  #remote: IceCredentials | undefined;
  #isControlled = false;
  #send: (bytes: Uint8Array) => void = () => {};
  #checks: Uint8Array[] = [];
  #onFound: (() => void) | undefined;

  /** @param onCheck Is told of each check that is sent. */
  constructor(
    local: IceCredentials,
    onCheck: () => void,
    readonly protocol: "udp" | "tcp" = "udp",
  ) {
    this.#local = local;
    this.#onCheck = onCheck;
  }

  /** Where to ask, once an address and credentials are known. */
  get server(): MediaAddress | undefined {
    return this.#remote === undefined ? undefined : this.#server;
  }

  /** Takes what would be in descriptions, of a server that is lite. */
  aim(server: MediaAddress, remote: IceCredentials): void {
    this.#server = server;
    this.#remote = remote;
  }

  /** Takes a description of the server; `isOffer` unless it is an answer. */
  describe({ credentials, candidates }: ReadDescription, sdp: string, isOffer: boolean): void {
    // The one who offers decides, unless it is lite (RFC 8445 §6.1.1).
    this.#isControlled = isOffer && !sdp.includes("a=ice-lite");
    for (const candidate of candidates) this.learn(candidate);
    this.#remote ??= credentials;
  }

  /** Takes a candidate of its protocol: over IPv4, on the loopback address if there is one. */
  learn(candidate: string): void {
    const [, protocol, hostname, port] =
      /^candidate:\S+ 1 (\w+) \d+ (\S+) (\d+) typ host/i.exec(candidate) ?? [];
    if (protocol?.toLowerCase() !== this.protocol || hostname!.includes(":")) return;
    if (this.#server !== undefined && hostname !== "127.0.0.1") return;
    this.#server = { protocol: this.protocol, hostname: hostname!, port: Number(port) };
  }

  /**
   * Checks until one is answered.
   *
   * @throws {Error} if none is.
   */
  async find(send: (bytes: Uint8Array) => void): Promise<void> {
    this.#send = send;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#onFound = resolve;
    const check = () => this.#checks.push(this.#check(!this.#isControlled));
    check();
    const repeat = setInterval(check, CHECK_REPEAT_MS);
    const limit = setTimeout(() => reject(new Error("No check was answered")), PATH_LIMIT_MS);
    try {
      await promise;
    } finally {
      clearInterval(repeat);
      clearTimeout(limit);
      this.#onFound = undefined;
      this.#checks = [];
    }
  }

  /** Asks again on a path that is in use. */
  keep(): void {
    this.#check(false);
  }

  /** Takes a STUN message. */
  receive(bytes: Uint8Array): void {
    const answer = answerTo(bytes, this.#local);
    if (answer !== undefined) this.#send(answer);
    else if (this.#onFound !== undefined) {
      const { pwd } = this.#remote!;
      if (this.#checks.some((check) => isSuccessFor(bytes, check, pwd))) this.#onFound();
    }
  }

  #check(useCandidate: boolean): Uint8Array {
    const transaction = crypto.getRandomValues(new Uint8Array(12));
    this.#send(bindingRequest({
      server: this.#remote!,
      clientUfrag: this.#local.ufrag,
      transaction,
      useCandidate,
      isControlled: this.#isControlled,
    }));
    this.#onCheck();
    return transaction;
  }
}
