/**
 * `deno task docs`: writes `docs/drops.md` out of the lists of reasons.
 *
 * @module
 */
import type { DropReasons } from "../lib/base/drop_counters.ts";
import { CLUSTER_DROPS } from "../lib/cluster/drop_reasons.ts";
import { ENGINE_DROPS } from "../lib/engine/drop_reasons.ts";
import { INGRESS_DROPS } from "../lib/ingress/drop_reasons.ts";
import { MEDIA_DROPS } from "../lib/media/layer/drop_reason.ts";
import { ROOM_DROPS } from "../lib/room/drop_reasons.ts";
import { SERVER_DROPS } from "../lib/server/drop_reasons.ts";
import { SIGNALLING_DROPS } from "../lib/signalling/drop_reasons.ts";
import { TRANSPORT_DROPS } from "../lib/transport/drop_reasons.ts";
import { WATCH_DROPS } from "../lib/watch/drop_reasons.ts";
import { ROUTES_DROPS } from "../routes/drop_reasons.ts";

/** Chapters of the page, from the wire up. */
const CHAPTERS: readonly { readonly title: string; readonly reasons: DropReasons }[] = [
  { title: "Transport", reasons: TRANSPORT_DROPS },
  { title: "Forwarding", reasons: MEDIA_DROPS },
  { title: "Engines", reasons: ENGINE_DROPS },
  { title: "Rooms", reasons: ROOM_DROPS },
  { title: "Signalling", reasons: SIGNALLING_DROPS },
  { title: "Between nodes", reasons: CLUSTER_DROPS },
  { title: "Encoders", reasons: INGRESS_DROPS },
  { title: "Operators' streams", reasons: WATCH_DROPS },
  { title: "HTTP requests", reasons: ROUTES_DROPS },
  { title: "HTTP connections and the process", reasons: SERVER_DROPS },
];

const INTRODUCTION = `# What is counted and not used

Values of the label \`reason\` of \`roomwire_drops_total\` (see
[webhooks_and_metrics.md](webhooks_and_metrics.md)): what each counts when it goes up by one. Most are
harmless in small numbers: networks repeat and lose, clients leave in mid-sentence. Look for what grows
with a complaint. Reasons that speak of a bug are ours: please report them with the log line beside.`;

/** The page, not wrapped yet. */
export function dropsPage(): string {
  const chapters = CHAPTERS.map(({ title, reasons }) => {
    const lines = Object.entries(reasons).map(([name, phrase]) => `- \`${name}\`: ${phrase}`);
    return `## ${title}\n\n${lines.join("\n")}`;
  });
  return `${[INTRODUCTION, ...chapters].join("\n\n")}\n`;
}

if (import.meta.main) {
  await Deno.writeTextFile(new URL("drops.md", import.meta.url), dropsPage());
}
