/**
 * A room that writes down what its links tell it.
 *
 * @module
 */
import type { NodeId } from "../../../lib/base/ids.ts";
import type { RoomPeerStream } from "../../../lib/cluster/link/link_ports.ts";
import type { PackedValue } from "../../../lib/wire/message_pack.ts";

/** `snapshot ND_b "content"`, `change ND_b 1`, `away ND_b`, … */
export class ToldRoom implements RoomPeerStream {
  readonly told: string[] = [];
  snapshots = 0;
  constructor(public content: PackedValue = null) {}
  snapshot = () => {
    this.snapshots++;
    return this.content;
  };
  onSnapshot = (peer: NodeId, value: PackedValue) => this.#tell("snapshot", peer, value);
  onChange = (peer: NodeId, value: PackedValue) => this.#tell("change", peer, value);
  onData = (peer: NodeId, value: PackedValue) => this.#tell("data", peer, value);
  onDatagram = (peer: NodeId, kind: string, value: PackedValue) => this.#tell(kind, peer, value);
  onAway = (peer: NodeId) => this.#tell("away", peer);
  onBack = (peer: NodeId) => this.#tell("back", peer);
  onGone = (peer: NodeId) => this.#tell("gone", peer);
  onDrained = (peer: NodeId) => this.#tell("drained", peer);

  /** What was told since the last call. */
  take(): string[] {
    return this.told.splice(0);
  }

  #tell(what: string, peer: NodeId, value?: PackedValue): void {
    this.told.push([what, peer, ...value === undefined ? [] : [JSON.stringify(value)]].join(" "));
  }
}
