/**
 * Two engines' hops, many of them side by side, over simulated sockets on virtual time: as between
 * a node and all the others of a large cluster.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { type DataTrackId, dataTrackId, type NodeId } from "../../../lib/base/ids.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import { EngineHops } from "../../../lib/engine/relay/engine_hops.ts";
import type { HopCrypto } from "../../../lib/engine/relay/hop_keys.ts";
import type { RelayLink } from "../../../lib/engine/relay/relay_link.ts";
import { PORTABLE_CRYPTO } from "../../../lib/transport/media_crypto.ts";
import type { Datagrams, RemoteAddress } from "../../../lib/transport/datagrams/datagrams.ts";
import { SeededRandom } from "../virtual/seeded_random.ts";

const HOST = "127.0.0.1";
const DELAY_MS = 5;
const SLOT_BYTES = 1_536;
const FIRST_INDEX = 100;

/** One engine. */
class HopsSide {
  readonly drops = new DropCounters();
  readonly hops: EngineHops;
  /** By number, from 0 on. */
  readonly links: RelayLink[] = [];
  datagrams!: Datagrams;
  host = HOST;
  /** Whatever it sends is lost. */
  isMute = false;
  /** Packets of data tracks that came, and of which. */
  readonly received: DataTrackId[] = [];
  other!: HopsSide;
  sent = 0;

  constructor(readonly world: ManyHops, readonly port: number, random: SeededRandom) {
    this.open(HOST);
    const clock = {
      now: () => world.now,
      nowUs: () => world.now * 1000,
      wallMs: () => world.now,
    };
    this.hops = new EngineHops({
      random,
      crypto: () => world.crypto,
      sockets: () => [{ hostname: this.host, datagrams: this.datagrams }],
      emit() {},
      timed: () => {},
    }, {
      clock,
      log: silentLog,
      drops: this.drops,
      upTracks: new Map(),
      data: {
        receiveMessage() {},
        receiveTrackPacket() {},
        receiveOfferedPacket: (track) => this.received.push(track),
        receiveHold() {},
        laneFree() {},
        engineGone() {},
      },
      endBatch() {},
      spent() {},
    });
  }

  /** Has this address from now on, and the one before no more. */
  open(host: string): void {
    this.host = host;
    const slot = new Uint8Array(SLOT_BYTES);
    const put = (bytes: Uint8Array, length: number, to: RemoteAddress) => {
      this.sent++;
      if (this.host === host && !this.isMute) this.world.put(this, to, bytes.slice(0, length));
    };
    this.datagrams = {
      reserve: () => slot,
      commit: (length: number, to: RemoteAddress) => put(slot, length, to),
      send: put,
    } as Partial<Datagrams> as Datagrams;
  }

  join(count: number): void {
    const [node, other] = [`ND_${this.port}`, `ND_${this.other.port}`] as [NodeId, NodeId];
    for (let n = 0; n < count; n++) {
      this.links.push(this.hops.connect({
        index: FIRST_INDEX + n,
        own: { node, engine: 0 },
        other: { node: other, engine: n },
        sendId: this.other.port * 10_000 + n,
        receiveId: this.port * 10_000 + n,
        secret: new Uint8Array(32).fill(n),
        addresses: [{ hostname: HOST, port: this.other.port }],
      }));
    }
  }

  /** What the engine does at the end of a batch, and when it is time. */
  turn(now: number): void {
    this.hops.endBatch(now);
    this.hops.flush(now);
    if (now < this.hops.nextWakeAt) return;
    this.hops.tick(now);
    this.hops.flush(now);
  }

  receive(bytes: Uint8Array, remote: RemoteAddress): void {
    const { world, datagrams } = this;
    this.hops.receive(bytes, bytes.length, remote, datagrams, world.now);
  }
}

interface Flight {
  readonly at: number;
  readonly from: RemoteAddress;
  readonly to: RemoteAddress;
  readonly bytes: Uint8Array;
}

/** Both engines, and what is under way. Time moves in `run` alone. */
export class ManyHops {
  readonly near: HopsSide;
  readonly far: HopsSide;
  now = 1_000;
  #flights: Flight[] = [];

  constructor(readonly count: number, seed: number, readonly crypto: HopCrypto = PORTABLE_CRYPTO) {
    const random = new SeededRandom(seed);
    this.near = new HopsSide(this, 1, random);
    this.far = new HopsSide(this, 2, random);
    this.near.other = this.far;
    this.far.other = this.near;
    for (const side of [this.near, this.far]) side.join(count);
  }

  put({ host, port }: HopsSide, to: RemoteAddress, bytes: Uint8Array): void {
    const from: RemoteAddress = { transport: "udp", hostname: host, port };
    this.#flights.push({ at: this.now + DELAY_MS, from, to, bytes });
  }

  /** The track of hop `n` crosses from the near end to the far one from now on, or not any more. */
  share(n: number, isShared: boolean): void {
    const track = trackOf(n);
    this.far.links[n]!.data.tracks.expect(track, isShared);
    const { tracks } = this.near.links[n]!.data;
    if (isShared) tracks.offer(track);
    else tracks.withdraw(track);
    for (const { hops } of [this.near, this.far]) hops.changed(FIRST_INDEX + n);
  }

  send(n: number): void {
    this.near.links[n]!.data.sendOfferedPacket(trackOf(n), new Uint8Array(100));
  }

  async run(ms: number, each: () => void = () => {}): Promise<void> {
    for (let i = 0; i < ms; i++) {
      this.now++;
      each();
      await Promise.resolve(); // what is written at the end of a turn
      while (this.#flights.length > 0 && this.#flights[0]!.at <= this.now) {
        const { from, to, bytes } = this.#flights.shift()!;
        [this.near, this.far].find(({ host, port }) => host === to.hostname && port === to.port)
          ?.receive(bytes, from);
      }
      for (const side of [this.near, this.far]) side.turn(this.now);
    }
  }
}

export function trackOf(n: number): DataTrackId {
  return dataTrackId("ND_1" as NodeId, `DTR_${n}`);
}
