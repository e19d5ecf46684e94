import assert from "node:assert/strict";
import { absentServices } from "../../routes/absent_services.ts";
import { roomService } from "../../routes/room_service.ts";
import { adminWorld, tokenWith } from "../support/virtual/admin_world.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { twirpPost } from "../support/virtual/twirp_world.ts";

const ROUNDS = 400;

/** Every method with every grant, so that nothing but the body decides. */
function api() {
  const { world, admin } = adminWorld();
  const services = [roomService(admin), ...absentServices()];
  const send = twirpPost(world, services);
  const token = tokenWith({
    roomCreate: true,
    roomList: true,
    roomAdmin: true,
    roomRecord: true,
    ingressAdmin: true,
  }, { admin: true, call: true });
  const paths = services.flatMap(({ name, methods }) =>
    Object.keys(methods).map((method) => `/twirp/${name}/${method}`)
  );
  const post = async (path: string, type: string, body: Uint8Array<ArrayBuffer>) => {
    const response = await send(path, token, body, type);
    await response.body?.cancel();
    return response.status;
  };
  return { world, paths, post };
}

Deno.test("twirpRoutes() survives random protobuf bodies of every method", async () => {
  const random = new SeededRandom(11);
  const { world, paths, post } = api();
  for (let round = 0; round < ROUNDS; round++) {
    const path = paths[random.uint32() % paths.length]!;
    const body = new Uint8Array(random.bytes(random.uint32() % 64));
    const status = await post(path, "application/protobuf", body);
    assert.ok(status >= 200 && status < 600, `${path} ${body.toHex()}`);
  }
  assert.equal(world.counters.get("twirp_internal_error"), 0);
});

Deno.test("twirpRoutes() survives JSON bodies of every shape", async () => {
  const random = new SeededRandom(12);
  const { world, paths, post } = api();
  const pick = <T>(values: readonly T[]): T => values[random.uint32() % values.length]!;
  const names = [
    "name",
    "room",
    "identity",
    "metadata",
    "attributes",
    "permission",
    "track_sids",
    "trackSids",
    "data",
    "nonce",
    "kind",
    "agents",
    "tags",
    "egress",
    "revoke_token_ts",
    "maxParticipants",
    "destination_room",
    "__proto__",
    "constructor",
  ];
  const value = (depth: number): unknown =>
    pick([
      () => "",
      () => "lobby",
      () => "\u0000\ud800",
      () => -1,
      () => 1e308,
      () => "99999999999999999999",
      () => null,
      () => true,
      () => depth > 3 ? [] : [value(depth + 1), value(depth + 1)],
      () => depth > 3 ? {} : object(depth + 1),
    ])();
  const object = (depth: number): unknown =>
    Object.fromEntries(
      Array.from({ length: random.uint32() % 5 }, () => [pick(names), value(depth)]),
    );
  for (let round = 0; round < ROUNDS; round++) {
    const path = pick(paths);
    const text = JSON.stringify(object(0));
    const body = new Uint8Array(new TextEncoder().encode(text));
    const status = await post(path, "application/json", body);
    assert.ok(status >= 200 && status < 600, `${path} ${text}`);
  }
  assert.equal(world.counters.get("twirp_internal_error"), 0);
});

Deno.test("twirpRoutes() refuses JSON nested deeper than any stack", async () => {
  const { post, paths } = api();
  const depth = 200_000;
  const text = `{"x":${"[".repeat(depth)}${"]".repeat(depth)}}`;
  const body = new Uint8Array(new TextEncoder().encode(text));
  const status = await post(paths[0]!, "application/json", body);
  assert.ok(status === 200 || status === 400, `${status}`);
});
