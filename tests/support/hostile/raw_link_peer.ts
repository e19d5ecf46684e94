/**
 * A node that knows the cluster's secret and says over its link whatever a test wants.
 *
 * @module
 */
import type { NodeId } from "../../../lib/base/ids.ts";
import { type LinkFrame, readFrame, writeFrame } from "../../../lib/cluster/link/link_frames.ts";
import {
  DiallingSide,
  type EstablishedLink,
  LinkIdentity,
} from "../../../lib/cluster/link/link_handshake.ts";
import type { LinkSocket } from "../../../lib/cluster/link/link_socket.ts";
import { PART } from "../../../lib/cluster/link/outgoing_queue.ts";
import type { LinkNode, LinkWorld } from "../virtual/link_world.ts";

/** Dials a node of a world and proves itself; then it is the test's. */
export class RawLinkPeer {
  readonly id: NodeId;
  /** What the node said; parts of long messages are left out. */
  readonly heard: (LinkFrame | "unknown")[] = [];
  isClosed = false;
  #socket!: LinkSocket;
  #link: EstablishedLink | undefined;
  readonly #world: LinkWorld;
  readonly #to: LinkNode;

  constructor(world: LinkWorld, name: string, to: LinkNode) {
    this.#world = world;
    this.#to = to;
    this.id = `ND_${name}` as NodeId;
    this.dial();
  }

  get isUp(): boolean {
    return this.#link !== undefined && !this.isClosed;
  }

  dial(): void {
    const { platform, network } = this.#world;
    const identity = new LinkIdentity(
      new TextEncoder().encode("of the cluster"),
      platform.random,
    );
    const self = {
      node: this.id,
      address: "",
      protocol: { min: 1, max: 1 },
      processNonce: identity.nonce(),
      incarnation: platform.random.uint32(),
    };
    const side = new DiallingSide(identity, self, this.#to.id, platform.clock.wallMs());
    const socket = this.#socket = network.dialFrom(this.id)(this.#to.address, side.token);
    this.isClosed = false;
    socket.onClose = () => this.isClosed = true;
    socket.onMessage = (welcome) => {
      const { proof, link } = side.answer(welcome as Uint8Array, "")!;
      this.#link = link;
      socket.onMessage = (sealed) => this.#hear(link.incoming.open(sealed as Uint8Array)!);
      socket.send(proof);
    };
  }

  say(frame: LinkFrame): void {
    this.sayBytes(writeFrame(frame));
  }

  /** Sealed, with `head` before it. */
  sayBytes(bytes: Uint8Array, head: number = PART.whole): void {
    this.#socket.send(this.#link!.outgoing.seal(Uint8Array.of(head), bytes));
  }

  /** As it is. */
  sayUnsealed(bytes: Uint8Array): void {
    this.#socket.send(bytes);
  }

  close(): void {
    this.#socket.close(1000, "");
    this.isClosed = true;
  }

  #hear(part: Uint8Array): void {
    if (part[0] !== PART.whole) return;
    const frame = readFrame(part.subarray(1))!;
    if (frame !== "unknown" && frame.kind === "ping") {
      this.say({ kind: "pong", sentAt: frame.sentAt });
    }
    this.heard.push(frame);
  }
}
