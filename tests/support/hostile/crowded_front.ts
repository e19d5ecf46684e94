/**
 * The HTTP listener alone, with more connections than this process has descriptors: start it where
 * those are few. Says its port, and what it counts when it is told to end.
 *
 * @module
 */
import type { Socket } from "node:net";
import { denoPlatform } from "../../../lib/base/deno_platform.ts";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { silentLog } from "../../../lib/base/platform.ts";
import {
  httpConnectionLimits,
  HttpConnections,
} from "../../../lib/server/http/http_connections.ts";
import { openHttpFront } from "../../../lib/server/http/http_front.ts";

const counters = new DropCounters();
const front = await openHttpFront({
  hostname: "127.0.0.1",
  port: 0,
  handler: () => Promise.resolve(new Response("hello")),
  connections: new HttpConnections<Socket>(httpConnectionLimits(100_000)),
  counters,
  platform: denoPlatform(silentLog),
});
Deno.addSignalListener("SIGTERM", () => {
  console.log(JSON.stringify(counters.snapshot()));
  Deno.exit();
});
console.log(front.port);
