/** The lists of what is counted: said in words, and counted where they say. */
import assert from "node:assert/strict";
import type { DropReasons } from "../../../lib/base/drop_counters.ts";
import { CLUSTER_DROPS } from "../../../lib/cluster/drop_reasons.ts";
import { ENGINE_DROPS } from "../../../lib/engine/drop_reasons.ts";
import { DROP, DROP_NAMES, MEDIA_DROPS } from "../../../lib/media/layer/drop_reason.ts";
import { ROOM_DROPS } from "../../../lib/room/drop_reasons.ts";
import { SERVER_DROPS } from "../../../lib/server/drop_reasons.ts";
import { SIGNALLING_DROPS } from "../../../lib/signalling/drop_reasons.ts";
import { TRANSPORT_DROPS } from "../../../lib/transport/drop_reasons.ts";
import { WATCH_DROPS } from "../../../lib/watch/drop_reasons.ts";
import { ROUTES_DROPS } from "../../../routes/drop_reasons.ts";
import { dropsPage } from "../../../docs/write_drops_page.ts";

const ROOT = new URL("../../../", import.meta.url);
const LISTS: Readonly<Record<string, DropReasons>> = {
  "lib/transport": TRANSPORT_DROPS,
  "lib/engine": ENGINE_DROPS,
  "lib/room": ROOM_DROPS,
  "lib/signalling": SIGNALLING_DROPS,
  "lib/cluster": CLUSTER_DROPS,
  "lib/server": SERVER_DROPS,
  "lib/watch": WATCH_DROPS,
  routes: ROUTES_DROPS,
};

/** All code of a folder but its list. */
function codeOf(folder: string): string {
  return [...Deno.readDirSync(new URL(`${folder}/`, ROOT))].map(({ name, isDirectory }) => {
    const path = `${folder}/${name}`;
    if (isDirectory) return codeOf(path);
    return name === "drop_reasons.ts" ? "" : Deno.readTextFileSync(new URL(path, ROOT));
  }).join("\n");
}

/** Whether `code` has the reason as text, or makes it of a template that it fits. */
function isNamed(reason: string, code: string): boolean {
  if (code.includes(`"${reason}"`)) return true;
  const templates = [...code.matchAll(/`([a-z_]+_)\$\{\w+\}`/g)].map((match) => match[1]!);
  return templates.some((start) => reason.startsWith(start));
}

for (const [folder, reasons] of Object.entries(LISTS)) {
  Deno.test(`Reasons of drops in ${folder} are all counted there`, () => {
    const code = codeOf(folder);
    assert.deepEqual(Object.keys(reasons).filter((reason) => !isNamed(reason, code)), []);
  });
}

Deno.test("Reasons of drops are counter names with a phrase, one meaning for one name", () => {
  const meanings = new Map<string, string>();
  for (const list of [...Object.values(LISTS), MEDIA_DROPS]) {
    for (const [reason, phrase] of Object.entries<string>(list)) {
      assert.match(reason, /^[a-z0-9]+(?:_[a-z0-9]+)+$/);
      assert.match(phrase, /^[a-z][^.]{10,}[^.]$/i, reason);
      assert.equal(meanings.get(reason) ?? phrase, phrase, reason);
      meanings.set(reason, phrase);
    }
  }
});

Deno.test("docs/drops.md is what the lists say (`deno task docs` writes it)", () => {
  const words = (text: string) => text.split(/\s+/).join(" ");
  const page = Deno.readTextFileSync(new URL("docs/drops.md", ROOT));
  assert.equal(words(page), words(dropsPage()));
});

Deno.test("DROP and its counter names go together", () => {
  assert.equal(DROP_NAMES.length, Object.keys(DROP).length);
  const named = {
    unboundLayer: "rtp_unbound_layer",
    rtxPadding: "rtx_padding",
    disabled: "forward_disabled",
    nackUnknown: "nack_unknown",
    noRoom: "forward_no_room",
    relayFull: "relay_full",
  } as const;
  for (const [key, name] of Object.entries(named)) {
    assert.equal(DROP_NAMES[DROP[key as keyof typeof named]], name);
  }
});
