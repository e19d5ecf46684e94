import assert from "node:assert/strict";
import { readBody } from "../../../routes/body_limit.ts";

function streamed(chunks: readonly number[]): { request: Request; pulled: () => number } {
  let pulled = 0;
  const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      const size = chunks[pulled++];
      if (size === undefined) controller.close();
      else controller.enqueue(new Uint8Array(size).fill(pulled));
    },
  }, { highWaterMark: 0 });
  return { request: new Request("http://x/", { method: "POST", body }), pulled: () => pulled };
}

Deno.test("readBody() joins what fits the limit exactly", async () => {
  const whole = await readBody(streamed([2, 3]).request, 5);
  assert.deepEqual([...whole!], [1, 1, 2, 2, 2]);
});

Deno.test("readBody() stops reading an undeclared body at the limit", async () => {
  const { request, pulled } = streamed(new Array(1000).fill(10));
  assert.equal(await readBody(request, 25), undefined);
  assert.ok(pulled() < 10, `${pulled()} chunks were read`);
});

Deno.test("readBody() has no limit at 0 and gives no bytes for no body", async () => {
  assert.equal((await readBody(streamed([50, 50]).request, 0))?.length, 100);
  assert.equal((await readBody(new Request("http://x/"), 5))?.length, 0);
});
