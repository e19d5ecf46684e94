/**
 * One client on the wire and its agent on virtual time: it asks, answers and sends from wherever a
 * test says.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { RemoteAddress } from "../../../../lib/transport/datagrams/datagrams.ts";
import type { StunOrigin } from "../../../../lib/transport/ice/ice_directory.ts";
import type { IceLiteAgent } from "../../../../lib/transport/ice/ice_lite.ts";
import { type MovableClient, SILENT_MS } from "../../../../lib/transport/ice/moved_clients.ts";
import type { NetworkPath } from "../../../../lib/transport/ice/network_path.ts";
import { answer, check, credentials, IceWorld, packets, readCheck, udp } from "./ice_world.ts";

export const HOME = udp("198.51.100.7", 50_001);
export const MOBILE = udp("203.0.113.9", 40_002);
export const VICTIM = udp("192.0.2.66", 53);
export const CLIENT = credentials("client");
/** How often a client's agent asks on the path in use, ms. */
export const PING_MS = 2_500;

/** A client on the wire, which answers what reaches it. */
export class ClientWorld extends IceWorld {
  readonly ours = this.agent("abcd");
  /** Whether media is sent, wherever that may be. */
  isSending = true;
  #isNewest = true;
  readonly #told = new Set<number>();

  constructor({ told = true } = {}) {
    super();
    if (told) this.ours.agent.setRemote(CLIENT, this.now);
  }

  /** A check of the client's, or a copy of it from elsewhere. */
  ping(from: RemoteAddress, options: Parameters<typeof check>[1] = {}): Uint8Array {
    const bytes = check(this.ours.local, options);
    this.datagrams.arrive(bytes, from);
    return bytes;
  }

  /** The agent's own checks to `remote` that were not looked at yet. */
  checksTo(remote: RemoteAddress): NonNullable<ReturnType<typeof readCheck>>[] {
    return this.datagrams.sent.flatMap(({ bytes, remote: to }, index) => {
      if (bytes[0] !== 0 || to.port !== remote.port || this.#told.has(index)) return [];
      this.#told.add(index);
      return [readCheck(bytes, CLIENT)!];
    });
  }

  /**
   * A packet with the client's keys, the newest of its sender or a late one. From an address that
   * nobody has it is tried once the client is silent at its own.
   */
  mediaFrom(remote: RemoteAddress, { isNewest = true } = {}): void {
    this.#isNewest = isNewest;
    const { agent } = this.ours;
    const client: MovableClient<StunOrigin> = {
      knownHost: HOME.hostname,
      heardAt: this.now - SILENT_MS,
      takeFrom: (origin, _kind, _bytes, _length, now) => {
        agent.mayHaveMoved(origin, now);
        return true;
      },
    };
    this.directory.movedClients.add(client);
    this.datagrams.arrive(packets.rtp(1), remote);
    this.directory.movedClients.remove(client);
  }

  /** The client answers what was asked at `remote`. @returns Whether there was anything. */
  answerAt(remote: RemoteAddress): boolean {
    const checks = this.checksTo(remote);
    for (const { transactionId } of checks) {
      this.datagrams.arrive(answer(transactionId, CLIENT), remote);
    }
    return checks.length > 0;
  }

  /**
   * The client sends something every 20 ms by `remote`, and answers there, until `isOver` says so.
   *
   * @returns How long that took, ms; `ms` if it was never over.
   */
  talk(remote: RemoteAddress, ms: number, isOver = () => false): number {
    for (let at = 0; at < ms; at += 20) {
      this.mediaFrom(remote);
      this.answerAt(remote);
      if (isOver()) return at;
      this.advance(this.ours.agent, 20);
    }
    return ms;
  }

  /** The client lives at `remote` for so long. */
  live(remote: RemoteAddress, ms: number): void {
    for (let at = 0; at < ms; at += PING_MS) {
      this.advance(this.ours.agent, PING_MS);
      this.ping(remote);
      this.answerAt(remote);
    }
  }

  protected override mediaCame(agent: IceLiteAgent, path: NetworkPath): void {
    agent.mediaCame(path, this.now, this.#isNewest);
  }

  override advance(agent: IceLiteAgent, ms: number): void {
    super.advance(agent, ms);
    if (this.isSending) void agent.mediaPath;
  }

  get media(): number | undefined {
    return this.ours.agent.provenPath?.remote.port;
  }

  bytesTo(remote: RemoteAddress): number {
    return this.datagrams.sent.filter(({ remote: to }) => to.port === remote.port)
      .reduce((sum, { bytes }) => sum + bytes.length, 0);
  }
}

/** A world whose client is at HOME, nominated and proven. */
export function homeWorld(): ClientWorld {
  const world = new ClientWorld();
  world.ping(HOME, { useCandidate: true });
  assert.equal(world.answerAt(HOME), true);
  assert.equal(world.media, HOME.port);
  return world;
}
