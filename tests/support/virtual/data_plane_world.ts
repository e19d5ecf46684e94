/**
 * Data planes of one or several engines on virtual time, joined by real rings, with endpoints that
 * remember what they were sent.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { ConnectionId } from "../../../lib/base/ids.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import type { DataEndpoint } from "../../../lib/engine/data/data_endpoint.ts";
import { DataPlane } from "../../../lib/engine/data/data_plane.ts";
import type { DataEvent } from "../../../lib/engine/messages/data_messages.ts";
import type { EngineDataMember } from "../../../lib/engine/messages/engine_messages.ts";
import type { RelayChannel } from "../../../lib/engine/relay/relay_channel.ts";
import { RelayLink } from "../../../lib/engine/relay/relay_link.ts";
import { createRelayRing, ringChannel } from "../../../lib/engine/relay/relay_ring.ts";
import { VirtualPlatform } from "./virtual_platform.ts";

/** A client's data side. */
export class FakeEndpoint implements DataEndpoint {
  readonly sent: { readonly kind: string; readonly bytes: Uint8Array }[] = [];
  /** By which number each of these was queued. */
  readonly senders: number[] = [];
  /** Whether those were said to be able to wait. */
  readonly holdable: boolean[] = [];
  held = false;
  backlogged = false;
  /** Those who need not wait for it all the same. */
  readonly quiet = new Set<number>();
  isOpen = true;
  /** Messages that are read as soon as it is not held. */
  readonly inbox: Uint8Array[] = [];
  onMessage: (bytes: Uint8Array) => void = () => {};

  sendData(
    kind: string,
    bytes: Uint8Array,
    _now: number,
    sender: number,
    holdable: boolean,
  ): void {
    this.sent.push({ kind, bytes });
    this.senders.push(sender);
    this.holdable.push(holdable);
  }

  isDataOpen(): boolean {
    return this.isOpen;
  }

  isDataBacklogged(_waits: boolean, _now: number, sender: number): boolean {
    return this.backlogged && !this.quiet.has(sender);
  }

  holdData(held: boolean): void {
    this.held = held;
  }

  read(): void {
    while (!this.held && this.inbox.length > 0) this.onMessage(this.inbox.shift()!);
  }
}

/** One engine, as far as data is concerned. */
export class DataEngine {
  readonly drops = new DropCounters();
  readonly events: DataEvent[] = [];
  readonly failures: [ConnectionId, unknown][] = [];
  readonly endpoints = new Map<string, FakeEndpoint>();
  readonly data: DataPlane;
  readonly links = new Map<number, RelayLink>();

  constructor(readonly platform: VirtualPlatform) {
    this.data = new DataPlane({
      clock: platform.clock,
      drops: this.drops,
      endpoint: (id) => this.endpoints.get(id),
      emit: (event) => this.events.push(event),
      failed: (id, error) => this.failures.push([id, error]),
      timed: () => {},
      lane: (engine) => this.links.get(engine)?.data,
    });
  }

  /** One turn of its thread, in which clients are read that are not held. */
  turn(): void {
    const now = this.platform.clock.now();
    for (const link of this.links.values()) {
      link.tick(now);
      link.drain();
    }
    this.data.tick(now);
    for (const endpoint of this.endpoints.values()) endpoint.read();
  }

  /** Joins it to another engine by rings. */
  connect(index: number, inbound: SharedArrayBuffer, outbound: SharedArrayBuffer): void {
    this.connectBy(index, ringChannel(inbound, outbound));
  }

  /** Joins it to another engine. */
  connectBy(index: number, channel: RelayChannel, clock = this.platform.clock): RelayLink {
    const link = new RelayLink(index, channel, {
      clock,
      log: silentLog,
      drops: this.drops,
      upTracks: new Map(),
      data: this.data,
      endBatch: () => {},
      spent: () => {},
    });
    this.links.set(index, link);
    return link;
  }

  /** A client that is in `room`; its publishing and receiving connections have its name. */
  join(name: string, changes: Partial<EngineDataMember> = {}): FakeEndpoint {
    const endpoint = this.endpoints.get(name) ?? new FakeEndpoint();
    const data = dataMember(name, changes);
    if (data.elsewhere === undefined) this.endpoints.set(name, endpoint);
    endpoint.onMessage = (bytes) => this.data.receive(name as ConnectionId, "_reliable", bytes);
    this.data.carryOut({ type: "set_data_member", data });
    return endpoint;
  }

  leave(name: string): void {
    this.data.carryOut({ type: "remove_data_member", member: dataMember(name).member });
  }

  receive(from: string, bytes: Uint8Array, label = "_reliable"): void {
    this.data.receive(from as ConnectionId, label, bytes);
  }

  at(name: string): FakeEndpoint {
    return this.endpoints.get(name)!;
  }
}

/** Lets `ms` of virtual time pass on engines that share a clock, each of which has a turn a ms. */
export function pass(engines: readonly DataEngine[], ms: number): void {
  for (let i = 0; i < ms; i++) {
    engines[0]!.platform.advance(1);
    for (const engine of engines) engine.turn();
  }
}

/** Joins two engines, of indices 0 and 1. */
export function joinEngines(one: DataEngine, other: DataEngine): void {
  const there = createRelayRing();
  const back = createRelayRing();
  one.connect(1, back, there);
  other.connect(0, there, back);
}

/** What is said of a participant unless a test says otherwise. Its number follows from its name. */
export function dataMember(
  name: string,
  changes: Partial<EngineDataMember> = {},
): EngineDataMember {
  const member = [...name].reduce(
    (sum, letter) => sum * 31 + letter.charCodeAt(0) & 0x3fff_ffff,
    7,
  );
  return {
    member,
    room: 1,
    sid: `PA_${name}`,
    identity: name,
    hidden: false,
    agent: false,
    maySend: true,
    active: true,
    raw: false,
    publisher: name as ConnectionId,
    receiver: name as ConnectionId,
    awaited: [],
    bridged: false,
    recorded: false,
    held: false,
    limits: { messagesPerS: 0, bytesPerS: 0 },
    ...changes,
  };
}
