/** Files one behind the other, where one cannot take what comes. */
import assert from "node:assert/strict";
import { RecordedOutput } from "../../../lib/egress/recorded_output.ts";
import type { RecordedStream } from "../../../lib/recording/recorded_stream.ts";
import { VirtualPlatform } from "../../support/virtual/virtual_platform.ts";

Deno.test("RecordedOutput says so when codecs change too often, and begins no more files", () => {
  const { clock } = new VirtualPlatform();
  const names: string[] = [];
  const whys: string[] = [];
  const output = new RecordedOutput({
    clock,
    storage: {
      open: (name) => {
        names.push(name);
        return {
          name,
          location: name,
          append() {},
          rewriteHead() {},
          close: () => Promise.resolve(0),
        };
      },
      tidy() {},
      close: () => Promise.resolve(),
    },
    format: undefined,
    expected: 1,
    path: () => "out",
    began: () => {},
    failed: (why) => whys.push(why),
  });
  const known = { isSynchronised: true, isWritten: false, timeOf: () => 0 };
  const stream = known as unknown as RecordedStream;
  const frame = { data: new Uint8Array(10), isKey: true, width: 320, height: 240, timestamp: 0 };
  const add = (i: number) => output.add(stream, frame, i * 40, i % 2 === 0 ? "vp8" : "vp9");
  for (let i = 0; i < 20; i++) add(i);
  assert.deepEqual(whys, []);
  add(20);
  assert.match(whys[0]!, /codecs changed so often that there would be more than 20 files/);
  assert.equal(names.length, 20);
  assert.equal(names.at(-1), "out_20.webm");
});
