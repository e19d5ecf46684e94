import assert from "node:assert/strict";
import { ClientInfo, ClientInfo_SDK, SessionDescription, TrickleRequest } from "@livekit/protocol";
import fc from "fast-check";
import { clientSummary, RelayedAddresses } from "../../../../lib/room/context/client_summary.ts";
import { createLog } from "../../../../lib/server/logging.ts";
import { parseCandidate } from "../../../../lib/wire/ice_candidate.ts";
import { World } from "../../../support/virtual/scripted_client.ts";

const RELAYED = "candidate:1 1 udp 41885695 198.51.100.4 50123 typ relay raddr 0.0.0.0 rport 0";
const HOST = "candidate:2 1 udp 2122260223 192.0.2.7 40000 typ host";

Deno.test("clientSummary() says SDK, version and what it runs on, and leaves out what is not known", () => {
  const rows: [ConstructorParameters<typeof ClientInfo>[0], unknown][] = [
    [
      {
        sdk: ClientInfo_SDK.JS,
        version: "2.23.0",
        protocol: 17,
        os: "macOS",
        osVersion: "14.2.1",
        browser: "Chrome",
        browserVersion: "120.0.6099.71",
      },
      { sdk: "js", version: "2.23.0", protocol: 17, platform: "macOS 14.2, Chrome 120.0" },
    ],
    [
      { sdk: ClientInfo_SDK.SWIFT, version: "2.0", protocol: 12, deviceModel: "iPhone15,2" },
      { sdk: "swift", version: "2.0", protocol: 12, platform: "iPhone15,2" },
    ],
    [
      { os: "linux", osVersion: "rolling" },
      { sdk: "unknown", version: "", protocol: 0, platform: "linux rolling" },
    ],
    [{ sdk: 99 as ClientInfo_SDK }, { sdk: "unknown", version: "", protocol: 0, platform: "" }],
  ];
  for (const [info, expected] of rows) {
    assert.deepEqual(clientSummary(new ClientInfo(info)), expected);
  }
});

Deno.test("clientSummary() is short whatever a client calls itself", () => {
  const long = "x".repeat(100_000);
  const summary = clientSummary(
    new ClientInfo({ version: long, os: long, osVersion: long, browser: long, deviceModel: long }),
  );
  assert.ok(JSON.stringify(summary).length < 300);
});

Deno.test("RelayedAddresses knows a relayed path by its address, however that is written", () => {
  const relayed = new RelayedAddresses();
  relayed.note(parseCandidate(RELAYED)!);
  relayed.note(parseCandidate(HOST)!);
  relayed.noteDescription(
    "v=0\r\na=candidate:3 1 udp 1 2001:db8:0:0::9 7 typ relay raddr :: rport 0\r\n" +
      "a=candidate:4 1 udp 1 198.51.100.9 7 typ srflx\r\n",
  );
  const at = (hostname: string, port: number, protocol: "udp" | "tcp" = "udp") =>
    relayed.pathOf(protocol, { hostname, port });
  assert.equal(at("198.51.100.4", 50123), "relay");
  assert.equal(at("::ffff:198.51.100.4", 50123), "relay", "as a socket of both families says it");
  assert.equal(at("2001:db8::9", 7), "relay");
  assert.equal(at("198.51.100.4", 50124), "udp");
  assert.equal(at("192.0.2.7", 40000), "udp", "a host candidate is no relay");
  assert.equal(at("198.51.100.9", 7), "udp");
  assert.equal(at("192.0.2.8", 1, "tcp"), "tcp");
  assert.equal(relayed.pathOf("tcp", undefined), "tcp");
});

Deno.test("RelayedAddresses remembers a bounded number, in bounded time, of any text", () => {
  const relayed = new RelayedAddresses();
  for (let port = 1; port <= 1_000; port++) relayed.note({ ...parseCandidate(RELAYED)!, port });
  const known = Array.from({ length: 1_000 }, (_, index) => index + 1)
    .filter((port) => relayed.pathOf("udp", { hostname: "198.51.100.4", port }) === "relay");
  assert.equal(known.length, 32);
  const fresh = new RelayedAddresses();
  const lines = fc.array(
    fc.oneof(fc.string(), fc.constant(`a=${RELAYED}`), fc.constant("a=candidate:")),
  );
  fc.assert(
    fc.property(lines, (texts) => fresh.noteDescription(texts.join("\r\n"))),
    { seed: 23, numRuns: 500 },
  );
  const started = performance.now();
  new RelayedAddresses().noteDescription(`a=candidate:${"x".repeat(500)}\r\n`.repeat(4_000));
  new RelayedAddresses().noteDescription(`a=candidate:${" typ rela".repeat(200_000)}`);
  assert.ok(performance.now() - started < 1_000, "two megabytes of almost candidates");
});

Deno.test("Room logs who joins with SDK, version and platform, and by which path its media comes", async () => {
  const lines: string[] = [];
  const log = createLog({ level: "info", format: "json", write: (line) => lines.push(line) });
  const remote = { hostname: "198.51.100.4", port: 50123 };
  const rows = [
    { name: "straight", protocol: "udp", remote, path: "udp" },
    { name: "blocked", protocol: "tcp", remote, path: "tcp" },
    { name: "trickled", protocol: "udp", remote, path: "relay" },
    { name: "described", protocol: "udp", remote, path: "relay" },
  ] as const;
  for (const { name, protocol, remote, path } of rows) {
    const world = new World({}, true, 0, log);
    const client = await world.open(name);
    lines.length = 0;
    if (name === "trickled") {
      const candidateInit = JSON.stringify({ candidate: RELAYED, sdpMid: "0", sdpMLineIndex: 0 });
      await client.request({ case: "trickle", value: new TrickleRequest({ candidateInit }) });
    } else if (name === "described") {
      const sdp = `v=0\r\na=${RELAYED}\r\n`;
      await client.request({
        case: "answer",
        value: new SessionDescription({ type: "answer", sdp }),
      });
    }
    const connection = client.participant.subscriber.id;
    world.engine.emit({ type: "connection_connected", connection, protocol, remote });
    world.engine.emit({ type: "connection_connected", connection, protocol, remote });
    const told = lines.map((line) => JSON.parse(line))
      .filter(({ message }) => message === "participant connected");
    assert.deepEqual(told.map((record) => record.path), [path], name);
    const { sdk, version, protocol: spoken } = told[0];
    assert.deepEqual([sdk, version, spoken], [
      ...["js", client.join.clientInfo.version, client.join.clientInfo.protocol],
    ]);
    assert.ok(!lines.join("").includes("198.51"), "no address");
  }
});

Deno.test("RelayedAddresses looks at a line that looks like many relayed candidates as at one", () => {
  const hard = `a=candidate:${" typ relay".repeat(60)}${"x".repeat(600)}\r\n`.repeat(400);
  const plain = `a=candidate:1 1 udp 1 x y typ relay ${"y".repeat(1_180)}\r\n`.repeat(400);
  const time = (sdp: string) => {
    const runs = Array.from({ length: 7 }, () => {
      const startedAt = performance.now();
      for (let i = 0; i < 4; i++) new RelayedAddresses().noteDescription(sdp);
      return performance.now() - startedAt;
    });
    return Math.min(...runs);
  };
  const [least, most] = [time(plain), time(hard)];
  assert.ok(most < 20 * least, `${most} ms, and ${least} ms`);
});
