import assert from "node:assert/strict";
import { readReplayPage, replayPageText } from "../../../lib/recording/replay_page.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const INDEX = {
  egressId: "EG_1",
  roomName: "stand/up",
  beganAtMs: 1_764_410_400_000,
  journal: "a/EG_1.jsonl",
  files: ["a/x.webm", "a/y-2.ogg"],
};

Deno.test("readReplayPage() reads what replayPageText() wrote, of that recording alone", () => {
  const text = replayPageText(INDEX);
  assert.deepEqual(readReplayPage(text, "EG_1"), INDEX);
  assert.equal(readReplayPage(text, "EG_2"), undefined);
});

Deno.test("readReplayPage() takes no names that lead elsewhere, and nothing else", () => {
  const changes = [
    { version: 2 },
    { journal: "../x.jsonl" },
    { files: ["/etc/passwd"] },
    { files: ["a/../../x"] },
    { files: [""] },
    { files: ["x".repeat(3_000)] },
    { files: Array(30_000).fill("x") },
    { files: {} },
    { roomName: 7 },
    { beganAtMs: 1e300 },
  ];
  for (const change of changes) {
    const text = JSON.stringify({ version: 1, ...INDEX, ...change });
    assert.equal(readReplayPage(text, "EG_1"), undefined, JSON.stringify(change).slice(0, 80));
  }
  const text = replayPageText(INDEX);
  const random = new SeededRandom(5);
  for (let i = 0; i < 2_000; i++) {
    const at = random.uint32() % text.length;
    const changed = text.slice(0, at) + String.fromCharCode(random.uint32() % 128) +
      text.slice(at + random.uint32() % 3);
    const read = readReplayPage(changed, "EG_1");
    assert.ok(read === undefined || new Date(read.beganAtMs).toISOString().length > 0);
  }
  for (const text of ["", "null", "[]", "7"]) assert.equal(readReplayPage(text, ""), undefined);
});
