/** Packet captures of participants whom another node serves than the one that is asked. */
import assert from "node:assert/strict";
import type { ConnectionId } from "../../lib/base/ids.ts";
import { CAPTURED_HEAD_BYTES, writeCapturedHead } from "../../lib/wire/captured_packets.ts";
import { type ReadDatagram, readPcapng } from "../support/media/pcapng_reader.ts";
import { CarriedWorld } from "../support/virtual/carried_world.ts";
import type { LinkWeather } from "../support/virtual/link_network.ts";

const ANN = { room: "lobby", identity: "ann" };
const NOTES_PORT = 9;

/** Two nodes and ann on the second; the first one knows the room if somebody is there. */
async function world(known = false, weather: Partial<LinkWeather> = {}) {
  const world = await CarriedWorld.of(["a", "b"], {}, weather);
  const { cluster } = world;
  if (known) await cluster.join("a", "bob");
  const ann = await cluster.join("b", "ann");
  await cluster.pass(500);
  const { engine } = cluster.node("b").world;
  const connections = () =>
    engine.of("capture_packets").flatMap(({ connection, limits }) => limits ? [connection] : []);
  const stopped = () =>
    engine.of("capture_packets").flatMap(({ connection, limits }) => limits ? [] : [connection]);
  const ends = (reason: "time" | "closed" | "stopped") => {
    for (const connection of connections()) {
      engine.emit({ type: "capture_ended", connection, reason });
    }
  };
  const packets = (count: number, length: number, connection: ConnectionId = connections()[0]!) => {
    engine.emit({ type: "captured", connection, packets: packetsOf(count, length) });
  };
  /** A file from the first byte to the end. */
  const fileOf = (response: Response, withinMs = 10_000) =>
    cluster.during(response.arrayBuffer().then((bytes) => new Uint8Array(bytes)), withinMs);
  return { world, cluster, ann, engine, connections, stopped, ends, packets, fileOf };
}

function packetsOf(count: number, length: number): Uint8Array<ArrayBuffer> {
  const each = CAPTURED_HEAD_BYTES + length;
  const bytes = new Uint8Array(count * each);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) {
    writeCapturedHead(view, bytes, i * each, length, length, false, false, 1e15 + i);
  }
  return bytes;
}

function notesOf(datagrams: readonly ReadDatagram[]): Record<string, unknown>[] {
  return datagrams.filter(({ ports }) => ports[0] === NOTES_PORT)
    .map(({ bytes }) => JSON.parse(new TextDecoder().decode(bytes)));
}

Deno.test("a capture of somebody on another node is the one that its node would give", async () => {
  for (const known of [false, true]) {
    const { world: nodes, connections, ends, packets, fileOf, cluster } = await world(known);
    const response = await nodes.capture("a", { ...ANN, seconds: "20", bytes: "5000" });
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("Content-Type"), "application/x-pcapng");
    assert.deepEqual(nodes.door("b").carried, ["/operations/capture from "]);
    assert.equal(connections().length, 2);
    const { limits } = cluster.node("b").world.engine.of("capture_packets")[0]!;
    assert.deepEqual(limits, { maxMs: 20_000, maxBytes: 2_500 });
    packets(5, 60);
    await cluster.pass(1_000);
    packets(6, 60);
    ends("time");
    const { interfaces, application, datagrams } = readPcapng(await fileOf(response));
    assert.deepEqual([interfaces, application], [["publisher", "subscriber"], "Roomwire"]);
    assert.equal(datagrams.length, 5 + 6 + 2);
    assert.deepEqual(notesOf(datagrams), [{ ended: "time" }, { ended: "time" }]);
  }
});

Deno.test("whoever asks another node is refused as the participant's own node refuses", async () => {
  const { world: nodes, cluster, engine } = await world(true);
  const running = await nodes.capture("a", ANN);
  const wishes = [
    { ...ANN, seconds: "0" },
    { ...ANN, bytes: "many" },
    { room: "elsewhere", identity: "ann" },
    { room: "lobby", identity: "nobody" },
    {} as Record<string, string>,
    ANN,
  ];
  const statuses: number[] = [];
  for (const wish of wishes) {
    const [there, here] = [await nodes.capture("b", wish), await nodes.capture("a", wish)];
    const body = await there.json();
    assert.deepEqual(await here.json(), body);
    assert.equal(here.status, there.status);
    statuses.push(here.status);
  }
  assert.deepEqual(statuses, [400, 400, 404, 404, 404, 412]);
  const { length } = engine.of("capture_packets");
  for (const grant of [{ roomJoin: true, room: "lobby" }, { roomAdmin: true, room: "lobby" }]) {
    for (const node of ["a", "b"]) {
      const refused = await nodes.capture(node, ANN, grant);
      assert.equal(refused.status, 401);
      await refused.body?.cancel();
    }
  }
  assert.equal(engine.of("capture_packets").length, length);
  await running.body!.cancel();
  // Nor is what has no right there carried there for nothing.
  const [request] = await Promise.all([
    nodes.door("a").routing.serving(
      {
        method: "POST",
        target: "/operations/capture?room=lobby&identity=ann",
        headers: [],
        body: new Uint8Array(),
        socketAddress: "",
      },
      "lobby",
      "ann",
    ),
    cluster.pass(100),
  ]);
  assert.ok(typeof request === "object" && request.kind === "answered");
  assert.equal(request.response.status, 401, "each node looks at the token itself");
});

Deno.test("four captures run on a node, whoever asks for them where", async () => {
  const { world: nodes, cluster } = await world();
  const others = ["c", "d", "e", "f"];
  for (const identity of others) await cluster.join("b", identity);
  const running: Response[] = [];
  for (const identity of others) {
    running.push(await nodes.capture("a", { room: "lobby", identity }));
  }
  assert.deepEqual(running.map(({ status }) => status), [200, 200, 200, 200]);
  const fifth = await nodes.capture("a", ANN);
  assert.equal(fifth.status, 429);
  assert.match((await fifth.json()).msg, /4 captures run already/);
  for (const { body } of running) await body!.cancel();
  await cluster.pass(100);
  const sixth = await nodes.capture("a", ANN);
  assert.equal(sixth.status, 200, "those that were left make room");
  await sixth.body!.cancel();
});

Deno.test("a capture ends on its node when the operator leaves the other one", async () => {
  const { world: nodes, cluster, connections, stopped, packets } = await world();
  const response = await nodes.capture("a", ANN);
  const reader = response.body!.getReader();
  await cluster.during(reader.read());
  packets(3, 60);
  await cluster.pass(100);
  assert.deepEqual(stopped(), []);
  await reader.cancel();
  await cluster.pass(100);
  assert.deepEqual(stopped().toSorted(), connections().toSorted());
});

Deno.test("a capture ends when its participant comes back elsewhere, where the next one begins", async () => {
  const { world: nodes, cluster, ends, fileOf } = await world(true);
  const response = await nodes.capture("a", ANN);
  await cluster.join("a", "ann");
  await cluster.pass(500);
  assert.equal(cluster.node("b").world.rooms.get("lobby")?.session("ann"), undefined);
  ends("closed");
  const { datagrams } = readPcapng(await fileOf(response));
  assert.deepEqual(notesOf(datagrams), [{ ended: "closed" }, { ended: "closed" }]);
  const next = await nodes.capture("b", ANN);
  assert.equal(next.status, 200);
  assert.equal(cluster.node("a").world.engine.of("capture_packets").length, 2);
  await next.body!.cancel();
});

Deno.test("a capture says at its end that its node is lost", async () => {
  const { world: nodes, cluster, packets, fileOf } = await world();
  const response = await nodes.capture("a", ANN);
  packets(4, 60);
  await cluster.pass(200);
  cluster.kill("b");
  const { datagrams } = readPcapng(await fileOf(response));
  assert.equal(datagrams.length, 4 + 1);
  assert.deepEqual(notesOf(datagrams), [{ ended: "node lost" }]);
});

Deno.test("nobody can be captured whose node is out of reach", async () => {
  const { world: nodes, cluster } = await world();
  cluster.links.network.partition("ND_a", "ND_b");
  const refused = await nodes.capture("a", ANN);
  assert.equal(refused.status, 503);
  assert.match((await refused.json()).msg, /no response from servers/);
});

Deno.test("a capture over a path too narrow for it loses packets, and says how many", async () => {
  const { world: nodes, cluster, packets, ends } = await world(false, { bytesPerMs: 100 });
  const response = await nodes.capture("a", ANN);
  // Read as fast as it comes.
  const whole = response.arrayBuffer();
  // 10 MB at once, of which 4 MiB may wait: the path takes 100 kB/s.
  for (let i = 0; i < 100; i++) packets(100, 1_000);
  await cluster.pass(1_000);
  const { buffered } = cluster.links.network;
  assert.ok(buffered <= 256 * 1024, `${buffered} bytes wait on the path`);
  await cluster.pass(50_000, 20);
  packets(1, 10);
  ends("time");
  const { datagrams } = readPcapng(new Uint8Array(await cluster.during(whole)));
  const notes = notesOf(datagrams);
  const media = datagrams.length - notes.length;
  const missed = notes.reduce((sum, { missed = 0 }) => sum + Number(missed), 0);
  assert.equal(media + missed, 100 * 100 + 1, "all that is not there is counted");
  assert.ok(missed > 5_000, `${missed}`);
});
