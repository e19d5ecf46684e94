import assert from "node:assert/strict";
import manifest from "../../../deno.json" with { type: "json" };
import { VERSION } from "../../../lib/server/version.ts";

const read = (path: string) => Deno.readTextFileSync(new URL(`../../../${path}`, import.meta.url));

Deno.test("the program's version is that of the manifest, and the changelog tells of it", () => {
  assert.equal(VERSION, manifest.version);
  assert.match(read("CHANGELOG.md"), new RegExp(`^## ${VERSION.replaceAll(".", "\\.")}$`, "m"));
});

Deno.test("examples name the package of this version, and the packages that the project has", () => {
  const app = JSON.parse(read("examples/token_app/package.json"));
  assert.equal(app.dependencies["@roomwire/roomwire"], `file:roomwire-${VERSION}.tgz`);
  const imports: Record<string, string> = manifest.imports;
  const { "@livekit/protocol": protocol } = app.dependencies;
  assert.equal(`npm:@livekit/protocol@${protocol}`, imports["@livekit/protocol"]);
  const bot = JSON.parse(read("examples/voice_recorder/deno.json"));
  for (const [name, specifier] of Object.entries(bot.imports)) {
    assert.equal(specifier, imports[name], name);
  }
});
