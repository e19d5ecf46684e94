import assert from "node:assert/strict";
import {
  DisconnectReason,
  Encryption_Type,
  TrackSource,
  TrackType,
  VideoQuality,
} from "@livekit/protocol";
import { singleOffer } from "../support/virtual/single_offer.ts";
import type { ScriptedClient } from "../support/virtual/scripted_client.ts";
import { WHEP_OFFER, WHIP_OFFER, WhipWorld } from "../support/virtual/whip_world.ts";

/** A viewer that has been let in, and what it is sent. */
async function watching(
  world: WhipWorld,
  query = "",
  { offer = WHEP_OFFER, identity = "eye" } = {},
) {
  const token = world.token(identity);
  const reply = await world.watch(query, offer, { token });
  assert.equal(reply.status, 201, reply.body);
  const viewer = world.participant(identity)!;
  const location = reply.headers.get("Location")!;
  /** `mid` → the up-track that is forwarded there now. */
  const shown = () =>
    Object.fromEntries(
      world.world.engine.forwarding()
        .filter(({ connection }) => connection === viewer.subscriber.id)
        .map(({ section, upTrack }) => [section.mid, upTrack]),
    );
  const post = (body: string, headers: Record<string, string> = {}) =>
    world.request(`${location}/layer`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body,
      token,
    }, "/whep/v1");
  return { reply, viewer, location, shown, post, token };
}

/** A camera and a microphone in one offer. */
async function publishBoth(client: ScriptedClient): Promise<void> {
  const { AUDIO, VIDEO } = TrackType;
  const { CAMERA, MICROPHONE } = TrackSource;
  await client.announce({ cid: "mic", name: "mic", type: AUDIO, source: MICROPHONE });
  await client.announce({ cid: "cam", name: "cam", type: VIDEO, source: CAMERA });
  await client.offer([
    { mid: "1", kind: "audio", cid: "mic" },
    { mid: "2", kind: "video", cid: "cam", rids: ["q", "h", "f"] },
  ]);
}

/** One more video beside those. */
async function publishScreen(client: ScriptedClient): Promise<void> {
  const { VIDEO } = TrackType;
  await client.announce({
    cid: "slides",
    name: "slides",
    type: VIDEO,
    source: TrackSource.SCREEN_SHARE,
  });
  await client.offer([
    { mid: "1", kind: "audio", cid: "mic" },
    { mid: "2", kind: "video", cid: "cam", rids: ["q", "h", "f"] },
    { mid: "3", kind: "video", cid: "slides" },
  ]);
}

/** SSRCs of a section of the answer. */
function ssrcsOf(sdp: string, mid: string): Set<string> {
  const section = sdp.split(/\r\n(?=m=)/).find((text) => text.includes(`a=mid:${mid}\r\n`))!;
  return new Set([...section.matchAll(/^a=ssrc:(\d+) /gm)].map(([, ssrc]) => ssrc!));
}

Deno.test("a WHEP viewer is sent what is there when it comes, unseen", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  await publishBoth(ann);
  const { reply, viewer, shown } = await watching(world);
  assert.deepEqual(shown(), { "1": ann.upTrack("1"), "2": ann.upTrack("2") });
  assert.equal(reply.body.match(/^a=sendonly\r$/gm)?.length, 2);
  assert.equal(viewer.hidden, true);
  assert.equal(viewer.profile.permission.canPublish, false);
  await world.world.pass(1_000);
  const told = ann.all("update").flatMap(({ participants }) => participants);
  assert.ok(told.every(({ identity }) => identity !== "eye"));
  const seen = await watching(world, "visible=1", { identity: "guest" });
  assert.equal(seen.viewer.hidden, false);
});

Deno.test("a WHEP viewer's sections wait for a publisher, and go to the next when it has left", async () => {
  const world = new WhipWorld();
  const { reply, viewer, shown } = await watching(world);
  assert.deepEqual(shown(), {});
  assert.equal(reply.body.match(/^a=sendonly\r$/gm)?.length, 2);
  const [sound, picture] = [ssrcsOf(reply.body, "1"), ssrcsOf(reply.body, "2")];
  assert.deepEqual([sound.size, picture.size], [1, 2], "media, and what is sent again");
  const ann = await world.world.joined("ann");
  await publishBoth(ann);
  await world.world.pass(100);
  assert.deepEqual(shown(), { "1": ann.upTrack("1"), "2": ann.upTrack("2") });
  const bob = await world.world.joined("bob");
  await publishBoth(bob);
  await world.world.pass(5_000, 500);
  assert.equal(shown()["2"], ann.upTrack("2"), "who is seen is kept");
  ann.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  await world.world.pass(100);
  assert.deepEqual(shown(), { "1": bob.upTrack("1"), "2": bob.upTrack("2") });
  const used = world.world.engine.of("add_down_track")
    .filter(({ connection }) => connection === viewer.subscriber.id)
    .map(({ section }) => [section.mid, String(section.ssrc)]);
  assert.equal(used.length, 4);
  for (const [mid, ssrc] of used) {
    assert.ok((mid === "1" ? sound : picture).has(ssrc!), "only SSRCs of the answer");
  }
  assert.equal(viewer.closed, false);
});

Deno.test("a WHEP viewer follows a track that is published anew, under the same SSRC", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  await ann.publishCamera();
  const { viewer, shown } = await watching(world, "participant=ann");
  const first = shown()["2"];
  assert.ok(first);
  await ann.offer([{ mid: "1", kind: "video", cid: "cam", direction: "inactive" }]);
  await world.world.pass(100);
  assert.deepEqual(shown(), {});
  await ann.announce({ cid: "again", type: TrackType.VIDEO, source: TrackSource.CAMERA });
  await ann.offer([
    { mid: "1", kind: "video", cid: "cam", direction: "inactive" },
    { mid: "2", kind: "video", cid: "again" },
  ]);
  await world.world.pass(100);
  assert.equal(shown()["2"], ann.upTrack("2"));
  assert.notEqual(shown()["2"], first);
  const ssrcs = world.world.engine.of("add_down_track")
    .filter(({ connection }) => connection === viewer.subscriber.id)
    .map(({ section }) => section.ssrc);
  assert.deepEqual([ssrcs.length, new Set(ssrcs).size], [2, 1]);
});

Deno.test("a WHEP viewer that names a participant or tracks is sent nothing else", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  await publishBoth(ann);
  const bob = await world.world.joined("bob");
  const face = await bob.publishCamera("face");
  const ofBob = await watching(world, "participant=bob");
  assert.deepEqual(ofBob.shown(), { "2": bob.upTrack("1") });
  const byName = await watching(world, "track=face", { identity: "eye2" });
  assert.deepEqual(byName.shown(), { "2": bob.upTrack("1") });
  const bySid = await watching(world, `track=${face}&track=other`, { identity: "eye3" });
  assert.deepEqual(bySid.shown(), { "2": bob.upTrack("1") });
  const nobody = await watching(world, "participant=eve", { identity: "eye4" });
  assert.deepEqual(nobody.shown(), {});
});

Deno.test("a WHEP viewer sees the camera, or the screen if it asks, and both in two sections", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  await publishBoth(ann);
  const camera = await watching(world);
  const screen = await watching(world, "source=screen_share", { identity: "eye2" });
  const video = (mid: string) => ({ mid, kind: "video", direction: "recvonly" }) as const;
  const both = await watching(world, "", {
    identity: "eye3",
    offer: singleOffer([video("5"), video("6")]),
  });
  assert.equal(screen.shown()["2"], ann.upTrack("2"), "a camera until there is a screen");
  assert.deepEqual(both.shown(), { "5": ann.upTrack("2") });
  await publishScreen(ann);
  await world.world.pass(100);
  const [face, slides] = [ann.upTrack("2"), ann.upTrack("3")];
  assert.equal(camera.shown()["2"], face);
  assert.equal(screen.shown()["2"], slides);
  assert.deepEqual(both.shown(), { "5": face, "6": slides });
});

Deno.test("a WHEP viewer is sent neither what is encrypted nor what its publisher keeps from it", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  await ann.announce({
    cid: "cam",
    type: TrackType.VIDEO,
    source: TrackSource.CAMERA,
    encryption: Encryption_Type.GCM,
  });
  await ann.offer([{ mid: "1", kind: "video", cid: "cam" }]);
  const { shown } = await watching(world);
  assert.deepEqual(shown(), {});
  const bob = await world.world.joined("bob");
  await bob.publishCamera();
  const rule = (allParticipants: boolean) =>
    bob.request(
      {
        case: "subscriptionPermission",
        value: { allParticipants, trackPermissions: [] },
      } as unknown as Parameters<ScriptedClient["request"]>[0],
    );
  await world.world.pass(100);
  assert.deepEqual(shown(), { "2": bob.upTrack("1") });
  await rule(false);
  await world.world.pass(100);
  assert.deepEqual(shown(), {});
  await rule(true);
  await world.world.pass(2_500, 100);
  assert.deepEqual(shown(), { "2": bob.upTrack("1") }, "looked at again while a section waits");
});

Deno.test("a WHEP viewer chooses its layer by the query and by the layer resource", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  await ann.publishCamera();
  const { viewer, reply, post, token, location } = await watching(world, "quality=low");
  const spatial = () => {
    const { engine } = world.world;
    const down = engine.forwarding().find(({ connection }) => connection === viewer.subscriber.id);
    const changes = engine.of("set_down_track_target")
      .filter(({ downTrack }) => downTrack === down?.downTrack);
    return (changes.at(-1) ?? down)?.target.maxSpatial;
  };
  assert.equal(spatial(), 0);
  const link = `<${location}/layer>; rel="urn:ietf:params:whep:ext:core:layer"`;
  assert.ok(reply.headers.get("Link")?.includes(link));
  const said = async (body: string, wanted = 200) => {
    const { status, body: error } = await post(body);
    assert.equal(status, wanted, error);
    await world.world.pass(200);
    return spatial();
  };
  assert.equal(await said('{"encodingId":"high"}'), 2);
  assert.equal(await said('{"mediaId":"2","maxSpatialLayerId":1}'), 1);
  assert.equal(await said('{"mediaId":"2","spatialLayerId":0,"temporalLayerId":1}'), 0);
  assert.equal(await said(""), 2, "whatever is best");
  assert.equal(await said('{"encodingId":"huge"}', 400), 2);
  assert.equal((await post('{"mediaId":"1","encodingId":"low"}')).status, 404, "that is audio");
  assert.equal((await post("{}", { "Content-Type": "text/plain" })).status, 400);
  const stranger = { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" };
  for (const [who, status] of [[null, 401], [world.token("bob"), 404]] as const) {
    const refused = await world.request(
      `${location}/layer`,
      { ...stranger, token: who },
      "/whep/v1",
    );
    assert.equal(refused.status, status);
  }
  assert.equal(viewer.subscriptions.subscribedTracks().length, 1);
  const get = await world.request(`${location}/layer`, { token }, "/whep/v1");
  assert.deepEqual([get.status, get.headers.get("Allow")], [405, "POST"]);
  // A layer holds for what comes after it, too.
  await post('{"encodingId":"medium"}');
  ann.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
  const bob = await world.world.joined("bob");
  await bob.publishCamera();
  await world.world.pass(300);
  assert.equal(spatial(), Number(VideoQuality.MEDIUM));
});

Deno.test("a WHEP session trickles, restarts ICE, and ends with DELETE or its connection", async () => {
  const world = new WhipWorld();
  const { reply, viewer, location, token } = await watching(world);
  const send = (method: string, headers: Record<string, string> = {}, body?: string) =>
    world.request(
      location,
      { method, headers, token, ...(body === undefined ? {} : { body }) },
      "/whep/v1",
    );
  const fragment = (ufrag: string) =>
    [
      `a=ice-ufrag:${ufrag}`,
      "a=ice-pwd:clientPasswordOf24Chars00",
      "m=application 9 UDP/DTLS/SCTP 0",
      "a=mid:0",
      "",
    ].join("\r\n");
  const type = { "Content-Type": "application/trickle-ice-sdpfrag" };
  const etag = reply.headers.get("ETag")!;
  const trickle = await send("PATCH", { ...type, "If-Match": etag }, fragment("clientUfrag"));
  assert.equal(trickle.status, 204, trickle.body);
  const restart = await send("PATCH", { ...type, "If-Match": "*" }, fragment("another"));
  assert.equal(restart.status, 200, restart.body);
  assert.notEqual(restart.headers.get("ETag"), etag);
  const stale = await send("PATCH", { ...type, "If-Match": etag }, fragment("another"));
  assert.equal(stale.status, 412);
  const asWhip = location.replace("whep", "whip");
  assert.equal((await world.request(asWhip, { method: "DELETE", token })).status, 404, "no WHIP");
  assert.equal((await send("DELETE")).status, 200);
  assert.equal(viewer.closed, true);
  assert.equal((await send("DELETE")).status, 404);

  const next = await watching(world);
  const connection = next.viewer.publisher.id;
  world.world.engine.emit({ type: "connection_connected", connection, protocol: "udp" });
  world.world.engine.emit({ type: "connection_lost", connection });
  assert.equal(next.viewer.closed, true);
  await world.world.pass(61_000, 1_000);
  assert.equal(world.participant("eye"), undefined);
});

Deno.test("POST /whep/v1 says what is wrong with a request, in JSON, and lets nobody in", async () => {
  const world = new WhipWorld();
  const token = (grant = {}) => ({ token: world.token("eye", grant) });
  const sending = singleOffer([{ mid: "1", kind: "video", direction: "sendonly", cid: "x" }]);
  const noCodec = WHEP_OFFER.replaceAll(/^(a=rtpmap:\d+ )(?!rtx)\w+\//gm, "$1nothing/");
  const cases = [
    [world.watch("", WHEP_OFFER, { token: null }), 401, "no permissions to access the room"],
    [
      world.watch("", WHEP_OFFER, token({ canSubscribe: false })),
      403,
      "token does not allow subscribing",
    ],
    [
      world.watch("quality=best"),
      400,
      "unknown quality: low, medium and high are known",
    ],
    [
      world.watch("source=desk"),
      400,
      "unknown source: camera and screen_share are known",
    ],
    [
      world.watch(`participant=${"x".repeat(21)}`),
      400,
      "participant identity length exceeds limits: max length 20",
    ],
    [world.watch("track=a&".repeat(101)), 400, "too many tracks: max 100"],
    [
      world.watch(`track=${"x".repeat(1_025)}`),
      400,
      "track name length exceeds limits: max length 1024",
    ],
    [world.watch("", ""), 400, "body does not have SDP offer"],
    [
      world.watch("", sending),
      400,
      "SDP offer has no audio or video section in which the client receives",
    ],
    [
      world.watch("", WHEP_OFFER, { headers: { "Content-Type": "text/plain" } }),
      400,
      "unsupported content-type: text/plain",
    ],
    [world.watch("", "v".repeat(256 * 1024 + 1)), 413, "request body exceeds 262144 bytes"],
  ] as const;
  for (const [pending, status, words] of cases) {
    const { status: code, body } = await pending;
    assert.deepEqual([code, JSON.parse(body).error], [status, words]);
  }
  assert.deepEqual([...world.world.rooms.all()], [], "no room was made");
  const refused = await world.watch("", noCodec);
  assert.equal(refused.status, 406, refused.body);
  assert.equal(world.participant(), undefined);
});

Deno.test("a WHEP viewer that also wants to send is sent to, and publishes nothing", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  await ann.publishCamera();
  const offer = WHIP_OFFER.replaceAll("a=sendonly", "a=sendrecv");
  const { viewer, shown, reply } = await watching(world, "", { offer });
  assert.deepEqual(shown(), { "2": ann.upTrack("1") });
  assert.equal(reply.body.match(/^a=sendonly\r$/gm)?.length, 2);
  assert.deepEqual(viewer.tracks, []);
});

Deno.test("a WHEP viewer has 16 sections at most", async () => {
  const world = new WhipWorld();
  const section = (_: unknown, at: number) =>
    ({ mid: `${at + 1}`, kind: "video", direction: "recvonly" }) as const;
  const { reply } = await watching(world, "", {
    offer: singleOffer(Array.from({ length: 20 }, section)),
  });
  assert.equal(reply.body.match(/^a=sendonly\r$/gm)?.length, 16);
  assert.equal(reply.body.match(/^a=inactive\r$/gm)?.length, 4);
});

Deno.test("OPTIONS of /whep/v1 is answered without a token", async () => {
  const world = new WhipWorld();
  const { status, headers } = await world.request(
    "/whep/v1",
    { method: "OPTIONS", token: null },
  );
  assert.equal(status, 200);
  assert.equal(headers.get("Access-Control-Allow-Origin"), "*");
  assert.equal(headers.get("Accept-Post"), "application/sdp");
  assert.equal((await world.request("/whep/v1/PA_1/other", {}, "/whep/v1")).status, 404);
  assert.equal((await world.request("/whip/v1/PA_1/layer")).status, 404, "WHIP has none");
});

Deno.test("a viewer's streams are not opened by packets without media", async () => {
  const world = new WhipWorld();
  await watching(world);
  const ann = await world.world.joined("ann");
  await publishBoth(ann);
  await world.world.pass(100);
  const opened = world.world.engine.of("add_down_track").map((
    { section: { kind, openAfterMs } },
  ) => [kind, openAfterMs]);
  assert.deepEqual(opened.sort(), [["audio", Infinity], ["video", Infinity]]);
});

Deno.test("viewers look at a room's tracks when there are others to choose from, and not at each mute", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  await publishBoth(ann);
  for (let i = 0; i < 10; i++) await watching(world, "", { identity: `eye${i}` });
  await world.world.pass(3_000, 100);
  const { tracks } = world.world.rooms.get("lobby")!;
  const { all } = tracks;
  let looks = 0;
  tracks.all = () => {
    looks++;
    return all.call(tracks);
  };
  const [{ sid }] = ann.participant.tracks as [typeof ann.participant.tracks[number]];
  for (let i = 0; i < 40; i++) {
    await ann.participant.muteTrack(sid, i % 2 === 0);
    await world.world.pass(25, 25);
  }
  assert.equal(looks, 0);
  await publishScreen(ann);
  await world.world.pass(100, 20);
  assert.ok(looks > 0);
});

Deno.test("a WHEP viewer goes over to others once what it sees is kept from it", async () => {
  const world = new WhipWorld();
  const ann = await world.world.joined("ann");
  await publishBoth(ann);
  const bob = await world.world.joined("bob");
  await publishBoth(bob);
  const { shown } = await watching(world);
  await world.world.pass(3_000, 100);
  assert.equal(shown()["2"], ann.upTrack("2"));
  const value = { allParticipants: false, trackPermissions: [] };
  await ann.request(
    { case: "subscriptionPermission", value } as unknown as Parameters<
      ScriptedClient["request"]
    >[0],
  );
  const [{ sid }] = bob.participant.tracks as [typeof bob.participant.tracks[number]];
  await bob.participant.muteTrack(sid, true);
  await bob.participant.muteTrack(sid, false);
  await world.world.pass(3_000, 100);
  assert.equal(shown()["2"], bob.upTrack("2"));
});
