/**
 * The sets of local credentials of an ICE agent: the one in use, and those of restarts that the
 * client has not followed yet (RFC 8445 §9).
 *
 * @module
 */
import type { IceCredentials } from "../../base/media_vocabulary.ts";
import type { StunMac } from "../../wire/stun.ts";
import type { IceDirectory, LocalCredential } from "./ice_directory.ts";
import { stunKey } from "./stun_key.ts";

/** Sets alive at once: the nominated one and restarts not yet followed. */
const MAX_GENERATIONS = 4;
/** Remote ufrags accepted per set: the client may restart before our side does. */
const MAX_REMOTE_UFRAGS = 4;

/** One set; a higher index is a later restart. */
export class Generation implements LocalCredential {
  readonly ufrag: string;
  readonly mac: StunMac;
  readonly remoteUfrags: string[] = [];

  constructor(
    local: IceCredentials,
    readonly index: number,
    readonly agent: LocalCredential["agent"],
  ) {
    this.ufrag = local.ufrag;
    this.mac = stunKey(local.pwd);
  }
}

/**
 * The credentials an agent answers to, oldest first and a few at most. A path nominated under the
 * newest ends the others; `close` ends all.
 */
export class IceGenerations {
  readonly #directory: IceDirectory;
  readonly #agent: LocalCredential["agent"];
  /** Oldest first. */
  #generations: Generation[] = [];
  #nextIndex = 0;

  constructor(directory: IceDirectory, agent: LocalCredential["agent"]) {
    this.#directory = directory;
    this.#agent = agent;
  }

  has(ufrag: string): boolean {
    return this.#generations.some((generation) => generation.ufrag === ufrag);
  }

  of(credential: LocalCredential): Generation | undefined {
    return this.#generations.find((known) => known === credential);
  }

  /** Checks are heard under these, too. */
  add(local: IceCredentials): void {
    const generation = new Generation(local, this.#nextIndex++, this.#agent);
    this.#directory.add(generation);
    this.#generations.push(generation);
    if (this.#generations.length <= MAX_GENERATIONS) return;
    // Keep the first, which the client may still use, and the latest restarts.
    this.#directory.delete(this.#generations.splice(1, 1)[0]!);
  }

  /** The client's ufrag, which goes with the newest set. */
  tellRemote(ufrag: string): void {
    const ufrags = this.#generations.at(-1)?.remoteUfrags;
    if (ufrags === undefined || ufrags.includes(ufrag)) return;
    ufrags.push(ufrag);
    if (ufrags.length > MAX_REMOTE_UFRAGS) ufrags.shift();
  }

  /** The client nominated a path under this set: if it is the newest, the others are over. */
  used(generation: Generation): void {
    if (this.#generations.length === 1 || generation !== this.#generations.at(-1)) return;
    for (const old of this.#generations) if (old !== generation) this.#directory.delete(old);
    this.#generations = [generation];
  }

  /** Nothing is heard any more. */
  close(): void {
    for (const generation of this.#generations) this.#directory.delete(generation);
    this.#generations = [];
  }
}
