/** A real server process, real SDK clients, and what an operator sees of them. */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { PrometheusText } from "../support/process/prometheus_text.ts";
import {
  freeTcpPort,
  type RoomwireProcess,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import { disposeRtcNode, RtcNodeClient } from "../support/sdk/rtc_node_client.ts";
import { WebhookReceiver } from "../support/process/webhook_receiver.ts";
import { RoomServiceClient } from "livekit-server-sdk";

const ROOM = "observed";
const CREDENTIALS = { username: "prometheus", password: "päss:word" };

/** `Authorization` of basic authentication, UTF-8 as RFC 7617 §2.1 has it. */
function basic({ username, password }: typeof CREDENTIALS): string {
  const bytes = new TextEncoder().encode(`${username}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}

async function scrape(port: number, path = "/metrics"): Promise<PrometheusText> {
  const response = await fetch(`http://127.0.0.1:${port}${path}`, {
    headers: { Authorization: basic(CREDENTIALS) },
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  assert.match(response.headers.get("Content-Type")!, /^text\/plain; version=0\.0\.4/);
  return new PrometheusText(text);
}

/** Scrapes until the sample has the value: figures may be a second old. */
async function metric(
  port: number,
  name: string,
  labels: Readonly<Record<string, string>>,
  matches: (value: number) => boolean,
): Promise<PrometheusText> {
  let last: number | undefined;
  return await eventually(`${name}${JSON.stringify(labels)}`, async () => {
    const text = await scrape(port);
    last = text.value(name, labels);
    return last !== undefined && matches(last) && text;
  }, { seen: () => last });
}

async function join(server: RoomwireProcess, identity: string): Promise<RtcNodeClient> {
  const client = new RtcNodeClient(identity);
  await client.connect(server.url, await mintToken({ identity, room: ROOM }));
  return client;
}

endToEndTest("webhooks and metrics tell of a call", [], async () => {
  const port = await freeTcpPort("127.0.0.1");
  await using receiver = new WebhookReceiver();
  await using server = await startRoomwire({
    config: {
      webhook: { urls: [receiver.url, `${receiver.url}/second`], api_key: TEST_KEY },
      prometheus: { port, ...CREDENTIALS },
    },
  });
  await using ann = await join(server, "ann");
  await using _bob = await join(server, "bob");
  const audio = await ann.publishAudio();
  const up = await metric(
    port,
    "livekit_track_subscribed_total",
    { kind: "AUDIO" },
    (n) => n === 1,
  );
  assert.equal(up.value("livekit_room_total"), 1);
  assert.equal(up.value("livekit_participant_total"), 2);
  assert.equal(up.value("livekit_track_published_total", { kind: "AUDIO" }), 1);
  assert.equal(up.value("livekit_track_published_total", { kind: "VIDEO" }), 0);
  for (const state of ["signal_connected", "rtc_init", "rtc_active", "rtc_success"]) {
    assert.equal(up.value("livekit_participant_join_total", { state }), 2, state);
  }
  const kind = { kind: "AUDIO" };
  assert.equal(up.value("livekit_track_publish_counter", { ...kind, state: "attempt" }), 1);
  assert.equal(up.value("livekit_track_publish_counter", { ...kind, state: "success" }), 1);
  for (const state of ["attempt", "success"]) {
    assert.equal(up.value("livekit_track_subscribe_counter", { state }), 1, state);
  }
  assert.ok(up.value("livekit_peer_connection_state", { state: "connected" })! >= 2);
  assert.ok(up.value("livekit_node_messages", { direction: "request", status: "success" })! >= 4);
  for (const direction of ["incoming", "outgoing"]) {
    await metric(port, "livekit_packet_total", { direction }, (n) => n >= 20);
    await metric(port, "livekit_packet_bytes", { direction }, (n) => n >= 20 * 20);
  }
  const flowing = await metric(port, "livekit_forward_latency_ns_count", {}, (n) => n > 0);
  assert.ok(flowing.value("livekit_forward_latency")! > 0);
  assert.ok(flowing.value("livekit_forward_jitter")! >= 0);
  assert.ok(flowing.value("livekit_node_packet_total", { type: "out" })! > 20);
  assert.ok(flowing.value("livekit_connection_total", { kind: "incoming" })! >= 1);
  assert.equal(flowing.value("livekit_fir_total", { direction: "incoming" }), 0);
  assert.equal(flowing.value("livekit_session_join_latency_ms_count"), 2);
  for (const direction of ["publish", "subscribe", "subscribe-stream-start"]) {
    const labels = { direction, source: "MICROPHONE", type: "AUDIO", count: "1" };
    assert.equal(flowing.value("livekit_pubsubtime_ms_count", labels), 1, direction);
  }
  for (const state of ["started", "ice_connected", "connected", "fully_established"]) {
    assert.ok(flowing.value("livekit_peer_connection_state", { state })! >= 2, state);
  }

  await ann.unpublish(audio);
  await ann.disconnect();
  const api = new RoomServiceClient(server.httpUrl, TEST_KEY, TEST_SECRET);
  await api.deleteRoom(ROOM);
  const finished = await receiver.event("room_finished");
  assert.equal(finished.room!.numParticipants, 0);
  const down = await metric(port, "livekit_room_total", {}, (n) => n === 0);
  assert.equal(down.value("livekit_participant_total"), 0);
  assert.equal(down.value("livekit_track_published_total"), 0);
  assert.equal(down.value("livekit_track_subscribed_total"), 0);
  assert.equal(down.value("livekit_room_duration_seconds_count"), 1);
  assert.equal(down.value("livekit_session_duration_ms_count"), 2);
  const call = { service: "RoomService", method: "DeleteRoom", status: "200" };
  assert.equal(down.value("livekit_node_twirp_request_status", call), 1);
  assert.equal(down.value("livekit_node_twirp_request_latency_ms_count", call), 1);
  const expected = [
    ...["room_started", "participant_joined", "participant_joined", "track_published"],
    ...["track_unpublished", "participant_left", "participant_left", "room_finished"],
  ];
  // Each URL has a queue of its own: the last event may still be on its way to the other one.
  await eventually(
    "every event at both URLs",
    () => receiver.events.length >= 2 * expected.length,
    { seen: () => receiver.names(ROOM) },
  );
  const ofEach = Object.groupBy(receiver.events, ({ id }) => id);
  assert.deepEqual(Object.values(ofEach).map((events) => events!.length), expected.map(() => 2));
  assert.deepEqual(
    [...new Set(receiver.events.map(({ event }) => event))].sort(),
    [
      ...new Set(expected),
    ].sort(),
  );
  await metric(
    port,
    "livekit_webhook_dispatch_total",
    { status: "success" },
    (n) => n === 2 * expected.length,
  );
  assert.deepEqual(receiver.failures, []);
  checkExposition(down);
});

/** Every line names its node, and histograms add up. */
function checkExposition(text: PrometheusText): void {
  const nodes = new Set(text.samples.map(({ labels }) => labels["node_id"]));
  assert.equal(nodes.size, 1);
  assert.match([...nodes][0]!, /^ND_/);
  assert.ok(text.samples.every(({ labels }) => labels["node_type"] === "SERVER"));
  for (const [name, type] of text.types) {
    if (type !== "histogram" || text.value(`${name}_count`) === undefined) continue;
    assert.equal(text.value(`${name}_bucket`, { le: "+Inf" }), text.value(`${name}_count`), name);
  }
}

endToEndTest("metrics answer every path, and only with the password", [], async () => {
  const port = await freeTcpPort("127.0.0.1");
  await using _server = await startRoomwire({ config: { prometheus: { port, ...CREDENTIALS } } });
  for (const path of ["/", "/metrics", "/anything/else?x=1"]) {
    const text = await scrape(port, path);
    assert.equal(text.value("livekit_room_total"), 0);
  }
  for (
    const authorization of [
      undefined,
      "Basic",
      "Bearer x",
      basic({ ...CREDENTIALS, password: "wrong" }),
      basic({ ...CREDENTIALS, username: "wrong" }),
      basic({ username: "", password: "" }),
    ]
  ) {
    const response = await fetch(`http://127.0.0.1:${port}/metrics`, {
      headers: authorization === undefined ? {} : { Authorization: authorization },
    });
    assert.equal(response.status, 401, authorization);
    assert.match(response.headers.get("WWW-Authenticate")!, /^Basic /);
    assert.equal(await response.text(), "");
  }
});

endToEndTest(
  "webhooks of a stopping server are delivered before it ends",
  [],
  async () => {
    await using receiver = new WebhookReceiver();
    await using server = await startRoomwire({
      config: { webhook: { urls: [receiver.url], api_key: TEST_KEY } },
    });
    await using _ann = await join(server, "ann");
    await receiver.event("participant_joined");
    await server.stop();
    assert.deepEqual(receiver.names(ROOM), [
      ...["room_started", "participant_joined", "participant_left", "room_finished"],
    ]);
  },
);

endToEndTest(
  "a webhook receiver that hangs slows neither a join nor the end",
  [],
  async () => {
    await using receiver = new WebhookReceiver();
    const hold = Promise.withResolvers<number>();
    receiver.behave = () => hold.promise;
    await using server = await startRoomwire({
      config: { webhook: { urls: [receiver.url], api_key: TEST_KEY } },
    });
    await using ann = await join(server, "ann");
    await using bob = await join(server, "bob");
    const sid = await ann.publishAudio();
    await eventually("bob to hear ann", async () => (await bob.media(sid)).audioEnergy > 0);
    assert.equal(receiver.events.length, 0);
    assert.equal(receiver.requests.length, 1);
    await server.stop();
    hold.resolve(200);
  },
);

endToEndTest("the native SDK is freed after its last client", [], () => disposeRtcNode());
