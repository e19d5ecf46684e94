/**
 * One UDP socket for every session: STUN goes to the ICE directory, everything else to the owner of
 * the validated path it came on, and what came on no such path is dropped and counted.
 *
 * @module
 */
import { BatchTime } from "../../base/batch_time.ts";
import type { DropSink } from "../../base/drop_counters.ts";
import type { Clock, Log } from "../../base/platform.ts";
import { datagramKind, isHopDatagram } from "../../wire/datagram_kind.ts";
import type { Datagrams, RemoteAddress } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { IceDirectory, StunOrigin } from "./ice_directory.ts";
import { type NetworkPath, PathTable, UdpPath } from "./network_path.ts";

/**
 * Takes what engines of other nodes send.
 *
 * @param bytes Valid during the call only; may be decrypted in place.
 * @param datagrams The socket it came on.
 * @param now When its batch came, monotonic ms.
 */
export type HopEntrance = (
  bytes: Uint8Array,
  length: number,
  remote: RemoteAddress,
  datagrams: Datagrams,
  now: number,
) => void;

/** What the mux joins. */
export interface UdpMuxOptions {
  readonly datagrams: Datagrams;
  readonly directory: IceDirectory;
  readonly clock: Clock;
  readonly drops: DropSink<TransportDrop>;
  readonly log: Log;
  /** Absent: no other nodes are known. */
  readonly onHop?: HopEntrance;
}

/** Takes the datagrams' two callbacks for itself. */
export class UdpMux {
  /** After each batch of datagrams was delivered. Flushes; whoever takes its place does, too. */
  onBatchEnd: (now: number) => void = () => this.#options.datagrams.flush();
  readonly #options: UdpMuxOptions;
  readonly #paths = new PathTable();
  readonly #origin: UdpOrigin;
  readonly #time: BatchTime;
  #busyUs = 0;

  constructor(options: UdpMuxOptions) {
    this.#options = options;
    this.#time = new BatchTime(options.clock);
    this.#origin = new UdpOrigin(options.datagrams, this.#paths);
    options.datagrams.onDatagram = (bytes, length, remote) => this.#receive(bytes, length, remote);
    options.datagrams.onBatchEnd = () => this.#endBatch();
  }

  /** Number of validated remote addresses. */
  get pathCount(): number {
    return this.#paths.size;
  }

  /** Time spent on batches since the start, µs. */
  get busyUs(): number {
    return this.#busyUs;
  }

  #receive(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    const time = this.#time;
    time.begin();
    const { drops, log } = this.#options;
    const kind = datagramKind(bytes, length);
    if (kind === "other") {
      if (length > 0 && isHopDatagram(bytes)) return this.#receiveHop(bytes, length, remote);
      return drops.count("udp_unknown_protocol");
    }
    const path = this.#paths.get(remote);
    // A bug behind the seam must not end the one receive loop that everybody shares.
    try {
      if (kind === "stun") {
        this.#origin.remote = remote;
        this.#origin.path = path;
        this.#options.directory.receiveStun(bytes, length, this.#origin, time.ms);
      } else if (path?.owner === undefined) drops.count("udp_not_validated");
      else path.owner.receive(kind, bytes, length, path, time.ms, time.us);
    } catch (error) {
      drops.count("receive_threw");
      log.error("Receiving a datagram failed inside", { kind, error });
    }
  }

  #receiveHop(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    const { onHop, datagrams, drops, log } = this.#options;
    if (onHop === undefined) return drops.count("udp_unknown_protocol");
    try {
      onHop(bytes, length, remote, datagrams, this.#time.ms);
    } catch (error) {
      drops.count("receive_threw");
      log.error("Receiving a datagram failed inside", { kind: "hop", error });
    }
  }

  #endBatch(): void {
    const { clock, drops, log } = this.#options;
    const time = this.#time;
    // Of a batch in which nothing could be read, the end is also the beginning.
    time.begin();
    try {
      this.onBatchEnd(time.ms);
    } catch (error) {
      drops.count("receive_threw");
      log.error("Ending a batch of datagrams failed inside", { error });
    }
    time.end();
    this.#busyUs += clock.nowUs() - time.us;
  }
}

/** The one origin all STUN over UDP passes with, refilled for each message. */
class UdpOrigin implements StunOrigin {
  remote: RemoteAddress = { transport: "udp", hostname: "", port: 0 };
  path: NetworkPath | undefined;

  constructor(private readonly datagrams: Datagrams, private readonly table: PathTable) {}

  reply(bytes: Uint8Array, length: number): void {
    this.datagrams.send(bytes, length, this.remote);
  }

  openPath(): NetworkPath {
    const path = new UdpPath(this.remote, this.datagrams, this.table);
    this.table.add(path);
    this.path = path;
    return path;
  }
}
