/**
 * `deno task paths`: what real clients see and hear behind bad networks, and how soon they see
 * anything; with another server's program, the same beside it. Needs root, iproute2, Chromium, and
 * for the other subscribers Firefox and Go.
 *
 * ```sh
 * deno task paths [--only=paths,first] [--conditions=NAME,…] [--subscribers=chromium,…] [--dual]
 *   [--repeat=TIMES] [--other=PROGRAM] [--without-own] [--out=FILE]
 * ```
 *
 * @module
 */
import { parseArgs } from "node:util";
import { SUBSCRIBER_KINDS } from "../../tests/support/sdk/distant_client.ts";
import { measureFirstPictures } from "./first_pictures.ts";
import { CONDITIONS } from "./path_conditions.ts";
import { measurePaths, type PathRow } from "./path_run.ts";
import { printFirst, printFirstHead, printPath, printPathHead } from "./path_table.ts";

const { values } = parseArgs({
  options: {
    only: { type: "string", default: "paths,first" },
    conditions: { type: "string" },
    subscribers: { type: "string" },
    dual: { type: "boolean", default: false },
    repeat: { type: "string", default: "1" },
    other: { type: "string" },
    "without-own": { type: "boolean", default: false },
    out: { type: "string" },
  },
});

/** Those of a list that are named, in the list's order. */
function chosen<T>(all: readonly T[], named: string | undefined, name: (one: T) => string): T[] {
  const names = named?.split(",");
  const unknown = names?.find((wanted) => !all.some((one) => name(one) === wanted));
  if (unknown !== undefined) throw new Error(`There is no "${unknown}"`);
  return all.filter((one) => names?.includes(name(one)) ?? true);
}

const conditions = chosen(CONDITIONS, values.conditions, ({ name }) => name);
const subscribers = chosen(SUBSCRIBER_KINDS, values.subscribers, (kind) => kind);
const mode = values.dual ? "dual" : "default";
const parts = values.only.split(",");
const servers = [
  ...(values["without-own"] ? [] : [{ server: "roomwire", program: undefined }]),
  ...(values.other === undefined ? [] : [{ server: "other", program: values.other }]),
];
const rows: PathRow[] = [];

if (parts.includes("first")) {
  printFirstHead();
  for (const { server, program } of servers) {
    await measureFirstPictures({ server, program, onRow: printFirst });
  }
}
if (parts.includes("paths")) {
  printPathHead();
  // All once, then all again, and servers in turns: what is left of one row shows in the next, and
  // a machine is not as busy later on.
  const turns = Array.from({ length: Number(values.repeat) }, () => servers).flat();
  for (const { server, program } of turns) {
    const onRow = (row: PathRow) => {
      rows.push(row);
      printPath(row);
    };
    await measurePaths({ server, program, conditions, subscribers, mode, onRow });
  }
}
if (values.out !== undefined) await Deno.writeTextFile(values.out, JSON.stringify(rows, null, 2));
// Playwright, for one, leaves handles open.
Deno.exit();
