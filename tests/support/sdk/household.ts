/**
 * Clients of all makes in one place that is not this one, each a process of its own. What takes long
 * to start is there for all of its calls; every call has participants of its own.
 *
 * @module
 */
import { mintToken } from "../process/access_tokens.ts";
import { type PionJoin, PionPeer } from "../peers/pion_peer.ts";
import { type Member, type MemberKind, pionMember, sdkMember } from "./call_matrix.ts";
import { DistantClient, type DistantKind, type Inside } from "./distant_client.ts";

/** What LiveKit's SDKs wait for a join and its connections by themselves, ms. */
const JOIN_DEADLINE_MS = 15_000;
const SDKS: readonly DistantKind[] = ["chromium", "firefox", "rtc-node"];

/** How a call is joined. */
export interface HouseholdCall {
  readonly url: string;
  readonly room: string;
  readonly kinds: readonly MemberKind[];
  /** The one way for pion, which does not look for one by itself. */
  readonly pionRelay?: PionJoin["relay"];
}

/** Clients in one place. Disposing ends them. */
export class Household implements AsyncDisposable {
  readonly #inside: Inside;
  readonly #sdks: ReadonlyMap<MemberKind, DistantClient>;
  /** Who has been in a call, and has to be put away before the next one. */
  readonly #used = new Set<DistantClient>();
  #pion: PionPeer | undefined;

  private constructor(inside: Inside, sdks: ReadonlyMap<MemberKind, DistantClient>) {
    this.#inside = inside;
    this.#sdks = sdks;
  }

  /** Starts those that take long. Browsers here believe every certificate. */
  static async open(inside: Inside): Promise<Household> {
    const started = await Promise.all(SDKS.map(async (kind) => {
      return [kind, await DistantClient.start(kind, inside, { anyCertificate: true })] as const;
    }));
    return new Household(inside, new Map(started));
  }

  /**
   * All join one call, each within what its SDK would wait; those of the last call have left.
   *
   * @throws {Error} with the names of all that did not, and why.
   */
  async join(call: HouseholdCall): Promise<Member[]> {
    await this.#leave();
    const joined = await Promise.allSettled(
      call.kinds.map((kind, index) => this.#joinOne(call, kind, index)),
    );
    const failed = joined.filter((one) => one.status === "rejected");
    if (failed.length > 0) throw new Error(failed.map(({ reason }) => String(reason)).join("\n"));
    return joined.flatMap((one) => one.status === "fulfilled" ? [one.value] : []);
  }

  async #joinOne(call: HouseholdCall, kind: MemberKind, index: number): Promise<Member> {
    const token = await mintToken({ identity: kind, room: call.room });
    const startedAt = performance.now();
    const member = kind === "pion"
      ? await this.#joinPion(call, token)
      : await this.#joinSdk(call, kind, token, index);
    const tookMs = Math.round(performance.now() - startedAt);
    console.log(`${call.room}: ${kind} has joined after ${tookMs} ms`);
    if (tookMs > JOIN_DEADLINE_MS) throw new Error(`${kind} took ${tookMs} ms to join`);
    return member;
  }

  async #joinSdk(
    { url }: HouseholdCall,
    kind: DistantKind,
    token: string,
    index: number,
  ): Promise<Member> {
    const client = this.#sdks.get(kind)!;
    this.#used.add(client);
    await client.connect(url, token, { ownPatience: true });
    return sdkMember(kind, client, index);
  }

  async #joinPion({ url, pionRelay }: HouseholdCall, token: string): Promise<Member> {
    const peer = this.#pion = await PionPeer.start("pion", this.#inside);
    const relay = pionRelay === undefined ? {} : { relay: pionRelay };
    await peer.connect(url, token, { single: true, ...relay });
    await peer.event("connection", ({ state }) => state === "connected");
    return pionMember(peer);
  }

  async #leave(): Promise<void> {
    const leaving = [...this.#used].map((client) => client.renew());
    this.#used.clear();
    const pion = this.#pion;
    this.#pion = undefined;
    await Promise.all([...leaving, pion?.[Symbol.asyncDispose]()]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pion?.[Symbol.asyncDispose]();
    await Promise.all([...this.#sdks.values()].map((client) => client[Symbol.asyncDispose]()));
  }
}
