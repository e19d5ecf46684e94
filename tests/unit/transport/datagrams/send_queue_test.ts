import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { MAX_SEND_BYTES, SendKind } from "../../../../lib/transport/datagrams/datagrams.ts";
import { DROPPED, QUEUE_SLOTS, SendQueue } from "../../../../lib/transport/datagrams/send_queue.ts";
import { SeededRandom } from "../../../support/virtual/seeded_random.ts";

const REMOTE = { transport: "udp" as const, hostname: "192.0.2.1", port: 9 };

/** Few, so that it is often full. */
const SLOTS = 100;

/** What waits, kept the obvious way. */
interface Waiting {
  readonly mark: number;
  readonly slot: Uint8Array;
  readonly kind: SendKind;
}

function markOf(view: Uint8Array): number {
  return new DataView(view.buffer, view.byteOffset).getUint32(0);
}

/** The marks that wait, as a reader of the positions sees them. */
function waitingIn(queue: SendQueue): number[] {
  const marks: number[] = [];
  for (let at = queue.head; at < queue.tail; at++) {
    if (queue.kinds[at] !== DROPPED) marks.push(markOf(queue.viewOf(queue.slots[at]!)));
  }
  return marks;
}

Deno.test("SendQueue agrees with a naive list over random commits, takes, releases and overflows", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed);
    const drops = new DropCounters();
    const queue = new SendQueue(drops, SLOTS);
    const waiting: Waiting[] = [];
    const taken: { readonly slot: number; readonly mark: number }[] = [];
    let mark = 0;
    let full = 0;
    let droppedVideo = 0;
    // Overflow is rare and then lasts: in turns the line grows and shrinks.
    for (let turn = 0; turn < 100; turn++) {
      const commits = random.below(turn % 3 === 0 ? 3 * SLOTS : SLOTS);
      const videoShare = random.below(11) / 10;
      for (let i = 0; i < commits; i++) {
        let view = queue.reserve();
        if (view === undefined) {
          const oldest = waiting.findIndex(({ kind }) => kind === SendKind.video);
          if (oldest >= 0) {
            waiting.splice(oldest, 1);
            droppedVideo++;
          } else full++;
          view = queue.reserveByDropping();
          assert.equal(view === undefined, oldest < 0);
        }
        if (view === undefined) continue;
        const kind = random.chance(videoShare) ? SendKind.video : SendKind.other;
        new DataView(view.buffer, view.byteOffset).setUint32(0, mark);
        queue.commit(4, REMOTE, kind);
        waiting.push({ mark: mark++, slot: view, kind });
      }
      assert.equal(queue.count, waiting.length);
      assert.deepEqual(waitingIn(queue), waiting.map((entry) => entry.mark));
      for (let takes = random.below(5); takes > 0; takes--) {
        const at = queue.take();
        const first = waiting.shift();
        assert.equal(at < 0, first === undefined);
        if (first === undefined) break;
        const slot = queue.slots[at]!;
        assert.equal(markOf(queue.viewOf(slot)), first.mark);
        taken.push({ slot, mark: first.mark });
      }
      let released = random.below(random.chance(0.3) ? 2 * SLOTS : SLOTS / 5);
      let end = queue.head;
      while (end < queue.tail && released > 0) {
        if (queue.kinds[end++] === DROPPED) continue;
        released--;
        waiting.shift();
      }
      queue.release(end);
      // Nothing that is taken was lent to anybody else meanwhile.
      for (const { slot, mark } of taken) assert.equal(markOf(queue.viewOf(slot)), mark);
      for (const { slot } of taken.splice(0)) queue.giveBack(slot);
      assert.equal(queue.count, waiting.length);
      assert.deepEqual(waitingIn(queue), waiting.map((entry) => entry.mark));
    }
    assert.equal(drops.get("udp_send_dropped_video"), droppedVideo);
    assert.equal(drops.get("udp_send_queue_full"), full);
    assert.ok(droppedVideo > 0, `seed ${seed} never overflowed`);
    queue.release(queue.tail);
    const slots = new Set<Uint8Array>();
    for (let view = queue.reserve(); view !== undefined; view = queue.reserve()) {
      slots.add(view);
      queue.commit(1, REMOTE, SendKind.other);
    }
    assert.equal(slots.size, SLOTS, "a slot was lost or given out twice");
  }
});

Deno.test("SendQueue uses few slots again and again while it is emptied often", () => {
  const queue = new SendQueue(new DropCounters());
  const slots = new Set<Uint8Array>();
  for (let i = 0; i < 10_000; i++) {
    slots.add(queue.reserve()!);
    queue.commit(1, REMOTE, SendKind.video);
    if (i % 50 === 0) queue.release(queue.tail);
  }
  assert.ok(slots.size <= 100, `${slots.size} slots`);
});

Deno.test("SendQueue lends slots of one buffer, each at a multiple of 32 bytes", () => {
  const queue = new SendQueue(new DropCounters());
  assert.equal(queue.slab.byteLength, QUEUE_SLOTS * MAX_SEND_BYTES);
  for (let slot = 0; slot < QUEUE_SLOTS; slot++) {
    const view = queue.viewOf(slot);
    assert.equal(view.buffer, queue.slab);
    assert.equal(view.byteOffset, slot * MAX_SEND_BYTES);
    assert.equal(view.byteOffset % 32, 0);
  }
});
