/**
 * Which nodes serve which rooms, how many people each has there, and what follows of it for links:
 * two nodes have one while they share a room, and a minute after.
 *
 * @module
 */

/** A link stays so long after it was of use, s (`KEPT_MS` of `node_link.ts`). */
const LINK_LINGER_S = 60;

/** Rooms, and the nodes of each. */
export class RoomsOnNodes {
  /** Of each room: its nodes, and how many people each has; those of dead nodes until buried. */
  readonly #nodes: number[][] = [];
  readonly #counts: number[][] = [];
  /** Of each pair of nodes, the smaller first: rooms shared, and when the last ended, s + 1. */
  readonly #shared: Int32Array;
  readonly #endedAt: Float64Array;
  /** Rooms of each node. */
  readonly roomsOf: Int32Array;
  /** Connections made between nodes so far. */
  dials = 0;

  constructor(readonly nodes: number) {
    this.#shared = new Int32Array(nodes * nodes);
    this.#endedAt = new Float64Array(nodes * nodes);
    this.roomsOf = new Int32Array(nodes);
  }

  /** Nodes that serve a room. */
  nodesOf(room: number): readonly number[] {
    return this.#nodes[room] ?? NOBODY;
  }

  /** People of each of them, in the same order. */
  countsOf(room: number): readonly number[] {
    return this.#counts[room] ?? NOBODY;
  }

  countOf(room: number, node: number): number {
    return this.countsOf(room)[this.nodesOf(room).indexOf(node)] ?? 0;
  }

  peopleIn(room: number): number {
    let people = 0;
    for (const count of this.countsOf(room)) people += count;
    return people;
  }

  /** Somebody comes. @returns Whether the node serves the room from now on. */
  enter(room: number, node: number, nowMs: number): boolean {
    const nodes = this.#nodes[room] ??= [];
    const counts = this.#counts[room] ??= [];
    const at = nodes.indexOf(node);
    if (at >= 0) {
      counts[at]!++;
      return false;
    }
    for (const other of nodes) this.#share(node, other, nowMs);
    nodes.push(node);
    counts.push(1);
    this.roomsOf[node]!++;
    return true;
  }

  /** Somebody goes, or has a newer claim. @returns How many people the node has left there. */
  exit(room: number, node: number): number {
    const at = this.nodesOf(room).indexOf(node);
    if (at < 0) return 0;
    return --this.#counts[room]![at]!;
  }

  /** The node serves the room no more. @returns How many it still had there. */
  leave(room: number, node: number, nowMs: number): number {
    const at = this.nodesOf(room).indexOf(node);
    if (at < 0) return 0;
    const nodes = this.#nodes[room]!;
    const [count] = this.#counts[room]!.splice(at, 1);
    nodes.splice(at, 1);
    for (const other of nodes) this.#unshare(node, other, nowMs);
    this.roomsOf[node]!--;
    if (nodes.length === 0) {
      delete this.#nodes[room];
      delete this.#counts[room];
    }
    return count!;
  }

  /** Rooms that a node serves; looks through all. */
  listOf(node: number): number[] {
    const rooms: number[] = [];
    this.#nodes.forEach((nodes, room) => {
      if (nodes.includes(node)) rooms.push(room);
    });
    return rooms;
  }

  /** Calls for each room that somebody serves. */
  forEach(look: (room: number, nodes: readonly number[], counts: readonly number[]) => void) {
    this.#nodes.forEach((nodes, room) => look(room, nodes, this.#counts[room]!));
  }

  /** Links of each node now. */
  links(nowMs: number): Int32Array {
    const links = new Int32Array(this.nodes);
    for (let a = 0; a < this.nodes; a++) {
      for (let b = a + 1; b < this.nodes; b++) {
        if (!this.#isLinked(a * this.nodes + b, nowMs)) continue;
        links[a]!++;
        links[b]!++;
      }
    }
    return links;
  }

  #share(one: number, other: number, nowMs: number): void {
    const pair = this.#pair(one, other);
    if (!this.#isLinked(pair, nowMs)) this.dials++;
    this.#shared[pair]!++;
  }

  #unshare(one: number, other: number, nowMs: number): void {
    const pair = this.#pair(one, other);
    if (--this.#shared[pair]! === 0) this.#endedAt[pair] = nowMs / 1000 + 1;
  }

  #isLinked(pair: number, nowMs: number): boolean {
    if (this.#shared[pair]! > 0) return true;
    const endedAt = this.#endedAt[pair]!;
    return endedAt > 0 && nowMs / 1000 + 1 - endedAt < LINK_LINGER_S;
  }

  #pair(one: number, other: number): number {
    return one < other ? one * this.nodes + other : other * this.nodes + one;
  }
}

const NOBODY: readonly number[] = [];
