import assert from "node:assert/strict";
import { ConfigError, createServer, parseConfig, parseConfigText } from "../../../mod.ts";

/** What other programs may import; whoever takes one away breaks them. */
const VALUES = [
  "ConfigError",
  "SfuError",
  "createLog",
  "createServer",
  "denoPlatform",
  "parseConfig",
  "parseConfigText",
  "signAccessToken",
];
const TYPES = [
  "Clock",
  "CloseOptions",
  "EmbeddedServer",
  "Log",
  "LogLevel",
  "LogOptions",
  "MediaAddress",
  "Platform",
  "QuiesceOptions",
  "Random",
  "RoomAdmin",
  "ServerConfig",
  "SfuErrorCode",
  "Timers",
  "TokenClaims",
  "VideoGrant",
];

const read = (path: string) => Deno.readTextFileSync(new URL(`../../../${path}`, import.meta.url));

Deno.test("mod.ts gives what it has promised, and nothing else", async () => {
  assert.deepEqual(Object.keys(await import("../../../mod.ts")).sort(), VALUES);
  const names = [...read("mod.ts").matchAll(/export (type )?\{([^}]*)\}/g)].flatMap(([, , list]) =>
    list!.split(",").map((name) => name.replace("type ", "").trim()).filter((name) => name !== "")
  );
  assert.deepEqual(names.sort(), [...VALUES, ...TYPES].sort());
});

Deno.test("docs/embedding.md says what each name of mod.ts is for", () => {
  const page = read("docs/embedding.md");
  assert.deepEqual([...VALUES, ...TYPES].filter((name) => !page.includes(`\`${name}\``)), []);
});

Deno.test("createServer() of mod.ts makes a server that answers, and binds nothing", async () => {
  const keys = { devkey: "secret" };
  await using sfu = createServer(parseConfig({ keys }));
  assert.equal((await sfu.handler(new Request("http://x/livez"))).status, 200);
  await using other = createServer(parseConfigText("keys:\n  devkey: secret\n", "given"));
  assert.equal(other.occupants, 0);
  assert.throws(() => parseConfig({ keys, prot: 1 }), ConfigError);
});
