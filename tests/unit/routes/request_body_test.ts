import assert from "node:assert/strict";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { BodyReader, bodyRefused } from "../../../routes/request_body.ts";
import { settle, VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

const BUDGET = { bytesInFlight: 100, deadlineMs: 1_000 };

/** A reader with a small budget, and what it counted. */
function world() {
  const platform = new VirtualPlatform();
  const counters = new DropCounters();
  const bodies = new BodyReader({ timers: platform.timers, counters, budget: BUDGET });
  const read = async (request: Request, limit: number) => {
    const result = await bodies.read(request, limit, (bytes) => [...bytes]);
    return result.ok ? result.value : result.failure;
  };
  return { platform, counters, bodies, read };
}

/**
 * A body in chunks of these sizes, filled with their numbers; it waits for `more` where it is 0.
 */
function streamed(sizes: readonly number[], more: Promise<void> = Promise.resolve()) {
  let pulled = 0;
  let canceled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    async pull(controller) {
      const size = sizes[pulled++];
      if (size === undefined) return controller.close();
      if (size === 0) return await more;
      controller.enqueue(new Uint8Array(size).fill(pulled));
    },
    cancel() {
      canceled = true;
    },
  }, { highWaterMark: 0 });
  const request = new Request("http://x/", { method: "POST", body });
  return { request, pulled: () => pulled, canceled: () => canceled };
}

Deno.test("BodyReader joins what fits the limit exactly, and gives no bytes for no body", async () => {
  const { read, platform, bodies } = world();
  assert.deepEqual(await read(streamed([2, 3]).request, 5), [1, 1, 2, 2, 2]);
  assert.deepEqual(await read(new Request("http://x/"), 5), []);
  assert.deepEqual([platform.pendingTimers, bodies.bytesInFlight], [0, 0]);
});

Deno.test("BodyReader reads to the budget where there is no limit", async () => {
  const { read } = world();
  assert.equal((await read(streamed([50, 50]).request, 0)).length, 100);
  assert.equal(await read(streamed([50, 51]).request, 0), "busy");
});

Deno.test("BodyReader stops reading an undeclared body at the limit, and a declared one before", async () => {
  const { read, counters } = world();
  const { request, pulled, canceled } = streamed(new Array(1000).fill(10));
  assert.equal(await read(request, 25), "too_large");
  assert.ok(pulled() < 10, `${pulled()} chunks were read`);
  await settle();
  assert.ok(canceled());
  const headers = { "Content-Length": "26" };
  const declared = new Request("http://x/", { method: "POST", headers });
  assert.equal(await read(declared, 25), "too_large");
  assert.equal(counters.get("http_body_too_large"), 2);
});

Deno.test("BodyReader counts the bytes of all bodies together, until their use is over", async () => {
  const { read, bodies, counters, platform } = world();
  const more = Promise.withResolvers<void>();
  const slow = read(streamed([60, 0], more.promise).request, 100);
  await settle();
  assert.equal(bodies.bytesInFlight, 60);
  assert.equal(await read(streamed([30, 30]).request, 100), "busy");
  assert.equal(bodies.bytesInFlight, 60, "what a refused body held is free again");
  assert.equal((await read(streamed([40]).request, 100)).length, 40);
  await platform.advanceAsync(BUDGET.deadlineMs);
  assert.equal(await slow, "too_slow");
  more.resolve();
  assert.equal(bodies.bytesInFlight, 0);
  assert.deepEqual([counters.get("http_body_busy"), counters.get("http_body_too_slow")], [1, 1]);
});

Deno.test("BodyReader gives a body its time as a whole, however its chunks drip", async () => {
  const { read, platform } = world();
  let dripped = 0;
  let canceled = false;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull: (controller) =>
      new Promise((resolve) =>
        platform.timers.after(100, () => {
          dripped++;
          if (!canceled) controller.enqueue(new Uint8Array(1));
          resolve();
        })
      ),
    cancel() {
      canceled = true;
    },
  }, { highWaterMark: 0 });
  const outcome = read(new Request("http://x/", { method: "POST", body }), 100);
  await platform.advanceAsync(5_000, 50);
  assert.equal(await outcome, "too_slow");
  assert.ok(dripped <= 11, `${dripped} chunks`);
});

Deno.test("BodyReader takes a sender that goes away for no error of ours", async () => {
  const { read, counters, bodies, platform } = world();
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => controller.enqueue(new Uint8Array(5)),
    pull: (controller) => controller.error(new TypeError("connection reset")),
  });
  assert.equal(await read(new Request("http://x/", { method: "POST", body }), 100), "aborted");
  assert.equal(counters.get("http_body_aborted"), 1);
  assert.deepEqual([platform.pendingTimers, bodies.bytesInFlight], [0, 0]);
});

Deno.test("BodyReader frees what a use held that throws", async () => {
  const { bodies } = world();
  await assert.rejects(
    bodies.read(streamed([9]).request, 10, () => {
      throw new Error("a bug");
    }),
    /a bug/,
  );
  assert.equal(bodies.bytesInFlight, 0);
});

Deno.test("bodyRefused() answers in LiveKit's words where it has some, and ends the connection", async () => {
  const large = bodyRefused({ failure: "too_large" });
  assert.deepEqual([large.status, await large.text()], [413, "request body too large"]);
  assert.equal(large.headers.get("Connection"), "close");
  assert.deepEqual(
    (["too_slow", "busy", "aborted"] as const).map((failure) => bodyRefused({ failure }).status),
    [408, 503, 400],
  );
});
