import assert from "node:assert/strict";
import { carriedCapture } from "../../../lib/admin/carried_capture.ts";
import { pcapngHeader } from "../../../lib/wire/pcapng.ts";
import { readPcapng } from "../../support/media/pcapng_reader.ts";

type Step = Uint8Array<ArrayBuffer> | "end" | "lost";

async function file(...steps: readonly Step[]): Promise<Uint8Array> {
  const left = [...steps];
  const read = () => Promise.resolve(left.shift()!);
  const capture = carriedCapture(
    { read, cancel: () => assert.fail("nobody left it") },
    { wallMs: () => 1_700_000_000_000 },
  );
  return new Uint8Array(await new Response(capture).arrayBuffer());
}

Deno.test("a capture whose node is lost says so at its end, and can be read", async () => {
  const head = pcapngHeader("Roomwire", "", ["publisher", "subscriber"]);
  const { interfaces, datagrams: [note, ...more] } = readPcapng(await file(head, "lost"));
  assert.deepEqual([interfaces, more.length], [["publisher", "subscriber"], 0]);
  assert.deepEqual(note!.ports, [9, 9]);
  assert.deepEqual(JSON.parse(new TextDecoder().decode(note!.bytes)), { ended: "node lost" });
  assert.deepEqual(await file(head, "end"), head, "one that has ended has said why itself");
  assert.equal((await file("lost")).length, 0, "there is no file to say it in");
});

Deno.test("a capture that the operator leaves is given up, whatever comes later", async () => {
  const reading = Promise.withResolvers<Step>();
  let left = 0;
  const capture = carriedCapture(
    { read: () => reading.promise, cancel: () => void left++ },
    { wallMs: () => 0 },
  );
  const reader = capture.getReader();
  const read = reader.read();
  await reader.cancel();
  assert.equal(left, 1);
  reading.resolve(Uint8Array.of(1));
  assert.equal((await read).done, true);
});
