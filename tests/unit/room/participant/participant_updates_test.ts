import assert from "node:assert/strict";
import { DisconnectReason, ParticipantInfo, ParticipantInfo_State } from "@livekit/protocol";
import {
  inBatches,
  ParticipantUpdateQueue,
  UpdateFilter,
} from "../../../../lib/room/participant/participant_updates.ts";

const { ACTIVE, DISCONNECTED } = ParticipantInfo_State;
const info = (changes: ConstructorParameters<typeof ParticipantInfo>[0] = {}) =>
  new ParticipantInfo({
    identity: "bob",
    sid: "PA_1",
    state: ACTIVE,
    version: 1,
    joinedAtMs: 1n,
    ...changes,
  });
const update = (value: ParticipantInfo, synthesizedDisconnect = false) => ({
  info: value,
  synthesizedDisconnect,
});

Deno.test("ParticipantUpdateQueue.push() holds subscribers back and sends publishers at once", () => {
  const queue = new ParticipantUpdateQueue();
  assert.deepEqual(queue.push(info(), false, undefined), []);
  assert.equal(queue.push(info({ version: 2, isPublisher: true }), false, undefined).length, 1);
  assert.deepEqual(queue.flush(), [], "what was held is overtaken");
});

Deno.test("ParticipantUpdateQueue.push() keeps the newest version and drops older ones", () => {
  const queue = new ParticipantUpdateQueue();
  queue.push(info({ version: 3 }), false, undefined);
  assert.deepEqual(queue.push(info({ version: 2 }), true, undefined), []);
  queue.push(info({ version: 4 }), false, undefined);
  assert.deepEqual(queue.flush().map((u) => u.info.version), [4]);
});

Deno.test("ParticipantUpdateQueue.push() sends at once what is urgent, and only that", () => {
  const queue = new ParticipantUpdateQueue();
  queue.push(info(), false, undefined);
  queue.push(info({ identity: "carol", sid: "PA_9" }), false, undefined);
  const sent = queue.push(info({ version: 2 }), true, undefined);
  assert.deepEqual(sent.map((u) => u.info.version), [2]);
  assert.deepEqual(queue.flush().map((u) => u.info.identity), ["carol"]);
});

Deno.test("ParticipantUpdateQueue.push() ends an older session of the identity before the newer appears", () => {
  const queue = new ParticipantUpdateQueue();
  queue.push(
    info({ version: 5, disconnectReason: DisconnectReason.STATE_MISMATCH }),
    false,
    undefined,
  );
  const sent = queue.push(info({ sid: "PA_2", joinedAtMs: 2n }), false, undefined);
  assert.deepEqual(
    sent.map((u) => [u.info.sid, u.info.state, u.synthesizedDisconnect]),
    [["PA_1", DISCONNECTED, true], ["PA_2", ACTIVE, false]],
  );
  assert.equal(sent[0]!.info.disconnectReason, DisconnectReason.STATE_MISMATCH);
  assert.equal(queue.size, 0);
});

Deno.test("ParticipantUpdateQueue.push() ignores an older session once a newer one is there", () => {
  const queue = new ParticipantUpdateQueue();
  const newer = info({ sid: "PA_2", joinedAtMs: 2n });
  assert.deepEqual(queue.push(info({ version: 9 }), true, newer), []);
  queue.push(newer, false, undefined);
  assert.deepEqual(queue.push(info({ version: 9 }), true, undefined), []);
});

Deno.test("UpdateFilter.accept() never lets an older or equal version, or anything after the end, through", () => {
  const filter = new UpdateFilter(9);
  assert.equal(filter.accept(update(info({ version: 2 }))), true);
  assert.equal(filter.accept(update(info({ version: 1 }))), false);
  assert.equal(filter.accept(update(info({ version: 2 }))), false);
  assert.equal(filter.accept(update(info({ version: 3, state: DISCONNECTED }))), true);
  assert.equal(filter.accept(update(info({ version: 4 }))), false);
  assert.equal(filter.accept(update(info({ sid: "PA_2", version: 1 }))), true);
});

Deno.test("UpdateFilter.knows() is true of what accept() would refuse", () => {
  const filter = new UpdateFilter(9);
  assert.equal(filter.knows("PA_1", 1), false);
  filter.accept(update(info({ version: 2 })));
  assert.deepEqual([1, 2, 3].map((version) => filter.knows("PA_1", version)), [true, true, false]);
  filter.accept(update(info({ version: 3, state: DISCONNECTED })));
  assert.equal(filter.knows("PA_1", 4), true, "it is gone for good");
  filter.forget("PA_1");
  assert.equal(filter.knows("PA_1", 1), false);
});

Deno.test("UpdateFilter.accept() hides made-up and duplicate-identity ends from clients that need no help", () => {
  const gone = info({ version: 2, state: DISCONNECTED });
  const replaced = gone.clone();
  replaced.disconnectReason = DisconnectReason.DUPLICATE_IDENTITY;
  for (const [protocol, passes] of [[11, true], [12, false]] as const) {
    assert.equal(new UpdateFilter(protocol).accept(update(gone, true)), passes);
    assert.equal(new UpdateFilter(protocol).accept(update(replaced)), passes);
    assert.equal(new UpdateFilter(protocol).accept(update(gone)), true);
  }
});

Deno.test("inBatches() fills batches up to the target, and never leaves anyone out", () => {
  const infos = Array.from(
    { length: 7 },
    (_, i) => info({ sid: `PA_${i}`, metadata: "x".repeat(90) }),
  );
  const size = infos[0]!.toBinary().length;
  assert.deepEqual(inBatches(infos, 3 * size).map((batch) => batch.length), [3, 3, 1]);
  assert.deepEqual(inBatches(infos, 1).map((batch) => batch.length), [1, 1, 1, 1, 1, 1, 1]);
  assert.deepEqual(inBatches(infos, 3 * size).flat(), infos);
});
