import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { SourceTransport } from "../../../../lib/engine/local/source_transport.ts";
import type { PeerTransportListener } from "../../../../lib/transport/peer_transport.ts";

function source() {
  const told: string[] = [];
  const listener = {
    onTimed: (at: number) => told.push(`timed ${at}`),
    onConnected: (protocol: string) => told.push(`connected ${protocol}`),
    onRtp: ({ sequenceNumber }: { sequenceNumber: number }) => told.push(`rtp ${sequenceNumber}`),
    onRtcp: (_bytes: Uint8Array, length: number) => told.push(`rtcp ${length}`),
  } as unknown as PeerTransportListener;
  const drops = new DropCounters();
  return { told, drops, transport: new SourceTransport(listener, drops) };
}

const packet = (number: number) => [0, 13, 0x80, 96, 0, number, 0, 0, 0, 0, 0, 0, 0, 1, 7];
const report = [0, 8, 0x80, 201, 0, 1, 0, 0, 0, 1];

Deno.test("SourceTransport is connected once it is described, and takes packets from then on", () => {
  const { told, drops, transport } = source();
  transport.takePackets(Uint8Array.from(packet(1)), 0, 0);
  assert.equal(transport.nextWakeAt(), Infinity);
  transport.setRemote();
  transport.setRemote();
  assert.deepEqual([told, transport.connected], [["timed 0"], false]);
  assert.equal(transport.nextWakeAt(), 0);
  transport.tick();
  transport.tick();
  assert.equal(transport.connected, true);
  transport.takePackets(Uint8Array.from([...packet(2), ...report, ...packet(3)]), 0, 0);
  assert.deepEqual(told.slice(1), ["connected tcp", "rtp 2", "rtcp 8", "rtp 3"]);
  transport.takePackets(Uint8Array.from([...packet(4), 0, 99, 1]), 0, 0);
  transport.takePackets(Uint8Array.from([0, 3, 0x80, 96, 0, ...packet(5)]), 0, 0);
  assert.deepEqual(told.slice(5), ["rtp 4", "rtp 5"]);
  assert.equal(drops.snapshot().source_malformed, 2);
  transport.close();
  transport.takePackets(Uint8Array.from(packet(6)), 0, 0);
  assert.deepEqual([told.length, transport.connected], [7, false]);
});
