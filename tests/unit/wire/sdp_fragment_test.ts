import assert from "node:assert/strict";
import { parseSdpFragment } from "../../../lib/wire/sdp_fragment.ts";

const CREDENTIALS = ["a=ice-ufrag:EsAw", "a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1"];
const ICE = { ufrag: "EsAw", pwd: "P2uYro0UCOQ4zxjKXaWCBui1" };
const CANDIDATE = "candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0";

Deno.test("parseSdpFragment() reads what RFC 9725 shows, credentials on either level", () => {
  const section = ["m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:0", `a=${CANDIDATE}`];
  const wanted = { ice: ICE, mid: "0", candidates: [CANDIDATE] };
  const head = ["a=group:BUNDLE 0 1", ...CREDENTIALS];
  for (const end of ["\r\n", "\n", "\r"]) {
    assert.deepEqual(parseSdpFragment([...head, ...section, ""].join(end)), wanted);
  }
  const inSection = [...section, ...CREDENTIALS, "a=end-of-candidates"].join("\r\n");
  assert.deepEqual(parseSdpFragment(inSection), wanted);
  const both = [...CREDENTIALS, ...section, ...CREDENTIALS].join("\r\n");
  assert.deepEqual(parseSdpFragment(both), wanted);
});

Deno.test("parseSdpFragment() passes over what it does not need", () => {
  const text = [
    "v=0",
    "a=ice-options:trickle ice2",
    "a=ice-lite",
    ...CREDENTIALS,
    "a=mid:not in a section",
    "a=candidate:neither",
    "m=audio 9 RTP/AVP 0",
    "b=AS:1",
    "a=mid:audio ",
  ].join("\r\n");
  assert.deepEqual(parseSdpFragment(text), { ice: ICE, mid: "audio", candidates: [] });
});

Deno.test("parseSdpFragment() refuses what is ambiguous or incomplete", () => {
  const section = ["m=audio 9 RTP/AVP 0", "a=mid:0"];
  const cases: Record<string, readonly string[]> = {
    "no section": CREDENTIALS,
    "two sections": [...CREDENTIALS, ...section, ...section],
    "no credentials": section,
    "no password": [CREDENTIALS[0]!, ...section],
    "two ufrags": [...CREDENTIALS, ...section, "a=ice-ufrag:other"],
    "two passwords": [...CREDENTIALS, ...section, "a=ice-pwd:anotherPasswordOf24Chars"],
    "a short ufrag": ["a=ice-ufrag:abc", CREDENTIALS[1]!, ...section],
    "a short password": [CREDENTIALS[0]!, "a=ice-pwd:short", ...section],
    "another section than the group's": ["a=group:BUNDLE 1 0", ...CREDENTIALS, ...section],
    "a long line": [...CREDENTIALS, ...section, `a=x:${"x".repeat(5000)}`],
    "a long text": [...CREDENTIALS, ...section, ...Array(10_000).fill("a=x:1234567")],
  };
  for (const [what, lines] of Object.entries(cases)) {
    assert.equal(parseSdpFragment(lines.join("\r\n")), undefined, what);
  }
});
