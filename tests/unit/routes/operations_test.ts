import assert from "node:assert/strict";
import { AdminFailure } from "../../../lib/admin/admin_failure.ts";
import type { CaptureRequest } from "../../../lib/admin/packet_captures.ts";
import type { VideoGrant } from "../../../lib/signalling/access_token.ts";
import { isToComeInParts } from "../../../routes/http_exchange.ts";
import { operationsRoutes } from "../../../routes/operations.ts";
import { tokenWith } from "../../support/virtual/admin_world.ts";

const OPERATOR = { roomAdmin: true, roomList: true };

function world() {
  const asked: CaptureRequest[] = [];
  const routes = operationsRoutes({
    report: () => Promise.resolve({ version: "1" }),
    captures: {
      start: (request) => {
        asked.push(request);
        if (request.room === "nowhere") return new AdminFailure("not_found", "no such room");
        return new ReadableStream();
      },
    },
  });
  const call = async (path: string, grant?: Partial<VideoGrant>, method = "GET") => {
    const request = new Request(`https://sfu.example${path}`, { method });
    const url = new URL(request.url);
    const token = grant && tokenWith(grant);
    const exchange = { request, url, path: url.pathname, token, receivedAt: 0, socketAddress: "" };
    return await routes.get(url.pathname)!(exchange);
  };
  return { call, asked };
}

Deno.test("only operators get reports and packets", async () => {
  const { call, asked } = world();
  const others: (Partial<VideoGrant> | undefined)[] = [
    undefined,
    { roomJoin: true, room: "standup" },
    { roomAdmin: true },
    { roomList: true },
    { roomCreate: true, roomList: true, roomRecord: true },
    { ...OPERATOR, room: "standup" },
  ];
  for (const grant of others) {
    assert.equal((await call("/operations/report", grant)).status, 401);
    assert.equal((await call("/operations/capture?room=a&identity=b", grant, "POST")).status, 401);
  }
  assert.deepEqual(asked, []);
  const report = await call("/operations/report", OPERATOR);
  assert.deepEqual(await report.json(), { version: "1" });
  assert.equal(report.headers.get("Cache-Control"), "no-store");
});

Deno.test("/operations/capture takes whole seconds and bytes, begins by POST alone, and comes in parts", async () => {
  const { call, asked } = world();
  assert.equal((await call("/operations/capture?room=a&identity=b", OPERATOR)).status, 405);
  assert.equal((await call("/operations/report", OPERATOR, "POST")).status, 405);
  for (
    const wrong of ["seconds=0", "seconds=-1", "seconds=1.5", "bytes=x", "bytes=1e9", "seconds="]
  ) {
    const path = `/operations/capture?room=a&identity=b&${wrong}`;
    assert.equal((await call(path, OPERATOR, "POST")).status, 400, wrong);
  }
  assert.deepEqual(asked, []);
  const path = "/operations/capture?room=a&identity=b%20c&seconds=30&bytes=4096";
  const response = await call(path, OPERATOR, "POST");
  assert.deepEqual(asked, [{ room: "a", identity: "b c", ms: 30_000, bytes: 4_096 }]);
  assert.equal(response.headers.get("Content-Type"), "application/x-pcapng");
  assert.ok(isToComeInParts(response));
  const refused = await call("/operations/capture?room=nowhere&identity=b", OPERATOR, "POST");
  assert.equal(refused.status, 404);
  assert.ok(!isToComeInParts(refused));
});
