import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { DataDelivery } from "../../../../lib/engine/data/data_delivery.ts";
import { DataFlow } from "../../../../lib/engine/data/data_flow.ts";
import { DataSender } from "../../../../lib/engine/data/data_sender.ts";
import { DataTable } from "../../../../lib/engine/data/data_table.ts";
import { dataMember } from "../../../support/virtual/data_plane_world.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

Deno.test("DataDelivery notes few of all the senders that came and went before a channel opens", () => {
  const drops = new DropCounters();
  const flow = new DataFlow(() => undefined, drops);
  const { clock } = new VirtualPlatform();
  const delivery = new DataDelivery({
    ...{ clock, drops, emit: () => {}, failed: () => {}, timed: () => {} },
    endpoint: () => undefined,
    lane: () => undefined,
  }, flow);
  const table = new DataTable(() => new DataSender(() => {}));
  const entry = table.set(dataMember("late"));
  const bytes = new Uint8Array(1);
  for (let from = 1; from <= 20_000; from++) {
    const message = { kind: "reliable" as const, bytes, payload: undefined, sequence: 5, from };
    const toAll = { ...message, identities: [], sids: [] };
    delivery.deliver(entry.room, toAll, undefined, from);
    delivery.deliver(entry.room, { ...toAll, sequence: 6 }, undefined, from);
  }
  assert.ok(entry.firstMissed.size <= 2_000, `${entry.firstMissed.size} senders`);
  assert.equal(entry.firstMissed.get(20_000), 5);
});
