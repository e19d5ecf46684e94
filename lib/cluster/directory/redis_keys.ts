/**
 * Where things stand in Redis. All keys of a room, and the indexes that name it, share a hash tag,
 * so that one script may touch them together in Redis Cluster; there are as many tags as shards,
 * and rooms are spread over them by name. What is known of nodes has a tag of its own.
 *
 * | key | type | content |
 * | --- | --- | --- |
 * | `<prefix>2:{nodes}:beat` | sorted set | node → Redis' time of its last heartbeat, ms |
 * | `<prefix>2:{nodes}:record` | hash | node → its record as JSON |
 * | `<prefix>2:{nodes}:changed` | sorted set | node → number of its record's last change |
 * | `<prefix>2:{nodes}:gone` | sorted set | forgotten node → the same |
 * | `<prefix>2:{nodes}:change` | string | the last such number |
 * | `<prefix>2:{nodes}:epoch` | string | when such numbers began |
 * | `<prefix>2:{nodes}:burial` | hash | dead node → who buries it, until when |
 * | `<prefix>2:{shelf}:ingress` | hash | id → ingress as JSON |
 * | `<prefix>2:{shelf}:ingress-key` | hash | stream key → id |
 * | `<prefix>2:{shelf}:ingress-state` | hash | id → who publishes, at which node, and how |
 * | `<prefix>2:{shelf}:egress` | hash | id → node that makes it, and its info |
 * | `<prefix>2:{<shard>}:room:<name>` | hash | record, how many are counted, its closing |
 * | `<prefix>2:{<shard>}:serve:<name>` | set | nodes that serve it |
 * | `<prefix>2:{<shard>}:who:<name>` | hash | identity → claim |
 * | `<prefix>2:{<shard>}:was:<name>` | hash | number → claim that was replaced, not released yet |
 * | `<prefix>2:{<shard>}:bans:<name>` | hash, expires | identity → refused tokens |
 * | `<prefix>2:{<shard>}:own:<node>:<name>` | hash | number → identity, of all claims of one node |
 * | `<prefix>2:{<shard>}:due:<name>` | hash, 120 s | numbers of claims that are still to join |
 * | `<prefix>2:{<shard>}:by:<name>` | set | nodes that have or had claims, or kept it |
 * | `<prefix>2:{<shard>}:rooms` | sorted set | names of all rooms, for paging |
 * | `<prefix>2:{<shard>}:of:<node>` | set | names of rooms that the node serves or keeps |
 * | `<prefix>2:{<shard>}:last` | string | the last fencing number |
 * | `<prefix>2:{<shard>}:epitaph:<name>` | string, 60 s | who deleted the room, and what it was |
 * | `<prefix>2:{<shard>}:funeral:<node>:<name>` | string, 10 s | who buried it, and found what |
 * | `<prefix>2:{<shard>}:over:<sid>` | string, 1 h | the room has ended; who told |
 *
 * @module
 */

/** Enough for clusters of a dozen masters to be loaded alike; a listing asks each of them. */
export const SHARDS = 32;

/** The tag of nodes. */
export const NODES_TAG = "nodes";

/** The tag of what nodes keep together beside rooms. */
export const SHELF_TAG = "shelf";

/** FNV-1a over UTF-16 units: any hash does, as long as all nodes have the same. */
export function shardOf(room: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < room.length; index++) {
    hash = Math.imul(hash ^ room.charCodeAt(index), 0x01000193) >>> 0;
  }
  // The low bits of the last step know little of the others.
  return ((hash ^ (hash >>> 15)) >>> 0) % SHARDS;
}

/** Goes up when what stands there is written in another way: nodes of both know no others. */
const FORMAT = 2;

/** What the keys of a tag begin with. */
export function tagged(prefix: string, tag: string | number): string {
  return `${prefix}${FORMAT}:{${tag}}:`;
}
