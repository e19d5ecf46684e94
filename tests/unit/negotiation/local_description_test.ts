import assert from "node:assert/strict";
import { candidateInits, hostCandidates } from "../../../lib/negotiation/local_description.ts";
import { parseCandidate } from "../../../lib/wire/ice_candidate.ts";
import { localParameters } from "../../support/virtual/negotiation_fixtures.ts";

Deno.test("hostCandidates() prefers UDP to TCP and earlier addresses to later ones", () => {
  const [tcp, udp, udp6] = hostCandidates([
    { protocol: "tcp", hostname: "192.0.2.1", port: 7881 },
    { protocol: "udp", hostname: "192.0.2.1", port: 7882 },
    { protocol: "udp", hostname: "2001:db8::1", port: 7882 },
  ]);
  assert.equal(tcp?.tcpType, "passive");
  assert.equal(udp?.tcpType, undefined);
  assert.ok(udp!.priority > udp6!.priority);
  assert.ok(udp6!.priority > tcp!.priority);
  assert.equal(new Set([tcp, udp, udp6].map((candidate) => candidate!.foundation)).size, 3);
});

Deno.test("hostCandidates() computes the priority of RFC 8445 for a first UDP candidate", () => {
  const [udp] = hostCandidates([{ protocol: "udp", hostname: "192.0.2.1", port: 1 }]);
  assert.equal(udp?.priority, 126 * 0x1000000 + 65535 * 0x100 + 255);
});

Deno.test("candidateInits() gives the same candidates as trickle messages", () => {
  const local = localParameters();
  const inits = candidateInits(local, "0");
  assert.deepEqual(
    inits.map(({ candidate }) => parseCandidate(candidate)),
    hostCandidates(local.addresses),
  );
  for (const { sdpMid, sdpMLineIndex, usernameFragment } of inits) {
    assert.deepEqual([sdpMid, sdpMLineIndex, usernameFragment], ["0", 0, "serverUfrag"]);
  }
});
