/**
 * TURN over UDP: one socket, whose clients are known by their addresses once they have allocated.
 *
 * @module
 */
import { BatchTime } from "../../base/batch_time.ts";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Clock, Log } from "../../base/platform.ts";
import { endBatchSafely, receivingThrew } from "../datagrams/batch_guard.ts";
import type { Datagrams, RemoteAddress, SendKind } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { TurnAllocation, TurnClient } from "./turn_allocation.ts";
import type { TurnServer } from "./turn_server.ts";

/** What a socket joins. */
export interface TurnDatagramsOptions {
  readonly datagrams: Datagrams;
  readonly server: TurnServer;
  readonly clock: Clock;
  readonly drops: DropSink<TransportDrop>;
  readonly log: Log;
}

/** Takes the datagrams' two callbacks for itself. */
export class TurnDatagrams {
  /** After each batch; flushes, and whoever takes its place does, too. */
  onBatchEnd: (now: number) => void = () => this.datagrams.flush();
  readonly datagrams: Datagrams;
  readonly #options: TurnDatagramsOptions;
  readonly #time: BatchTime;
  /** Those with an allocation: by port, then by address, so that no text is made for a look-up. */
  readonly #clients = new Map<number, Map<string, UdpTurnClient>>();

  constructor(options: TurnDatagramsOptions) {
    this.#options = options;
    this.datagrams = options.datagrams;
    this.#time = new BatchTime(options.clock);
    options.datagrams.onDatagram = (bytes, length, remote) => this.#receive(bytes, length, remote);
    options.datagrams.onBatchEnd = () => this.#endBatch();
  }

  /** For {@linkcode UdpTurnClient}. */
  keep(client: UdpTurnClient, isKept: boolean): void {
    const { hostname, port } = client.remote;
    let byHost = this.#clients.get(port);
    if (!isKept) {
      if (byHost?.get(hostname) !== client) return;
      byHost.delete(hostname);
      if (byHost.size === 0) this.#clients.delete(port);
      return;
    }
    if (byHost === undefined) this.#clients.set(port, byHost = new Map());
    byHost.set(hostname, client);
  }

  /** Takes a datagram that came to its address and was received elsewhere. Never throws. */
  receiveStray(bytes: Uint8Array, remote: RemoteAddress): void {
    this.#receive(bytes, bytes.length, remote);
    this.#endBatch();
  }

  #receive(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    const { server } = this.#options;
    const time = this.#time;
    time.begin();
    // A bug behind the seam must not end the one receive loop that everybody shares.
    try {
      const client = this.#clients.get(remote.port)?.get(remote.hostname) ??
        new UdpTurnClient(remote, this);
      server.receive(bytes, length, client, time.ms, time.us);
    } catch (error) {
      receivingThrew(this.#options, "datagram", "turn", error);
    }
  }

  #endBatch(): void {
    const time = this.#time;
    time.begin();
    endBatchSafely(this.#options, "datagram", this.onBatchEnd, time.ms);
    time.end();
  }
}

/** One address over UDP. */
class UdpTurnClient implements TurnClient {
  readonly protocol = "udp";
  allocation: TurnAllocation | undefined;

  constructor(readonly remote: RemoteAddress, readonly carrier: TurnDatagrams) {}

  get local(): Datagrams["localAddress"] {
    return this.carrier.datagrams.localAddress;
  }

  send(bytes: Uint8Array, length: number): boolean {
    this.carrier.datagrams.send(bytes, length, this.remote);
    return true;
  }

  reserve(): Uint8Array | undefined {
    return this.carrier.datagrams.reserve();
  }

  commit(length: number, kind: SendKind): void {
    this.carrier.datagrams.commit(length, this.remote, kind);
  }

  kept(isKept: boolean): void {
    this.carrier.keep(this, isKept);
  }
}
