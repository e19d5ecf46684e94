import assert from "node:assert/strict";
import {
  formatCandidate,
  type IceCandidate,
  isNamedCandidate,
  parseCandidate,
  parseCandidateInit,
} from "../../../lib/wire/ice_candidate.ts";

const UDP =
  "candidate:3755040136 1 udp 2122194687 192.0.2.2 37832 typ host generation 0 network-id 1";

Deno.test("parseCandidate() reads what Chromium writes", () => {
  assert.deepEqual(parseCandidate(UDP), {
    foundation: "3755040136",
    component: 1,
    protocol: "udp",
    priority: 2122194687,
    address: "192.0.2.2",
    port: 37832,
    type: "host",
  });
});

Deno.test("parseCandidate() reads an active TCP candidate in Firefox's capitals", () => {
  const line = "a=candidate:2 1 TCP 2105458943 fd00::2 9 typ host tcptype active";
  const candidate = parseCandidate(line);
  assert.equal(candidate?.protocol, "tcp");
  assert.equal(candidate?.tcpType, "active");
  assert.equal(candidate?.address, "fd00::2");
});

Deno.test("parseCandidate() passes over the related address of a relayed candidate", () => {
  const line = "candidate:1 1 udp 1 192.0.2.2 9 typ relay raddr 192.0.2.3 rport 5 generation 0";
  assert.equal(parseCandidate(line)?.type, "relay");
});

Deno.test("parseCandidate() refuses what is not a candidate", () => {
  const bad = [
    "",
    "candidate:",
    "foo:1 1 udp 1 192.0.2.2 9 typ host",
    "candidate:1 1 udp 1 192.0.2.2 9 type host",
    "candidate:1 1 sctp 1 192.0.2.2 9 typ host",
    "candidate:1 1 udp 1 192.0.2.2 65536 typ host",
    "candidate:1 1 udp -1 192.0.2.2 9 typ host",
    "candidate:1 1 udp 4294967296 192.0.2.2 9 typ host",
    "candidate:1 0x1 udp 1 192.0.2.2 9 typ host",
    "candidate:1 1 udp 1 192.0.2.2 9 typ friend",
    "candidate:1 1 tcp 1 192.0.2.2 9 typ host",
    `${UDP} ${"x".repeat(3000)}`,
  ];
  for (const text of bad) assert.equal(parseCandidate(text), undefined, text);
});

Deno.test("isNamedCandidate() recognises mDNS names and spares literal addresses", () => {
  const named = (address: string) =>
    isNamedCandidate(parseCandidate(`candidate:1 1 udp 1 ${address} 9 typ host`) as IceCandidate);
  assert.equal(named("0a1b2c3d-0000-4000-8000-000000000000.local"), true);
  assert.equal(named("fade.example"), true);
  assert.equal(named("192.0.2.2"), false);
  assert.equal(named("fd00::2"), false);
  assert.equal(named("::ffff:192.0.2.2"), false);
});

Deno.test("formatCandidate() writes what parseCandidate() reads back", () => {
  const candidate: IceCandidate = {
    foundation: "7",
    component: 1,
    protocol: "tcp",
    priority: 1518280447,
    address: "192.0.2.9",
    port: 7881,
    type: "host",
    tcpType: "passive",
  };
  const text = formatCandidate(candidate);
  assert.equal(text, "candidate:7 1 tcp 1518280447 192.0.2.9 7881 typ host tcptype passive");
  assert.deepEqual(parseCandidate(text), candidate);
});

Deno.test("parseCandidateInit() reads the JSON of a trickle message", () => {
  const json = JSON.stringify({
    candidate: UDP,
    sdpMid: "0",
    sdpMLineIndex: 0,
    usernameFragment: "u",
  });
  const trickled = parseCandidateInit(json);
  assert.ok(trickled && !trickled.end);
  assert.equal(trickled.candidate.port, 37832);
  assert.equal(trickled.usernameFragment, "u");
});

Deno.test("parseCandidateInit() takes an empty or missing candidate for the end", () => {
  for (const json of ['{"candidate":""}', "{}", '{"candidate":null,"sdpMid":"0"}']) {
    assert.deepEqual(parseCandidateInit(json), { end: true });
  }
});

Deno.test("parseCandidateInit() refuses what is not such JSON", () => {
  for (const json of ["", "null", "[]", "7", "{", '{"candidate":7}', '{"candidate":"x"}']) {
    assert.equal(parseCandidateInit(json), undefined, json);
  }
});
