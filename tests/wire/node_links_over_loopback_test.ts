/** Links between nodes over real WebSockets. */
import assert from "node:assert/strict";
import type { NodeId } from "../../lib/base/ids.ts";
import type { RoomPeerStream } from "../../lib/cluster/link/link_ports.ts";
import type { PackedValue } from "../../lib/wire/message_pack.ts";
import { TcpProxy } from "../support/process/tcp_proxy.ts";
import { LinkedNode, type NodeCertificate } from "../support/wire/linked_nodes.ts";
import { until } from "../support/wire/until.ts";

const hasOpenssl = await new Deno.Command("openssl", { args: ["version"], stdout: "null" }).output()
  .then((done) => done.success, () => false);

/** A certificate for `localhost` that is its own authority. */
async function createCertificate(): Promise<NodeCertificate> {
  const dir = await Deno.makeTempDir();
  try {
    const [cert, key] = [`${dir}/cert.pem`, `${dir}/key.pem`];
    const args = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
      .concat("-nodes", "-days", "2", "-subj", "/CN=localhost", "-keyout", key, "-out", cert)
      .concat("-addext", "subjectAltName=DNS:localhost")
      .concat("-addext", "basicConstraints=critical,CA:FALSE");
    const { success } = await new Deno.Command("openssl", { args, stderr: "null" }).output();
    assert.ok(success);
    return { cert: await Deno.readTextFile(cert), key: await Deno.readTextFile(key) };
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

/** A room that knows what it was told last, and all data. */
class KnownRoom implements RoomPeerStream {
  readonly known = new Map<NodeId, PackedValue>();
  readonly away = new Set<NodeId>();
  readonly data: PackedValue[] = [];
  drained = 0;
  constructor(public content: PackedValue) {}
  snapshot = () => this.content;
  onSnapshot = (peer: NodeId, value: PackedValue) => void this.known.set(peer, value);
  onChange = (peer: NodeId, value: PackedValue) => void this.known.set(peer, value);
  onData = (_peer: NodeId, value: PackedValue) => void this.data.push(value);
  onDatagram = () => {};
  onAway = (peer: NodeId) => void this.away.add(peer);
  onBack = (peer: NodeId) => void this.away.delete(peer);
  onGone = (peer: NodeId) => void this.known.delete(peer);
  onDrained = () => void this.drained++;
}

Deno.test("Node links: two nodes over WebSockets share a room, call each other and pass a barrier", async () => {
  await using a = await LinkedNode.open("a");
  await using b = await LinkedNode.open("b");
  // A snapshot of many parts.
  const large = new Uint8Array(3_000_000).fill(7);
  const [atA, atB] = [new KnownRoom(large), new KnownRoom("of b")];
  const roomA = a.links.openRoom("r", atA);
  b.links.openRoom("r", atB).share(a.id, a.address);
  await until("snapshots at both ends", () => atA.known.size === 1 && atB.known.size === 1);
  assert.equal(atA.known.get(b.id), "of b");
  assert.deepEqual(atB.known.get(a.id), large);

  b.links.serve("sum", (peer, payload) => [peer, (payload as number[]).reduce((x, y) => x + y)]);
  assert.deepEqual(await a.links.call(b.id, "sum", [1, 2, 3], { withinMs: 2_000 }), [a.id, 6]);
  await assert.rejects(a.links.call(b.id, "absent", null, { withinMs: 2_000 }), {
    code: "unknown_method",
  });
  for (let n = 0; n < 1000; n++) roomA.change(n);
  await b.links.barrier(a.id, 2_000);
  assert.equal(atB.known.get(a.id), 999);

  assert.equal(a.links.sendDatagram(b.id, "media", new Uint8Array(1200)), true);
  await until("a datagram", () => b.datagrams.length === 1);
  assert.deepEqual(a.links.facts(b.id)?.secret, b.links.facts(a.id)?.secret);
  assert.deepEqual([a.events, b.events], [[`up ${b.id}`], [`up ${a.id}`]]);
});

Deno.test("Node links: nodes of two versions speak the older one, and those without a common one do not", async () => {
  await using old = await LinkedNode.open("old", undefined, { min: 1, max: 1 });
  await using next = await LinkedNode.open("next", undefined, { min: 1, max: 2 });
  await using newest = await LinkedNode.open("newest", undefined, { min: 2, max: 2 });
  const nodes = [old, next, newest];
  const rooms = nodes.map(({ id }) => new KnownRoom(id));
  const ends = nodes.map(({ links }, n) => links.openRoom("r", rooms[n]!));
  for (const [n, end] of ends.entries()) {
    for (const { id, address } of nodes) if (id !== nodes[n]!.id) end.share(id, address);
  }
  const [atOld, atNext, atNewest] = rooms.map(({ known }) => known);
  await until("snapshots", () => atOld!.size + atNext!.size + atNewest!.size === 4);
  const refusals = () =>
    old.counters.get("link_version_refused") * newest.counters.get("link_version_refused");
  await until("both to refuse the other", () => refusals() > 0);
  assert.deepEqual([...atNext!.keys()].toSorted(), [newest.id, old.id]);
  assert.deepEqual([[...atOld!.keys()], [...atNewest!.keys()]], [[next.id], [next.id]]);
  assert.equal(old.links.facts(next.id)?.protocol, 1);
  assert.equal(newest.links.facts(next.id)?.protocol, 2);
  assert.equal(old.links.facts(newest.id)?.isUp, false);
  next.links.serve("sum", (_peer, payload) => (payload as number[]).reduce((x, y) => x + y));
  for (const { links } of [old, newest]) {
    assert.equal(await links.call(next.id, "sum", [1, 2], { withinMs: 2_000 }), 3);
  }
});

Deno.test("Node links: reliable data over WebSockets holds its senders, and arrives whole", async () => {
  await using a = await LinkedNode.open("a");
  await using b = await LinkedNode.open("b");
  const [atA, atB] = [new KnownRoom(1), new KnownRoom(2)];
  const roomA = a.links.openRoom("r", atA);
  b.links.openRoom("r", atB).share(a.id, a.address);
  await until("a snapshot", () => atA.known.size === 1);
  const message = new Uint8Array(50_000);
  let sent = 0;
  while (!roomA.isCongested(b.id)) {
    assert.equal(roomA.sendData(b.id, [sent++, message]), true);
    assert.ok(sent < 1000);
  }
  await until("the drain", () => atA.drained === 1);
  assert.equal(roomA.isCongested(b.id), false);
  await until("all data", () => atB.data.length === sent);
  assert.deepEqual(atB.data.map((value) => (value as [number])[0]), [...Array(sent).keys()]);
});

Deno.test("Node links: three nodes of one process share a room, lose one and meet again", async () => {
  await using a = await LinkedNode.open("a");
  await using b = await LinkedNode.open("b");
  const nodes = [a, b];
  const rooms = nodes.map(({ id }) => new KnownRoom(id));
  const [endA, endB] = nodes.map(({ links }, n) => links.openRoom("r", rooms[n]!));
  {
    await using c = await LinkedNode.open("c");
    const atC = new KnownRoom(c.id);
    const endC = c.links.openRoom("r", atC);
    endB!.share(a.id, a.address);
    endC.share(a.id, a.address);
    endC.share(b.id, b.address);
    await until(
      "snapshots at all three",
      () => atC.known.size === 2 && rooms.every(({ known }) => known.size === 2),
    );
    assert.deepEqual(rooms[0]!.known, new Map([[b.id, b.id], [c.id, c.id]]));
  }
  await until("word of the end", () => rooms.every(({ known }) => known.size === 1));
  assert.deepEqual([...rooms[0]!.known.keys()], [b.id]);
  await using again = await LinkedNode.open("c2");
  const atAgain = new KnownRoom("c2");
  const end = again.links.openRoom("r", atAgain);
  end.share(a.id, a.address);
  end.share(b.id, b.address);
  await until(
    "snapshots of the newcomer",
    () => atAgain.known.size === 2 && rooms[0]!.known.has(again.id),
  );
  endA!.change("new");
  await until("a change at the newcomer", () => atAgain.known.get(a.id) === "new");
});

Deno.test(
  "Node links: over TLS by an authority of their own",
  { ignore: !hasOpenssl },
  async () => {
    const certificate = await createCertificate();
    await using a = await LinkedNode.open("a", certificate);
    await using b = await LinkedNode.open("b", certificate);
    assert.ok(a.address.startsWith("wss://"));
    const [atA, atB] = [new KnownRoom(1), new KnownRoom(2)];
    a.links.openRoom("r", atA);
    b.links.openRoom("r", atB).share(a.id, a.address);
    await until("snapshots over TLS", () => atA.known.size === 1 && atB.known.size === 1);
    // Who does not know the authority does not link.
    await using c = await LinkedNode.open("c");
    c.links.want(a.id, a.address);
    await assert.rejects(c.links.barrier(a.id, 200), { code: "timeout" });
    assert.deepEqual(c.events, []);
  },
);

Deno.test("Node links: a connection that is cut is made anew, and no reliable data is lost with it", async () => {
  await using a = await LinkedNode.open("a");
  await using b = await LinkedNode.open("b");
  await using proxy = await TcpProxy.open(Number(new URL(a.address).port));
  const [atA, atB] = [new KnownRoom(1), new KnownRoom(2)];
  const roomA = a.links.openRoom("r", atA);
  b.links.openRoom("r", atB).share(a.id, `ws://127.0.0.1:${proxy.port}/cluster`);
  await until("snapshots", () => atA.known.size === 1 && atB.known.size === 1);
  const count = 400;
  for (let n = 0; n < count; n++) assert.ok(roomA.sendData(b.id, [n, new Uint8Array(2_000)]));
  proxy.cut();
  await until("the next connection", () => b.events.length === 3 && a.events.length === 3);
  assert.deepEqual(b.events, [`up ${a.id}`, `down ${a.id}`, `up ${a.id}`]);
  await until("all data", () => atB.data.length === count);
  assert.deepEqual(atB.data.map((value) => (value as [number])[0]), [...Array(count).keys()]);
  assert.deepEqual([atA.away.size, atB.away.size], [0, 0]);
});

Deno.test("Node links: who shows no token, or somebody else's, gets no socket", async () => {
  await using a = await LinkedNode.open("a");
  const url = a.address.replace("ws:", "http:");
  const upgrade = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": btoa("0123456789abcdef"),
  };
  assert.equal(await statusOf(url, {}), 404);
  assert.equal(await statusOf(url, upgrade), 401);
  assert.equal(await statusOf(url, { ...upgrade, "Roomwire-Node": "AAAA" }), 401);
  assert.equal(a.counters.get("link_token_unreadable"), 1);
});

/** Status of a request whose headers `fetch` would not send. */
async function statusOf(url: string, headers: Record<string, string>): Promise<number> {
  const { hostname, port, pathname } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`).join("");
  const request = `GET ${pathname} HTTP/1.1\r\nHost: ${hostname}\r\n${lines}\r\n`;
  await connection.write(new TextEncoder().encode(request));
  const answer = new Uint8Array(512);
  const length = await connection.read(answer) ?? 0;
  return Number(new TextDecoder().decode(answer.subarray(9, Math.min(12, length))));
}
