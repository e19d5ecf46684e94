import assert from "node:assert/strict";
import {
  healthRoute,
  HEALTHY_FOR_MS,
  type Heartbeat,
  livenessRoute,
  readinessRoute,
} from "../../../routes/health.ts";
import type { RouteHandler } from "../../../routes/http_exchange.ts";

const ROUTES = [healthRoute, livenessRoute, readinessRoute];

async function statuses(heartbeat: Heartbeat): Promise<number[]> {
  const ask = (route: RouteHandler) =>
    route(...[new Request("http://node.test/")] as unknown as Parameters<RouteHandler>);
  const answers = await Promise.all(ROUTES.map((route) => ask(route(heartbeat))));
  return answers.map(({ status }) => status);
}

Deno.test("health: what a node says of itself in each state; that it lives depends on nobody else", async () => {
  const beat = (ageMs: number) => ({ last: () => ({ ageMs, wallMs: 0 }) });
  const alive = beat(HEALTHY_FOR_MS - 1);
  assert.deepEqual(await statuses(alive), [200, 200, 200]);
  assert.deepEqual(await statuses({ ...alive, isDirectoryUp: () => false }), [200, 200, 503]);
  assert.deepEqual(await statuses({ ...alive, takesNewcomers: () => false }), [406, 200, 503]);
  assert.deepEqual(await statuses(beat(HEALTHY_FOR_MS)), [406, 503, 503]);
});
