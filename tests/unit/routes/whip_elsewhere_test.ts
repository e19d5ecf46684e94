import assert from "node:assert/strict";
import type { NodeId } from "../../../lib/base/ids.ts";
import type { Refusal } from "../../../lib/signalling/access_token.ts";
import type { CarriedRequest, CarryOutcome, OtherNodes } from "../../../routes/carrying.ts";
import { type WhepRouteOptions, whepRoutes } from "../../../routes/whep.ts";
import { type WhipRouteOptions, whipRoutes } from "../../../routes/whip.ts";
import { tokenWith } from "../../support/virtual/admin_world.ts";
import { testBodies } from "../../support/virtual/test_bodies.ts";

const SELF = "ND_here" as NodeId;
const THERE = "ND_there" as NodeId;
const FULL: Refusal = { ok: false, status: 503, body: "full", takers: "any" };
const ANSWER: CarryOutcome = {
  kind: "answered",
  response: {
    status: 201,
    headers: [["location", "v1/PA_1.ND_there"], ["link", "<a>"], ["link", "<b>"]],
    body: new TextEncoder().encode("v=0"),
  },
};

/** WHIP's and WHEP's routes of a node that takes nobody, and what it asked of others. */
function world({ address, outcome = ANSWER, created = FULL }: {
  readonly address?: string;
  /** `null`: nobody takes it. */
  readonly outcome?: CarryOutcome | null;
  readonly created?: Refusal;
} = {}) {
  const asked: (readonly [string, CarriedRequest])[] = [];
  const local: string[] = [];
  const never = () => Promise.reject(new Error("not asked of WHIP"));
  const nodes: OtherNodes = {
    newcomer: (request, room, among) => {
      asked.push([`${room} among ${among ?? "all"}`, request]);
      return Promise.resolve(outcome ?? undefined);
    },
    to: (node, request) => {
      asked.push([node, request]);
      return Promise.resolve(outcome ?? undefined);
    },
    addressFor: () => Promise.resolve(address),
    returning: never,
    gathered: never,
    serving: never,
    pinnedTo: never,
  };
  const sessions: WhipRouteOptions["whip"] & WhepRouteOptions["whep"] = {
    create: () => Promise.resolve(created),
    trickle: ({ sid }) => (local.push(`trickle ${sid}`), { ok: true }),
    restart: () => ({ ok: true, fragment: "", ufrag: "u" }),
    delete: ({ sid }) => (local.push(`delete ${sid}`), { ok: true }),
    setLayer: ({ sid }, wish) => (local.push(`layer ${sid} ${wish}`), { ok: true }),
  };
  const options = {
    limits: { maxRoomNameLength: 0, maxParticipantIdentityLength: 0 },
    bodies: testBodies(),
    carrying: { nodeId: SELF, nodes },
  };
  const whip = whipRoutes({ whip: sessions, ...options });
  const whep = whepRoutes({ whep: sessions, ...options });
  const routes = (path: string) => whip(path) ?? whep(path);
  const request = async (
    method: string,
    path: string,
    body = "",
    isCarried = false,
    isStranger = false,
  ) => {
    const url = new URL(`http://here${path}`);
    const sent = new Request(url, {
      method,
      headers: {
        "Authorization": "Bearer t.o.k",
        "Content-Type": path.endsWith("/layer")
          ? "application/json"
          : method === "PATCH"
          ? "application/trickle-ice-sdpfrag"
          : "application/sdp",
        "If-Match": "u",
        "Cookie": "not to be carried",
      },
      ...(body === "" ? {} : { body }),
    });
    const token = isStranger
      ? undefined
      : { ...tokenWith({ roomJoin: true, room: "lobby" }), identity: "cam" };
    const route = routes(url.pathname)!;
    const exchange = { request: sent, url, path: url.pathname, token, receivedAt: 0 };
    return await route({ ...exchange, socketAddress: "192.0.2.9", isCarried });
  };
  return { asked, local, request };
}

Deno.test("POST /whip/v1 sends a newcomer on to the address of a node that takes it, with its token", async () => {
  const { request, asked } = world({ address: "wss://eu.example/livekit" });
  const response = await request("POST", "/whip/v1?auto=1", "v=0");
  assert.equal(response.status, 307);
  const to = new URL(response.headers.get("Location")!);
  assert.equal(to.href, "https://eu.example/livekit/whip/v1?auto=1&access_token=t.o.k");
  assert.deepEqual(asked, []);
});

Deno.test("POST /whip/v1 is carried to a node that clients have no address of", async () => {
  const { request, asked } = world();
  const response = await request("POST", "/whip/v1?auto=1", "v=0");
  assert.equal(response.status, 201);
  assert.equal(response.headers.get("Location"), "v1/PA_1.ND_there");
  assert.equal(response.headers.get("Link"), "<a>, <b>");
  assert.equal(await response.text(), "v=0");
  const [[where, carried]] = asked as [readonly [string, CarriedRequest]];
  assert.equal(where, "lobby among all");
  assert.equal(carried.target, "/whip/v1?auto=1");
  assert.equal(new TextDecoder().decode(carried.body), "v=0");
  assert.equal(carried.socketAddress, "192.0.2.9");
  assert.ok(carried.headers.every(([name]) => name !== "Cookie"));
  const pinned = world({ created: { ...FULL, takers: [THERE] } });
  await pinned.request("POST", "/whip/v1", "v=0");
  assert.equal(pinned.asked[0]![0], "lobby among ND_there");
});

Deno.test("POST /whip/v1 is refused where nobody takes it, and what was carried goes no further", async () => {
  const alone = await world({ outcome: null }).request("POST", "/whip/v1", "v=0");
  assert.deepEqual([alone.status, await alone.json()], [503, { error: "full" }]);
  const { request, asked } = world({ address: "wss://eu.example" });
  const carried = await request("POST", "/whip/v1", "v=0", true);
  assert.equal(carried.status, 503);
  assert.equal(carried.headers.get("roomwire-elsewhere"), "1", "its node may look for another");
  assert.deepEqual(asked, []);
  const other = world({ created: { ok: false, status: 404, body: "no room" } });
  assert.equal((await other.request("POST", "/whip/v1", "v=0")).status, 404);
  assert.deepEqual(other.asked, [], "nobody else could do better");
});

Deno.test("PATCH and DELETE of a WHIP session find the node that its address names", async () => {
  const { request, asked, local } = world();
  await request("DELETE", "/whip/v1/PA_1.ND_there");
  await request("PATCH", "/whip/v1/PA_1.ND_there", "a=x");
  assert.deepEqual(asked.map(([node, { method }]) => [node, method]), [
    [THERE, "DELETE"],
    [THERE, "PATCH"],
  ]);
  assert.equal(new TextDecoder().decode(asked[1]![1].body), "a=x");
  const carried = await request("DELETE", "/whip/v1/PA_1.ND_there", "", true);
  assert.equal(carried.status, 404, "not carried twice");
  assert.equal((await request("DELETE", "/whip/v1/PA_2.ND_here")).status, 200);
  assert.equal((await request("PATCH", "/whip/v1/PA_3", "a=x")).status, 204);
  assert.deepEqual(local, ["delete PA_2", "trickle PA_3"]);
  assert.equal(asked.length, 2);
});

Deno.test("what strangers want of a WHIP session is not carried: two nodes would work for it", async () => {
  const { request, asked, local } = world();
  for (const method of ["PATCH", "DELETE"]) {
    const refused = await request(method, "/whip/v1/PA_1.ND_there", "a=x", false, true);
    assert.equal(refused.status, 401);
  }
  assert.deepEqual([asked, local], [[], []]);
});

Deno.test("POST /whep/v1 and its sessions' layers go where WHIP's requests go", async () => {
  const { request, asked, local } = world();
  assert.equal((await request("POST", "/whep/v1?quality=low", "v=0")).status, 201);
  await request("POST", "/whep/v1/PA_1.ND_there/layer", "{}");
  assert.deepEqual(asked.map(([where, { method, target }]) => [where, method, target]), [
    ["lobby among all", "POST", "/whep/v1?quality=low"],
    [THERE, "POST", "/whep/v1/PA_1.ND_there/layer"],
  ]);
  assert.equal((await request("POST", "/whep/v1/PA_2.ND_here/layer", "{}")).status, 200);
  assert.deepEqual(local, ["layer PA_2 {}"]);
  const stranger = await request("POST", "/whep/v1/PA_1.ND_there/layer", "{}", false, true);
  assert.deepEqual([stranger.status, asked.length], [401, 2]);
});
