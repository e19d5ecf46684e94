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
import { endBatchSafely, receivingThrew } from "../datagrams/batch_guard.ts";
import type { Datagrams, RemoteAddress } from "../datagrams/datagrams.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { IceDirectory, StunOrigin } from "./ice_directory.ts";
import { type NetworkPath, PathTable, type SessionDatagramKind, UdpPath } from "./network_path.ts";

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

/**
 * Takes STUN that is about this node and no session.
 *
 * @param bytes Valid during the call only.
 * @returns Whether it was; else it goes to the sessions.
 */
export type StunListener = (
  bytes: Uint8Array,
  length: number,
  remote: RemoteAddress,
  now: number,
) => boolean;

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
  /** Asked before the directory while it is set: this node asks how it is seen from outside. */
  stunListener: StunListener | undefined;
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
    const { drops } = this.#options;
    const kind = datagramKind(bytes, length);
    if (kind === "other") {
      if (length > 0 && isHopDatagram(bytes)) return this.#receiveHop(bytes, length, remote);
      return drops.count("udp_unknown_protocol");
    }
    const path = this.#paths.get(remote);
    // A bug behind the seam must not end the one receive loop that everybody shares.
    try {
      if (kind === "stun") {
        if (this.stunListener?.(bytes, length, remote, time.ms)) return;
        this.#origin.remote = remote;
        this.#origin.path = path;
        this.#options.directory.receiveStun(bytes, length, this.#origin, time.ms);
      } else if (path?.owner === undefined) this.#receiveUnknown(kind, bytes, length, remote);
      else path.owner.receive(kind, bytes, length, path, time.ms, time.us);
    } catch (error) {
      receivingThrew(this.#options, "datagram", kind, error);
    }
  }

  /** From an address that has proved nothing. */
  #receiveUnknown(
    kind: SessionDatagramKind,
    bytes: Uint8Array,
    length: number,
    remote: RemoteAddress,
  ): void {
    const { directory, drops } = this.#options;
    this.#origin.remote = remote;
    this.#origin.path = undefined;
    const { ms, us } = this.#time;
    const isTaken = kind !== "dtls" &&
      directory.movedClients.take(this.#origin, kind, bytes, length, ms, us);
    if (!isTaken) drops.count("udp_not_validated");
  }

  #receiveHop(bytes: Uint8Array, length: number, remote: RemoteAddress): void {
    const { onHop, datagrams, drops } = this.#options;
    if (onHop === undefined) return drops.count("udp_unknown_protocol");
    try {
      onHop(bytes, length, remote, datagrams, this.#time.ms);
    } catch (error) {
      receivingThrew(this.#options, "datagram", "hop", error);
    }
  }

  #endBatch(): void {
    const time = this.#time;
    // Of a batch in which nothing could be read, the end is also the beginning.
    time.begin();
    endBatchSafely(this.#options, "datagram", this.onBatchEnd, time.ms);
    time.end();
    this.#busyUs += this.#options.clock.nowUs() - time.us;
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
