import assert from "node:assert/strict";
import { z } from "zod";
import {
  type Bill,
  billOfMaterials,
  checksums,
  installedPackages,
} from "../../../build/release/bill_of_materials.ts";
import { programPackages } from "../../../build/release/program_packages.ts";

/** What CycloneDX 1.6 (ECMA-424) asks of the fields that are written here; no others may be. */
const LICENCE = z.union([
  z.strictObject({ license: z.strictObject({ id: z.string().regex(/^[\w.+-]+$/) }) }),
  z.strictObject({ expression: z.string().regex(/^[\w.+-]+(?: (?:AND|OR|WITH) [\w.+-]+)+$/) }),
]);
const COMPONENT = z.strictObject({
  "type": z.enum(["application", "library", "platform"]),
  "bom-ref": z.string().min(1),
  group: z.string().regex(/^@/).optional(),
  name: z.string().min(1),
  version: z.string().min(1),
  hashes: z.array(z.strictObject({
    alg: z.literal("SHA-512"),
    content: z.string().regex(/^[0-9a-f]{128}$/),
  })).length(1).optional(),
  licenses: z.array(LICENCE).min(1).optional(),
  purl: z.string().regex(/^pkg:(?:npm|deb|generic)\/[^@\s]+@[^@\s]+$/).optional(),
  properties: z.array(z.strictObject({ name: z.string(), value: z.string() })).optional(),
});
const DOCUMENT = z.strictObject({
  bomFormat: z.literal("CycloneDX"),
  specVersion: z.literal("1.6"),
  serialNumber: z.string().regex(
    /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
  ),
  version: z.literal(1),
  metadata: z.strictObject({
    timestamp: z.iso.datetime({ offset: true }).optional(),
    component: COMPONENT,
  }),
  components: z.array(COMPONENT),
  dependencies: z.array(z.strictObject({ ref: z.string(), dependsOn: z.array(z.string()) })),
});

/** Reads it by the rules, and looks at what rules of single fields cannot say. */
function checked(text: string): z.infer<typeof DOCUMENT> {
  const document = DOCUMENT.parse(JSON.parse(text));
  const { metadata, components, dependencies } = document;
  const references = [metadata.component, ...components].map((one) => one["bom-ref"]);
  assert.equal(new Set(references).size, references.length, "a reference names one component");
  for (const { ref, dependsOn } of dependencies) {
    for (const name of [ref, ...dependsOn]) assert.ok(references.includes(name), name);
  }
  return document;
}

const BILL: Bill = {
  version: "1.2.3",
  commit: "0123456789abcdef0123456789abcdef01234567",
  timestamp: "2026-01-02T03:04:05+01:00",
  runtime: "2.9.6",
  imports: ["@a/b@1.0.0", "nobody@1.0.0"],
  packages: [
    {
      name: "c",
      version: "2.0.0-rc.1",
      licence: "(MIT OR Apache-2.0)",
      integrity: "sha1-unused",
      needs: [],
    },
    {
      name: "@a/b",
      version: "1.0.0",
      licence: "MIT",
      integrity: `sha512-${btoa("x".repeat(64))}`,
      needs: ["c@2.0.0-rc.1"],
    },
  ],
  system: [{ name: "libstdc++6", version: "12.2.0-14+deb12u1", architecture: "amd64" }],
};

Deno.test("billOfMaterials() writes CycloneDX with every part, its licence, hash and needs", async () => {
  const { components, dependencies, metadata } = checked(await billOfMaterials(BILL));
  const scoped = components.find(({ group }) => group === "@a")!;
  assert.deepEqual(
    [scoped.name, scoped.purl, scoped.hashes],
    ["b", "pkg:npm/%40a/b@1.0.0", [{ alg: "SHA-512", content: "78".repeat(64) }]],
  );
  const other = components.find(({ name }) => name === "c")!;
  assert.deepEqual([other.licenses, other.hashes], [
    [{ expression: "MIT OR Apache-2.0" }],
    undefined,
  ]);
  const system = components.find(({ name }) => name === "libstdc++6")!;
  assert.equal(system.purl, "pkg:deb/debian/libstdc%2B%2B6@12.2.0-14%2Bdeb12u1?arch=amd64");
  const needs = new Map(dependencies.map(({ ref, dependsOn }) => [ref, dependsOn]));
  assert.deepEqual(needs.get("roomwire"), [
    "pkg:generic/deno@2.9.6",
    "pkg:npm/%40a/b@1.0.0",
    system.purl,
  ]);
  assert.deepEqual(needs.get("pkg:npm/%40a/b@1.0.0"), ["pkg:npm/c@2.0.0-rc.1"]);
  assert.equal(metadata.component.properties![0]!.value, BILL.commit);
});

Deno.test("billOfMaterials() writes the same for the same, and another number for another", async () => {
  const first = await billOfMaterials(BILL);
  const reversed = { ...BILL, packages: BILL.packages.toReversed() };
  assert.equal(await billOfMaterials(reversed), first);
  const other = await billOfMaterials({ ...BILL, version: "1.2.4" });
  assert.notEqual(checked(other).serialNumber, checked(first).serialNumber);
});

Deno.test("billOfMaterials() leaves out what nobody knows", async () => {
  const { metadata } = checked(
    await billOfMaterials({ ...BILL, commit: undefined, timestamp: undefined, system: [] }),
  );
  assert.deepEqual([metadata.timestamp, metadata.component.properties], [undefined, undefined]);
});

Deno.test("the program's own bill names what it imports, with hashes and licences, and no tools of tests", async () => {
  const { imports, packages } = await programPackages();
  const bill = { ...BILL, imports, packages, system: [] };
  const { components, dependencies } = checked(await billOfMaterials(bill));
  const names = components.map(({ group, name }) =>
    group === undefined ? name : `${group}/${name}`
  );
  for (const name of ["@livekit/protocol", "ws", "zod", "redis", "livekit-client"]) {
    assert.ok(names.includes(name), name);
  }
  for (const name of ["werift", "playwright-core", "fast-check", "marked", "jose"]) {
    assert.ok(!names.includes(name), name);
  }
  const libraries = components.filter(({ type }) => type === "library");
  assert.deepEqual(libraries.filter(({ hashes }) => hashes === undefined), []);
  assert.deepEqual(libraries.filter(({ licenses }) => licenses === undefined), []);
  const root = dependencies.find(({ ref }) => ref === "roomwire")!;
  assert.ok(root.dependsOn.length > 10);
  assert.ok(
    dependencies.some(({ ref, dependsOn }) =>
      ref.startsWith("pkg:npm/%40livekit/protocol@") &&
      dependsOn.some((address) => address.startsWith("pkg:npm/%40bufbuild/protobuf@"))
    ),
  );
});

Deno.test("installedPackages() reads dpkg's list, without what was removed", () => {
  const status = [
    "Package: libssl3\nStatus: install ok installed\nArchitecture: arm64\nVersion: 3.0.19-1\n",
    "Package: gone\nStatus: deinstall ok config-files\nArchitecture: arm64\nVersion: 1\n",
    "Package: tzdata\nStatus: install ok installed\nVersion: 2026a-0\nDescription: x\n Version: 9\n",
  ].join("\n");
  assert.deepEqual(installedPackages(status), [
    { name: "libssl3", version: "3.0.19-1", architecture: "arm64" },
    { name: "tzdata", version: "2026a-0", architecture: "all" },
  ]);
});

Deno.test({
  name: "sha256sum takes what checksums() writes, and notices a change",
  ignore: Deno.build.os !== "linux",
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "roomwire_sums_" });
    try {
      const files = ["b", "a"].map((name) => ({ name, bytes: new TextEncoder().encode(name) }));
      for (const { name, bytes } of files) await Deno.writeFile(`${folder}/${name}`, bytes);
      const list = await checksums(files);
      assert.match(list, /^[0-9a-f]{64} {2}a\n[0-9a-f]{64} {2}b\n$/);
      await Deno.writeTextFile(`${folder}/SHA256SUMS`, list);
      const args = ["--check", "--ignore-missing", "SHA256SUMS"];
      const check = () => new Deno.Command("sha256sum", { args, cwd: folder }).output();
      assert.ok((await check()).success);
      await Deno.writeTextFile(`${folder}/a`, "changed");
      assert.ok(!(await check()).success);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
