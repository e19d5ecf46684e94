import assert from "node:assert/strict";
import { type Channel, ChannelTable } from "../../../../lib/transport/sctp/channel_table.ts";
import { DrainRate } from "../../../../lib/transport/sctp/drain_rate.ts";
import { UNLIMITED } from "../../../../lib/transport/sctp/outgoing_messages.ts";

function channel(streamId: number, label: string): Channel {
  return {
    streamId,
    label,
    ordered: true,
    maxRetransmits: UNLIMITED,
    maxAgeMs: Infinity,
    lossy: false,
    rate: new DrainRate(0),
    open: false,
    waitingMessages: 0,
  };
}

Deno.test("ChannelTable finds the last of a label, and each of them by its stream", () => {
  const table = new ChannelTable();
  const [first, second, other] = [channel(0, "one"), channel(2, "one"), channel(4, "two")];
  table.add(first);
  assert.equal(table.ofLabel("one"), first);
  assert.equal(table.ofStream(0), first);
  table.add(second);
  table.add(other);
  assert.equal(table.ofStream(0), first);
  assert.equal(table.ofLabel("one"), second, "though the other one was found last");
  assert.equal(table.ofStream(0), first);
  assert.equal(table.ofLabel("two"), other);
  assert.equal(table.ofLabel("three"), undefined);
  assert.equal(table.ofStream(6), undefined);
  assert.deepEqual([...table.labelled()], [second, other]);
  assert.deepEqual(table.all(), [first, second, other]);
});

Deno.test("ChannelTable finds nothing that was taken out, whatever was found last", () => {
  const table = new ChannelTable();
  const [first, second] = [channel(0, "one"), channel(2, "one")];
  table.add(first);
  table.add(second);
  assert.equal(table.ofLabel("one"), second);
  table.delete(second);
  assert.equal(table.ofLabel("one"), undefined, "an older one does not come back");
  assert.equal(table.ofStream(2), undefined);
  assert.equal(table.ofStream(0), first);
  table.delete(first);
  assert.equal(table.size, 0);
  table.add(second);
  assert.equal(table.ofStream(2), second);
  table.clear();
  assert.equal(table.ofStream(2), undefined);
  assert.equal(table.ofLabel("one"), undefined);
});
