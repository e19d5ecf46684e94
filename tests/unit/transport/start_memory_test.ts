import assert from "node:assert/strict";
import { libc } from "../../../lib/transport/datagrams/libc.ts";
import { giveBack, giveBackStartMemory, longCode } from "../../../lib/transport/start_memory.ts";

/** As Linux writes it, shortened; the last line is cut off. */
const MAPS = `561f57171000-561f58cff000 r--p 00000000 fe:00 762689                     /usr/bin/deno
561f58f75000-561f5cc69000 r-xp 01b8e000 fe:00 762689                     /usr/bin/deno
561f5cc69000-561f60cdb000 rw-p 05881000 fe:00 762689                     /usr/bin/deno
7f1000000000-7f1008000000 r-xp 00000000 00:00 0 
7f2000000000-7f2008000000 rwxp 00000000 fe:00 77                         /tmp/written program
7f84f4480000-7f84f4580000 r-xp 00001000 fe:00 12                         /usr/lib/libcrypto.so.3
7fa000000000-7fa004000000 r-xp 00000000 fe:00 78                         /opt/a b/roomwire (deleted)
7fb000000000-7fb004000000 r-xp 00000000 fe:00 79                         /opt/cut o`;

Deno.test("longCode() finds code of files that is long, and nothing that could be written to", () => {
  assert.deepEqual(longCode(MAPS), [
    { from: 0x561f58f75000n, bytes: 0x3cf4000n },
    { from: 0x7fa000000000n, bytes: 0x4000000n },
  ]);
  assert.deepEqual(longCode(""), []);
  assert.deepEqual(longCode(MAPS.slice(0, 100)), []);
});

Deno.test("giveBack() forgets what the list says, and nothing without a list", () => {
  for (const [answer, expected] of [[MAPS, 2], ["", 0]] as const) {
    const forgotten: bigint[] = [];
    let trims = 0;
    giveBack({
      trim: () => void trims++,
      readFile: (path, into) => {
        assert.equal(path, "/proc/self/maps");
        return new TextEncoder().encodeInto(answer, into).written || -1;
      },
      forget: (from) => void forgotten.push(from),
    });
    assert.equal(trims, 1);
    assert.equal(forgotten.length, expected);
  }
});

Deno.test({
  name: "giveBackStartMemory() leaves a program that runs on, with fewer pages of it in memory",
  ignore: !libc().ok,
  fn: () => {
    const residentFileKb = () =>
      Number(/^RssFile:\s+(\d+)/m.exec(Deno.readTextFileSync("/proc/self/status"))![1]);
    const before = residentFileKb();
    giveBackStartMemory("off");
    assert.ok(residentFileKb() > before / 2, "nothing is given back where native code is off");
    giveBackStartMemory("auto");
    const after = residentFileKb();
    assert.ok(after < before, `${before} kB of files were resident, and ${after} are`);
    // What was forgotten is there again for whoever needs it.
    const text = JSON.stringify({ text: "ü".repeat(3), at: new Date(0) });
    assert.equal(text, '{"text":"üüü","at":"1970-01-01T00:00:00.000Z"}');
    assert.equal([..."compiled anew".matchAll(/(?<vowel>[aeiou])/g)].length, 5);
  },
});
