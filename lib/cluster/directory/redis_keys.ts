/**
 * Where things stand in Redis. All keys of a room, and the indexes that name it, share a hash tag,
 * so that one script may touch them together in Redis Cluster; there are as many tags as shards,
 * and rooms are spread over them by name. What is known of nodes has a tag of its own.
 *
 * | key | type | content |
 * | --- | --- | --- |
 * | `<prefix>{nodes}:beat` | sorted set | node → Redis' time of its last heartbeat, ms |
 * | `<prefix>{nodes}:record` | hash | node → its record as JSON |
 * | `<prefix>{nodes}:changed` | sorted set | node → number of its record's last change |
 * | `<prefix>{nodes}:gone` | sorted set | forgotten node → the same |
 * | `<prefix>{nodes}:change` | string | the last such number |
 * | `<prefix>{nodes}:epoch` | string | when such numbers began |
 * | `<prefix>{nodes}:burial` | hash | dead node → who buries it, until when |
 * | `<prefix>{<shard>}:room:<name>` | hash | the room's record, how many are counted, its closing |
 * | `<prefix>{<shard>}:serve:<name>` | set | nodes that serve it |
 * | `<prefix>{<shard>}:who:<name>` | hash | identity → claim |
 * | `<prefix>{<shard>}:was:<name>` | hash | number → claim that was replaced, not released yet |
 * | `<prefix>{<shard>}:rooms` | sorted set | names of all rooms, for paging |
 * | `<prefix>{<shard>}:of:<node>` | set | names of rooms that the node serves or keeps |
 * | `<prefix>{<shard>}:last` | string | the last fencing number |
 * | `<prefix>{<shard>}:epitaph:<name>` | string, 60 s | who deleted the room, and what it was |
 * | `<prefix>{<shard>}:over:<sid>` | string, 1 h | the room has ended; who told |
 *
 * @module
 */

/** Enough for clusters of a dozen masters to be loaded alike; a listing asks each of them. */
export const SHARDS = 32;

/** The tag of nodes. */
export const NODES_TAG = "nodes";

/** FNV-1a over UTF-16 units: any hash does, as long as all nodes have the same. */
export function shardOf(room: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < room.length; index++) {
    hash = Math.imul(hash ^ room.charCodeAt(index), 0x01000193) >>> 0;
  }
  // The low bits of the last step know little of the others.
  return ((hash ^ (hash >>> 15)) >>> 0) % SHARDS;
}

/** What the keys of a tag begin with. */
export function tagged(prefix: string, tag: string | number): string {
  return `${prefix}{${tag}}:`;
}
