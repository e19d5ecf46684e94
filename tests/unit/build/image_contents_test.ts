import assert from "node:assert/strict";
import { systemPackagesIn } from "../../../build/release/image_contents.ts";
import { packArchive } from "../../../build/release/tar_archive.ts";

const text = (words: string) => new TextEncoder().encode(words);
const json = (value: unknown) => text(JSON.stringify(value));
const installed = (name: string) =>
  `Package: ${name}\nStatus: install ok installed\nVersion: 1\nArchitecture: amd64\n`;

/** An image's archive with layers that have these lists, or none. */
async function image(...lists: readonly (string | undefined)[]): Promise<Uint8Array<ArrayBuffer>> {
  const layers = await Promise.all(lists.map((list) =>
    packArchive(
      list === undefined
        ? [{ path: "etc/x", bytes: text("x") }]
        : [{ path: "./var/lib/dpkg/status", bytes: text(list) }],
    )
  ));
  const manifest = { layers: layers.map((_, index) => ({ digest: `sha256:layer${index}` })) };
  return await packArchive([
    { path: "index.json", bytes: json({ manifests: [{ digest: "sha256:inner" }] }) },
    { path: "blobs/sha256/inner", bytes: json({ manifests: [{ digest: "sha256:manifest" }] }) },
    { path: "blobs/sha256/manifest", bytes: json(manifest) },
    ...layers.map((bytes, index) => ({ path: `blobs/sha256/layer${index}`, bytes })),
  ]);
}

Deno.test("systemPackagesIn() reads the list of the last layer that has one", async () => {
  const archive = await image(
    installed("base"),
    `${installed("base")}\n${installed("ssl")}`,
    undefined,
  );
  assert.deepEqual((await systemPackagesIn(archive)).map(({ name }) => name), ["base", "ssl"]);
});

Deno.test("systemPackagesIn() says what is missing", async () => {
  await assert.rejects(systemPackagesIn(await image(undefined)), /no list of Debian's packages/);
  const empty = await packArchive([{ path: "x", bytes: text("x") }]);
  await assert.rejects(systemPackagesIn(empty), /no index\.json/);
});
