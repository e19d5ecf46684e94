/**
 * Recordings of a {@linkcode World}'s rooms.
 *
 * @module
 */
import assert from "node:assert/strict";
import { EgressStatus } from "@livekit/protocol";
import { AdminFailure } from "../../../lib/admin/admin_failure.ts";
import { EgressService, type EgressServiceOptions } from "../../../lib/egress/egress_service.ts";
import type { RecordingStorage } from "../../../lib/recording/recording_storage.ts";
import { EgressCalls } from "../../../lib/egress/egress_calls.ts";
import { LostEgresses } from "../../../lib/egress/lost_egresses.ts";
import { RoomDirectory } from "../../../lib/room/room_directory.ts";
import type { ClusterWorld } from "./cluster_world.ts";
import type { World } from "./scripted_client.ts";

/** The calls of a node that is alone. */
export function testCalls(world: World): EgressCalls {
  const rooms = new RoomDirectory(world.rooms);
  return new EgressCalls({
    service: testEgress(world),
    rooms: () => rooms,
    peers: () => undefined,
  });
}

/** Has a node of a cluster record; `told` gets what each tells: `a egress_ended EGRESS_COMPLETE`. */
export function recordOn(
  cluster: ClusterWorld,
  name: string,
  told: string[],
  options: Partial<EgressServiceOptions> = {},
): { readonly service: EgressService; readonly calls: EgressCalls } {
  const node = cluster.node(name);
  const { world, directory: { shelf } } = node;
  const lost = new LostEgresses({
    platform: cluster.platform,
    self: node.id,
    shelf: {
      all: () => shelf.all("egress"),
      get: (id) => shelf.get("egress", id),
      put: (id, text, over) => shelf.put("egress", id, text, over),
      remove: (id) => shelf.remove("egress", id),
    },
    others: () => (node.membership?.others ?? []).map(({ nodeId }) => nodeId),
    goOn: async (info) => {
      const next = await calls.goOn(info);
      return next instanceof AdminFailure ? "" : next.egressId;
    },
    lost: (info) => service.lost(info),
    takenOver: (id) => service.standDown(id),
  });
  const service: EgressService = testEgress(world, {
    isRecordedElsewhere: (request) => calls.isRecordedElsewhere(request),
    noted: (info) => lost.note(info),
    tell: (event, { status }) => {
      // A node that was killed tells nobody.
      const isThere = cluster.nodes.includes(node);
      if (isThere) told.push(`${name} ${event} ${EgressStatus[status]}`);
    },
    ...options,
  });
  const rooms = new RoomDirectory(world.rooms);
  const calls = new EgressCalls({
    service,
    rooms: () => rooms,
    peers: () => ({
      carrier: node.rooms,
      others: () => (node.membership?.others ?? []).map(({ nodeId }) => nodeId),
      sharing: (room) => node.rooms.get(room)?.peers ?? [],
    }),
  });
  node.recording = { observer: service, answer: (call) => calls.answer(call) };
  return { service, calls };
}

/** Where nothing is written. */
const NO_STORAGE: RecordingStorage = {
  open: () => assert.fail("no media comes"),
  tidy: () => {},
  close: () => Promise.resolve(),
};

/** Without limits unless `options` says so, and failing the test that has media recorded. */
export function testEgress(
  { rooms }: World,
  options: Partial<EgressServiceOptions> = {},
): EgressService {
  const { platform, router } = rooms.context;
  return new EgressService({
    platform,
    router,
    storage: NO_STORAGE,
    returnMs: 0,
    maxMs: 0,
    maxBytes: 0,
    rooms: () => rooms,
    tell: () => {},
    ...options,
  });
}
