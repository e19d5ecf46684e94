/** When the media plane is told what waits in links, and of which. */
import assert from "node:assert/strict";
import type { NodeId } from "../../../../lib/base/ids.ts";
import { MediaQueues } from "../../../../lib/cluster/media/media_queues.ts";
import type { NodeCommand } from "../../../../lib/engine/messages/node_messages.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const [A, B] = ["ND_a", "ND_b"] as NodeId[] as [NodeId, NodeId];

Deno.test("MediaQueues tells ten times a second while datagrams go, by engines, and then no more", () => {
  const platform = new VirtualPlatform(1);
  const told: NodeCommand[] = [];
  let waiting = 500;
  const queues = new MediaQueues({
    timers: platform.timers,
    links: {
      facts: (peer) =>
        peer === B ? undefined : {
          isUp: true,
          protocol: 1,
          rttMs: 1,
          queuedBytes: 7,
          mediaBytes: waiting,
          secret: undefined,
        },
    },
    send: (command) => void told.push(command),
  });
  for (let ms = 0; ms < 1_000; ms += 10) {
    queues.sent(A, 0, 3);
    if (ms === 0) queues.sent(A, 1, 3);
    queues.sent(B, 0, 0);
    if (ms === 500) waiting = 9_000;
    platform.advance(10);
  }
  const of = (own: number) =>
    told.flatMap((command) =>
      command.type === "relay_queue" && command.ownEngine === own ? [command.bytes] : []
    );
  assert.deepEqual(of(1), [500]);
  assert.ok(of(0).length >= 10 && of(0).length <= 11, `${of(0).length}`);
  assert.deepEqual([of(0)[0], of(0).at(-1)], [500, 9_000]);
  assert.deepEqual(new Set(told.map((command) => "node" in command && command.node)), new Set([A]));
  platform.advance(1_000);
  const { length } = told;
  platform.advance(5_000);
  assert.equal(told.length, length);
  queues.sent(A, 0, 3);
  queues.close();
  platform.advance(5_000);
  assert.equal(told.length, length + 1);
});
