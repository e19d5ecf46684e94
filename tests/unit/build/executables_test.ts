import assert from "node:assert/strict";
import { compileArguments, executableName, TARGETS } from "../../../build/release/executables.ts";

Deno.test("compileArguments() are those of the compile task, for another system", () => {
  const args = compileArguments("aarch64-unknown-linux-gnu", "out/roomwire");
  assert.deepEqual(args.slice(0, 3), [
    "compile",
    "--target=aarch64-unknown-linux-gnu",
    "--output=out/roomwire",
  ]);
  assert.equal(args.at(-1), "main.ts");
  assert.equal(args.filter((arg) => arg.startsWith("--output=")).length, 1);
  for (
    const flag of ["--no-prompt", "--allow-net", "--include=site", "--include=build_stamp.json"]
  ) {
    assert.ok(args.includes(flag), flag);
  }
  assert.ok(!args.includes("--allow-write") && !args.includes("--allow-run"));
});

Deno.test("releases are made for four systems, and images for the two that Linux has", () => {
  assert.equal(TARGETS.length, 4);
  assert.deepEqual(TARGETS.flatMap(({ imageArchitecture }) => imageArchitecture ?? []), [
    "amd64",
    "arm64",
  ]);
  assert.deepEqual(TARGETS.map(({ triple }) => executableName(triple)), [
    "roomwire",
    "roomwire",
    "roomwire",
    "roomwire.exe",
  ]);
});
