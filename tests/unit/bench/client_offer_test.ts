import assert from "node:assert/strict";
import { readSentSection, writeLoadOffer } from "../../../bench/real_loads/client_offer.ts";
import { readDescription } from "../../support/virtual/client_description.ts";

const TRANSPORT = { credentials: { ufrag: "u", pwd: "p".repeat(24) }, fingerprint: "AA:BB" };

Deno.test("writeLoadOffer() has the data section and every other, bundled", () => {
  const offer = writeLoadOffer(TRANSPORT, 2, [
    { mid: "1", kind: "video", direction: "sendonly", cid: "cam", rids: ["q", "h", "f"] },
    { mid: "2", kind: "audio", direction: "sendonly", cid: "mic", ssrc: 42 },
    { mid: "3", kind: "video", direction: "recvonly" },
  ]);
  const { sections, credentials } = readDescription(offer);
  assert.deepEqual(credentials, TRANSPORT.credentials);
  assert.match(offer, /a=group:BUNDLE 0 1 2 3\r\n/);
  assert.deepEqual(
    sections.map((
      { mid, kind, direction, ssrc, trackId },
    ) => [mid, kind, direction, ssrc, trackId]),
    [
      ["0", "application", "sendrecv", undefined, undefined],
      ["1", "video", "sendonly", undefined, "cam"],
      ["2", "audio", "sendonly", 42, "mic"],
      ["3", "video", "recvonly", undefined, undefined],
    ],
  );
  assert.match(sections[1]!.text, /a=simulcast:send q;h;f/);
  assert.doesNotMatch(sections[3]!.text, /a=(simulcast|msid|ssrc)/);
});

Deno.test("readSentSection() takes what is negotiated, and feedback only with its extension", () => {
  const uri = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
  const section = (...lines: string[]) => `m=video 9 X 96\r\n${lines.join("\r\n")}\r\n`;
  assert.deepEqual(
    readSentSection(
      section(`a=extmap:5/sendonly ${uri}`, "a=rtcp-fb:96 transport-cc", "a=rtcp-fb:96 nack"),
    ),
    { transportCcId: 5, hasRemb: false, hasNack: true },
  );
  assert.deepEqual(
    readSentSection(section("a=rtcp-fb:96 transport-cc", "a=rtcp-fb:96 goog-remb")),
    { transportCcId: 0, hasRemb: true, hasNack: false },
  );
  assert.deepEqual(readSentSection(section(`a=extmap:5 ${uri}`, "a=rtcp-fb:96 nack pli")), {
    transportCcId: 0,
    hasRemb: false,
    hasNack: false,
  });
});
