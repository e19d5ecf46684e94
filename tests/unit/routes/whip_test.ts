import assert from "node:assert/strict";
import { singleOffer } from "../../support/virtual/single_offer.ts";
import {
  fragment,
  OFFER_ICE,
  WHIP_OFFER,
  type WhipReply,
  WhipWorld,
} from "../../support/virtual/whip_world.ts";

function errorOf({ status, headers, body }: WhipReply): readonly [number, string] {
  assert.equal(headers.get("Content-Type"), "application/json");
  return [status, JSON.parse(body).error];
}

Deno.test("POST /whip/v1 answers with everything a client is ever told", async () => {
  const world = new WhipWorld({
    iceServers: [
      { urls: ["stun:stun.example:3478"], username: "", credential: "" },
      { urls: ["turn:turn.example?transport=udp"], username: "5:ann", credential: 'a"b' },
    ],
  });
  const reply = await world.post();
  assert.equal(reply.status, 201, reply.body);
  const { sid } = world.participant()!;
  assert.equal(reply.headers.get("Content-Type"), "application/sdp");
  const at = (address: string) => new URL(reply.headers.get("Location")!, address).href;
  assert.equal(at("https://sfu.example/whip/v1"), `https://sfu.example/whip/v1/${sid}`);
  // A proxy that strips a prefix is not known here.
  assert.equal(at("https://a.example/b/c/whip/v1?d"), `https://a.example/b/c/whip/v1/${sid}`);
  // OBS makes a path of what doesn't begin with "http" (whip-output.cpp, WHIPOutput::Connect).
  const inObs = new URL("https://sfu.example/whip/v1");
  inObs.pathname = reply.headers.get("Location")!;
  assert.equal(inObs.href, `https://sfu.example/whip/v1/${sid}`);
  assert.equal(
    reply.headers.get("Link"),
    '<stun:stun.example:3478>; rel="ice-server", ' +
      '<turn:turn.example?transport=udp>; rel="ice-server"; username="5:ann"; credential="a\\"b"',
  );
  const etag = reply.headers.get("ETag");
  assert.match(reply.body, new RegExp(`^a=ice-ufrag:${etag}\r$`, "m"));
  assert.match(reply.body, /^a=candidate:1 1 udp \d+ 192\.0\.2\.1 7882 typ host\r$/m);
  assert.match(reply.body, /^a=candidate:2 1 tcp .* tcptype passive\r$/m);
  assert.match(reply.body, /^a=end-of-candidates\r$/m);
});

Deno.test("POST /whip/v1 refuses an offer in which there is nothing to connect", async () => {
  const world = new WhipWorld();
  const session = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n";
  const rejected = WHIP_OFFER.replaceAll(/^(m=\w+) \d+ /gm, "$1 0 ");
  for (const offer of ["v=0", "v=0\r\n", session, `${session}a=group:BUNDLE\r\n`, rejected]) {
    const reply = await world.post(offer);
    assert.equal(reply.status, 400, offer);
    assert.match(JSON.parse(reply.body).error, /^malformed SDP offer/);
    assert.equal(world.participant(), undefined);
  }
});

Deno.test("GET, HEAD and OPTIONS of /whip/v1 are answered without a token", async () => {
  const world = new WhipWorld();
  for (const path of ["/whip/v1", "/whip/v1/PA_any"]) {
    for (const method of ["GET", "HEAD"]) {
      assert.equal((await world.request(path, { method, token: null })).status, 204);
    }
  }
  const options = await world.request("/whip/v1", { method: "OPTIONS", token: null });
  assert.equal(options.status, 200);
  assert.equal(options.headers.get("Access-Control-Allow-Origin"), "*");
  assert.equal(
    options.headers.get("Access-Control-Allow-Methods"),
    "PATCH, OPTIONS, GET, POST, DELETE",
  );
  assert.equal(options.headers.get("Access-Control-Expose-Headers"), "*");
  const put = await world.request("/whip/v1", { method: "PUT", body: "" });
  assert.deepEqual([put.status, put.headers.get("Allow")], [405, "GET, HEAD, OPTIONS, POST"]);
  const post = await world.request("/whip/v1/PA_any", { method: "POST", body: "" });
  assert.deepEqual([post.status, post.headers.get("Allow")], [405, "DELETE, GET, HEAD, PATCH"]);
  assert.equal((await world.request("/whip/v1/a/b")).status, 404);
  assert.equal((await world.request("/whip/v1/")).status, 404);
});

Deno.test("POST /whip/v1 says what is wrong with a request, in JSON", async () => {
  const world = new WhipWorld();
  const sdp = (headers: Record<string, string>) => ({ headers });
  const as = (...token: Parameters<WhipWorld["token"]>) => ({ token: world.token(...token) });
  const long = "x".repeat(21);
  const cases: readonly (readonly [Promise<WhipReply>, number, string | RegExp])[] = [
    [
      world.post(WHIP_OFFER, sdp({ "Content-Type": "text/plain" })),
      400,
      "unsupported content-type: text/plain",
    ],
    [world.post(WHIP_OFFER, { token: null }), 401, "no permissions to access the room"],
    [world.post(WHIP_OFFER, as("cam", { roomJoin: false })), 401, "permissions denied"],
    [world.post(WHIP_OFFER, as("cam", { room: "" })), 401, "room name cannot be empty"],
    [
      world.post(WHIP_OFFER, as("cam", { room: long })),
      400,
      "room name length exceeds limits: max length 20",
    ],
    [world.post(WHIP_OFFER, as("")), 400, "identity cannot be empty"],
    [
      world.post(WHIP_OFFER, as(long)),
      400,
      "participant identity length exceeds limits: max length 20",
    ],
    [
      world.post(WHIP_OFFER, sdp({ "X-LiveKit-ClientInfo": "{" })),
      400,
      "malformed json in client info header",
    ],
    [world.post(""), 400, "body does not have SDP offer"],
    [world.post("hello"), 400, /^malformed SDP offer: /],
    [
      world.post(WHIP_OFFER.replaceAll("a=setup:actpass", "a=setup:holdconn")),
      400,
      /^malformed SDP offer: .*a=setup:holdconn is not supported/,
    ],
    [world.post("v".repeat(256 * 1024 + 1)), 413, "request body exceeds 262144 bytes"],
  ];
  for (const [pending, status, text] of cases) {
    const [code, error] = errorOf(await pending);
    assert.equal(code, status, error);
    if (typeof text === "string") assert.equal(error, text);
    else assert.match(error, text);
  }
  assert.deepEqual([...world.world.rooms.all()], [], "no room was made");
});

Deno.test("POST /whip/v1 with client info of the wrong shape is refused", async () => {
  const world = new WhipWorld();
  for (
    const info of [
      "[]",
      "1",
      '{"clientIp":1}',
      '{"subscribedParticipantTrackNames":[]}',
      '{"subscribedParticipantTrackNames":{"ann":"face"}}',
      '{"subscribedParticipantTrackNames":{"ann":[1]}}',
    ]
  ) {
    const reply = await world.post(WHIP_OFFER, { headers: { "X-LiveKit-ClientInfo": info } });
    assert.equal(reply.status, 400, info);
  }
  const naming = (count: number) =>
    JSON.stringify({
      subscribedParticipantTrackNames: { ann: Array.from({ length: count }, (_, i) => `${i}`) },
    });
  const tooMany = await world.post(WHIP_OFFER, {
    headers: { "X-LiveKit-ClientInfo": naming(101) },
  });
  assert.equal(tooMany.status, 400);
  assert.match(tooMany.body, /too many subscribed tracks/);
  const fine = '{"clientIp":"203.0.113.9","subscribedParticipantTrackNames":null,"other":{}}';
  const reply = await world.post(WHIP_OFFER, { headers: { "X-LiveKit-ClientInfo": fine } });
  assert.equal(reply.status, 201, reply.body);
  assert.equal(world.participant()?.init.clientInfo.address, "203.0.113.9");
});

Deno.test("POST /whip/v1 is refused where others could not join either", async () => {
  const closed = new WhipWorld({}, false);
  assert.deepEqual(errorOf(await closed.post()), [404, "requested room does not exist"]);

  const full = new WhipWorld({ maxParticipants: 1 });
  assert.equal((await full.post()).status, 201);
  const second = await full.post(WHIP_OFFER, { token: full.token("late") });
  assert.deepEqual(errorOf(second), [503, "room has exceeded its max participants"]);
  assert.equal(second.headers.get("Retry-After"), null);

  const lost = new WhipWorld();
  const refusal = { ok: false, status: 503, body: "cannot be asked", retryAfterS: 1 } as const;
  lost.world.service.place = () => Promise.resolve(refusal);
  const later = await lost.post();
  assert.deepEqual(errorOf(later), [503, "cannot be asked"]);
  assert.equal(later.headers.get("Retry-After"), "1");
});

Deno.test("PATCH /whip/v1/{id} takes candidates of the session they are for", async () => {
  const world = new WhipWorld();
  const created = await world.post();
  const [path, etag] = [created.headers.get("Location")!, created.headers.get("ETag")!];
  for (const tag of [etag, `"${etag}"`, `W/"${etag}"`]) {
    assert.equal((await world.patch(path, tag, fragment())).status, 204, tag);
  }
  const other = { ufrag: OFFER_ICE.ufrag, pwd: "anotherPasswordOf24Chars" };
  const cases: readonly (readonly [Promise<WhipReply>, number, string])[] = [
    [
      world.patch(path, etag, fragment(), { headers: { "Content-Type": "text/plain" } }),
      400,
      "unsupported content-type: text/plain",
    ],
    [world.patch(path, "", fragment()), 428, "missing entity tag"],
    [
      world.patch(path, etag, fragment(), { token: null }),
      401,
      "no permissions to access the room",
    ],
    [
      world.patch(path, etag, fragment(), { token: world.token("cam", { roomJoin: false }) }),
      401,
      "permissions denied",
    ],
    [
      world.patch(path, etag, fragment(), { token: world.token("cam", { room: "" }) }),
      401,
      "room name cannot be empty",
    ],
    [
      world.patch(path, etag, fragment(), { token: world.token("") }),
      401,
      "participant identity cannot be empty",
    ],
    [
      world.patch(path, etag, fragment(), { token: world.token("eve") }),
      404,
      "participant does not exist",
    ],
    [
      world.patch(path, etag, fragment(), { token: world.token("cam", { room: "other" }) }),
      404,
      "requested room does not exist",
    ],
    [world.patch("/whip/v1/PA_x", etag, fragment()), 404, "participant does not exist"],
    [world.patch(path, "stale", fragment()), 412, "ice session mismatch"],
    [world.patch(path, etag, "hello"), 400, "invalid sdp fragment"],
    [world.patch(path, etag, fragment(OFFER_ICE, "2")), 400, "media mid does not match bundle mid"],
    [world.patch(path, etag, fragment(other)), 400, "ice credential mismatch"],
    [
      world.patch(path, etag, "m".repeat(256 * 1024 + 1)),
      413,
      "request body exceeds 262144 bytes",
    ],
  ];
  for (const [pending, status, text] of cases) {
    assert.deepEqual(errorOf(await pending), [status, text]);
  }
});

Deno.test("PATCH /whip/v1/{id} with If-Match * restarts ICE", async () => {
  const world = new WhipWorld();
  const created = await world.post();
  const [path, etag] = [created.headers.get("Location")!, created.headers.get("ETag")!];
  const fresh = { ufrag: "freshUfrag", pwd: "freshPasswordOf24Chars00" };
  const reply = await world.patch(path, "*", fragment(fresh));
  assert.equal(reply.status, 200, reply.body);
  assert.equal(reply.headers.get("Content-Type"), "application/trickle-ice-sdpfrag");
  const renewed = reply.headers.get("ETag")!;
  assert.notEqual(renewed, etag);
  assert.match(reply.body, new RegExp(`^a=ice-ufrag:${renewed}\r$`, "m"));
  assert.match(reply.body, /^a=ice-pwd:\S{24}\r$/m);
  assert.match(reply.body, /^a=mid:0\r$/m);
  assert.match(reply.body, /^a=candidate:1 1 udp /m);
  const { engine } = world.world;
  const [restart] = engine.of("restart_ice");
  assert.equal(restart?.local.ufrag, renewed);
  const remote = engine.of("set_remote").at(-1)!;
  assert.deepEqual(remote.remote, fresh);
  assert.deepEqual(remote.fingerprints, engine.of("set_remote")[0]!.fingerprints);
  assert.deepEqual(remote.sctp, { port: 5000, maxMessageSize: 262_144 });

  assert.equal((await world.patch(path, etag, fragment())).status, 412, "the old session");
  assert.equal((await world.patch(path, renewed, fragment(fresh))).status, 204);
  const same = await world.patch(path, "*", fragment(fresh));
  assert.equal(same.headers.get("ETag"), renewed, "no restart without new credentials");
  assert.equal(engine.of("restart_ice").length, 1);

  assert.deepEqual(errorOf(await world.patch(path, "*", "hello")), [400, "invalid sdp fragment"]);
  const unknown = await world.patch(path, "*", fragment(fresh, "9"));
  assert.deepEqual(errorOf(unknown), [400, "could not find media mid"]);
});

Deno.test("DELETE /whip/v1/{id} ends the session, once", async () => {
  const world = new WhipWorld();
  const created = await world.post();
  const path = created.headers.get("Location")!;
  const method = "DELETE";
  const refused = [
    [{ token: null }, 401, "no permissions to access the room"],
    [{ token: world.token("cam", { roomJoin: false }) }, 401, "permissions denied"],
    [{ token: world.token("eve") }, 404, "participant does not exist"],
  ] as const;
  for (const [request, status, text] of refused) {
    assert.deepEqual(errorOf(await world.request(path, { method, ...request })), [status, text]);
  }
  assert.ok(world.participant());
  assert.equal((await world.request(path, { method })).status, 200);
  assert.equal(world.participant(), undefined);
  assert.deepEqual(world.world.engine.openConnections(), []);
  const again = await world.request(path, { method });
  assert.deepEqual(errorOf(again), [404, "participant does not exist"]);
});

Deno.test("a session of another kind is none of WHIP's", async () => {
  const world = new WhipWorld();
  await world.world.joined("ann");
  const { sid } = world.participant("ann")!;
  const reply = await world.request(`/whip/v1/${sid}`, {
    method: "DELETE",
    token: world.token("ann"),
  });
  assert.deepEqual(errorOf(reply), [404, "participant does not exist"]);
  assert.ok(world.participant("ann"));
});

Deno.test("POST /whip/v1 refuses an offer without a usable section only by its answer", async () => {
  const world = new WhipWorld();
  const reply = await world.post(singleOffer([]));
  assert.equal(reply.status, 201);
  assert.match(reply.body, /^m=application 9 /m);
});

Deno.test("a WHIP client that is passive is answered active, and stays so when it restarts ICE", async () => {
  const world = new WhipWorld();
  const passive = WHIP_OFFER.replaceAll("a=setup:actpass", "a=setup:passive");
  const reply = await world.post(passive);
  assert.equal(reply.status, 201);
  assert.match(reply.body, /a=setup:active/);
  assert.doesNotMatch(reply.body, /a=setup:(passive|actpass)/);
  const { publisher } = world.participant()!;
  publisher.restartIce({ ufrag: "again", pwd: "anotherPasswordOf24Chars" });
  const roles = world.world.engine.of("set_remote").map(({ dtlsRole }) => dtlsRole);
  assert.deepEqual(roles, ["client", "client"]);
});
