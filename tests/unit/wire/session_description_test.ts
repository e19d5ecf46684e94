import assert from "node:assert/strict";
import { EXTENSION_URI } from "../../../lib/base/media_vocabulary.ts";
import { SectionMemo } from "../../../lib/wire/sdp_tree.ts";
import { parseDescription } from "../../../lib/wire/session_description.ts";
import { orderRids } from "../../../lib/wire/sdp_sections.ts";
import { mustParse, sdpFixture } from "../../support/virtual/negotiation_fixtures.ts";

/** A small description with one video section; `lines` are added to the section. */
function video(lines: readonly string[], options: { mLine?: string; session?: string[] } = {}) {
  return [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    ...(options.session ?? []),
    options.mLine ?? "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
    "a=mid:v",
    "a=ice-ufrag:abcd",
    "a=ice-pwd:abcdefghijklmnopqrstuv",
    "a=fingerprint:sha-256 AB:CD",
    "a=rtpmap:96 VP8/90000",
    "a=rtpmap:97 rtx/90000",
    "a=fmtp:97 apt=96",
    ...lines,
    "",
  ].join("\r\n");
}

Deno.test("parseDescription() reads a Chromium offer with simulcast on two videos", () => {
  const offer = mustParse(sdpFixture("chromium_camera_mic_simulcast_offer"));
  assert.deepEqual(offer.sections.map(({ mid, kind }) => [mid, kind]), [
    ["0", "audio"],
    ["1", "video"],
    ["2", "video"],
    ["3", "application"],
  ]);
  assert.equal(offer.setup, "actpass");
  assert.deepEqual(offer.bundledMids, ["0", "1", "2", "3"]);
  assert.deepEqual(offer.ice, { ufrag: "9O9Y", pwd: "tuW1hgoCpbB3A2+rzGvXXCv1" });
  assert.equal(offer.fingerprints.length, 1);
  assert.equal(offer.fingerprints[0]?.algorithm, "sha-256");
  assert.match(offer.fingerprints[0]!.value, /^8E:48:84:77/);
  for (const camera of offer.sections.slice(1, 3)) {
    assert.deepEqual(camera.rids, ["q", "h", "f"]);
    assert.equal(camera.direction, "sendonly");
    assert.equal(camera.rejected, false);
    assert.deepEqual(camera.ssrcs, []);
    assert.ok(camera.extensions.some(({ id, uri }) => id === 10 && uri === EXTENSION_URI.rid));
  }
  assert.deepEqual(offer.sections[1]?.msid, {
    stream: "cd17d5d2-fb90-4d0a-bcea-47135297036b",
    track: "e0ccbc9f-e5fd-4c80-a772-16ccedac489e",
  });
  assert.equal(offer.sections[3]?.sctpPort, 5000);
  assert.equal(offer.sections[3]?.maxMessageSize, 262144);
});

Deno.test("parseDescription() keeps known codecs in order and folds rtx into them", () => {
  const offer = mustParse(sdpFixture("chromium_camera_mic_simulcast_offer"));
  assert.deepEqual(
    offer.sections[0]?.codecs.map(({ mime, payloadType, channels, fmtp }) => [
      mime,
      payloadType,
      channels,
      fmtp,
    ]),
    [
      ["audio/opus", 111, 2, "minptime=10;useinbandfec=1"],
      ["audio/red", 63, 2, "111/111"],
      ["audio/PCMU", 0, 1, ""],
      ["audio/PCMA", 8, 1, ""],
    ],
  );
  const [vp8, firstH264] = offer.sections[1]!.codecs;
  assert.deepEqual(vp8, {
    mime: "video/VP8",
    payloadType: 96,
    clockRate: 90000,
    fmtp: "",
    feedback: ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"],
    rtxPayloadType: 97,
  });
  assert.equal(firstH264?.rtxPayloadType, 103);
  // Neither video/red nor ulpfec nor rtx itself is a codec of its own.
  assert.deepEqual(
    [...new Set(offer.sections[1]!.codecs.map(({ mime }) => mime))],
    ["video/VP8", "video/H264", "video/AV1", "video/VP9"],
  );
});

Deno.test("parseDescription() reads Firefox: braces in msid, session fingerprint, FID groups", () => {
  const offer = mustParse(sdpFixture("firefox_camera_mic_simulcast_offer"));
  assert.deepEqual(offer.sections[1]?.msid, {
    stream: "{676de825-87b3-4491-8905-849961337de2}",
    track: "{3e794fe9-1f4f-4dd8-bbf3-406c262ffd62}",
  });
  assert.match(offer.fingerprints[0]!.value, /^B4:A6:F9/);
  assert.deepEqual(offer.sections[1]?.ssrcs, [
    { ssrc: 2717029477, rtxSsrc: 804772834 },
    { ssrc: 1021301715, rtxSsrc: 1294082661 },
    { ssrc: 630313450, rtxSsrc: 2170981761 },
  ]);
});

Deno.test("parseDescription() does not take Firefox's bundle-only port 0 for a rejection", () => {
  const offer = mustParse(sdpFixture("firefox_camera_mic_simulcast_offer"));
  assert.match(sdpFixture("firefox_camera_mic_simulcast_offer"), /m=video 0 /);
  assert.deepEqual(offer.sections.map(({ rejected }) => rejected), [false, false, false, false]);
});

Deno.test("parseDescription() sees which of our sections a browser rejected", () => {
  const answer = mustParse(sdpFixture("firefox_answer_to_round_more"));
  assert.deepEqual(
    answer.sections.filter(({ rejected }) => rejected).map(({ mid }) => mid),
    ["5", "7"],
  );
  assert.equal(answer.setup, "active");
});

Deno.test("parseDescription() pairs the SSRCs of a video without simulcast", () => {
  const offer = mustParse(sdpFixture("chromium_svc_and_single_offer"));
  assert.deepEqual(offer.sections.flatMap(({ ssrcs }) => ssrcs), [
    { ssrc: 3980111036, rtxSsrc: 2070879758 },
    { ssrc: 3760409187, rtxSsrc: 211372369 },
  ]);
});

Deno.test("parseDescription() gives SSRCs the order of their SIM group", () => {
  const { sections } = mustParse(video([
    "a=ssrc-group:FID 30 31",
    "a=ssrc-group:SIM 20 10 30",
    "a=ssrc:10 cname:a",
    "a=ssrc:20 cname:a",
    "a=ssrc:30 cname:a",
    "a=ssrc:31 cname:a",
  ]));
  assert.deepEqual(sections[0]?.ssrcs, [{ ssrc: 20 }, { ssrc: 10 }, { ssrc: 30, rtxSsrc: 31 }]);
});

Deno.test("parseDescription() strips tildes, takes the first alternative, orders known rids", () => {
  const rids = (line: string) => mustParse(video([line])).sections[0]?.rids;
  assert.deepEqual(rids("a=simulcast:send f;~h;q"), ["q", "h", "f"]);
  assert.deepEqual(rids("a=simulcast:send 0;1;2"), ["2", "1", "0"]);
  assert.deepEqual(rids("a=simulcast:send low,lower;high"), ["low", "high"]);
  assert.deepEqual(rids("a=simulcast:recv a;b send f;q"), ["q", "f"]);
  assert.deepEqual(rids("a=simulcast:recv q;h;f"), []);
  assert.deepEqual(rids("a=simulcast:send h;m;l"), ["l", "m", "h"]);
});

Deno.test("parseDescription() takes the three layers that a client prefers", () => {
  const rids = (line: string) => mustParse(video([line])).sections[0]?.rids;
  assert.deepEqual(rids("a=simulcast:send a;b;c;d;e"), ["c", "b", "a"]);
  assert.deepEqual(rids("a=simulcast:send f;h;q;x"), ["q", "h", "f"]);
});

Deno.test("parseDescription() passes over restrictions of rids", () => {
  const { sections } = mustParse(video([
    "a=rid:q send pt=96;max-width=320;max-height=180",
    "a=rid:h send pt=96,97",
    "a=simulcast:send q;h",
  ]));
  assert.deepEqual(sections[0]?.rids, ["q", "h"]);
});

Deno.test("orderRids() takes the first of names without a convention for the highest", () => {
  assert.deepEqual(orderRids(["best", "good", "poor"]), ["poor", "good", "best"]);
  assert.deepEqual(orderRids(["f", "2"]), ["2", "f"]);
  assert.deepEqual(orderRids(["solo"]), ["solo"]);
});

Deno.test("orderRids() puts names with a meaning in their order, however they are listed", () => {
  assert.deepEqual(orderRids(["h", "q"]), ["q", "h"]);
  for (const listed of [["l", "m", "h"], ["h", "m", "l"], ["m", "h", "l"]]) {
    assert.deepEqual(orderRids(listed), ["l", "m", "h"]);
  }
  assert.deepEqual(orderRids(["low", "high"]), ["low", "high"]);
});

Deno.test("parseDescription() keeps a mid and credentials that look like numbers as text", () => {
  const { sections, ice } = mustParse(
    video([]).replace("a=mid:v", "a=mid:0").replace("ufrag:abcd", "ufrag:1234"),
  );
  assert.equal(sections[0]?.mid, "0");
  assert.equal(ice.ufrag, "1234");
});

Deno.test("parseDescription() reads a stream id with a bar, as subscribers' answers echo it", () => {
  const { sections } = mustParse(video(["a=msid:PA_x|camera TR_y"]));
  assert.deepEqual(sections[0]?.msid, { stream: "PA_x|camera", track: "TR_y" });
});

Deno.test("parseDescription() takes the transport from the first section of the bundle", () => {
  const second = [
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    "a=mid:d",
    "a=ice-ufrag:efgh",
    "a=ice-pwd:ABCDEFGHIJKLMNOPQRSTUV",
    "a=fingerprint:SHA-256 ef:01",
    "a=setup:active",
  ];
  const offer = mustParse(video(second, { session: ["a=group:BUNDLE d v"] }));
  assert.equal(offer.ice.ufrag, "efgh");
  assert.equal(offer.setup, "active");
  assert.deepEqual(offer.fingerprints, [{ algorithm: "sha-256", value: "EF:01" }]);
});

Deno.test("parseDescription() takes a role from any place, in any case, and says when there is none", () => {
  assert.equal(mustParse(video(["a=setup:PASSIVE"])).setup, "passive");
  assert.equal(mustParse(video([], { session: ["a=setup:active"] })).setup, "active");
  assert.equal(mustParse(video([])).setup, undefined);
});

Deno.test("parseDescription() refuses a role that cannot be followed, in words", () => {
  const faults: readonly [string, RegExp][] = [
    [video(["a=setup:holdconn"]), /a=setup:holdconn is not supported/],
    [video(["a=setup:server"]), /a=setup:server is not supported/],
    [
      video(["a=setup:active", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:a", "a=setup:passive"]),
      /sections disagree about a=setup/,
    ],
    [
      video(["a=setup:passive"], { session: ["a=setup:active"] }),
      /sections disagree about a=setup/,
    ],
  ];
  for (const [sdp, expected] of faults) {
    const parsed = parseDescription(sdp);
    assert.match(parsed.ok ? "accepted" : parsed.message, expected);
  }
  // What a refused section wants does not matter.
  const refused = video(["a=setup:active", "m=audio 0 UDP/TLS/RTP/SAVPF 111", "a=setup:passive"]);
  assert.equal(mustParse(refused).setup, "active");
});

Deno.test("parseDescription() keeps all fingerprints of one place", () => {
  const { fingerprints } = mustParse(video(["a=fingerprint:sha-512 01:23"]));
  assert.deepEqual(fingerprints.map(({ algorithm }) => algorithm), ["sha-256", "sha-512"]);
});

Deno.test("parseDescription() needs no credentials when every section is rejected", () => {
  const parsed = parseDescription("v=0\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n");
  assert.ok(parsed.ok);
  assert.deepEqual(parsed.value.ice, { ufrag: "", pwd: "" });
  assert.equal(parsed.value.sections[0]?.rejected, true);
});

Deno.test("parseDescription() lets rejected sections alone go without a mid", () => {
  const rejected = "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=inactive";
  const { sections } = mustParse(video([rejected, rejected]));
  assert.deepEqual(sections.map(({ mid }) => mid), ["v", "", ""]);
});

Deno.test("parseDescription() says in words what is wrong", () => {
  const refusals: [string, RegExp][] = [
    [video(["m=text 9 RTP/AVP 1", "a=mid:t"]), /section 1: kind "text"/],
    [video(["m=audio 9 RTP/AVP 0"]), /section 1: there is no a=mid/],
    [video(["m=audio 9 RTP/AVP 0", "a=mid:v"]), /mid "v" is used twice/],
    [video([], { mLine: "m=video nine X 1" }), /section 0/],
    [video([]).replace("a=ice-ufrag:abcd", "a=x:y"), /no a=ice-ufrag/],
    [video([]).replace("ufrag:abcd", "ufrag:abc"), /ice-ufrag is not/],
    [video([]).replace("pwd:abcdefghijklmnopqrstuv", "pwd:short"), /ice-pwd is not/],
    [video([]).replace("sha-256 AB:CD", "sha-256 nonsense"), /no usable a=fingerprint/],
    ["", /not SDP/],
    ["a=mid:0\r\na=inactive\r\n", /not SDP/],
    ["x".repeat(1024 * 1024 + 1), /characters, limit is/],
    [`a=${"x".repeat(5000)}`, /line of 5002 characters/],
    ["a=b\n".repeat(70_000), /70000 lines/],
    ["m=video 9 X 1\r\n".repeat(513), /513 media sections/],
  ];
  for (const [sdp, message] of refusals) {
    const parsed = parseDescription(sdp);
    assert.equal(parsed.ok, false, `accepted, wanted ${message}`);
    if (!parsed.ok) assert.match(parsed.message, message);
  }
});

Deno.test("parseDescription() accepts as many sections as its limit", () => {
  const section = (mid: number) => `m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:s${mid}\r\n`;
  const sdp = video([Array.from({ length: 511 }, (_, mid) => section(mid)).join("")]);
  const { sections } = mustParse(sdp);
  assert.equal(sections.length, 512);
  assert.equal(sections[511]?.codecs[0]?.mime, "audio/PCMU");
});

Deno.test("parseDescription() with a memo reads what changed and keeps what did not", () => {
  const memo = new SectionMemo();
  const before = mustParse(video(["m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:a"]));
  for (const direction of ["recvonly", "inactive", "recvonly"]) {
    const sdp = video(["m=audio 9 UDP/TLS/RTP/SAVPF 0", "a=mid:a", `a=${direction}`]);
    const parsed = parseDescription(sdp, memo);
    assert.ok(parsed.ok);
    assert.equal(parsed.value.sections[1]?.direction, direction);
    assert.deepEqual(parsed.value.sections[0], before.sections[0]);
  }
});

Deno.test("parseDescription() reads repair packets and their streams, which are no media", () => {
  const [section] = mustParse(video([
    "a=rtpmap:49 flexfec-03/90000",
    "a=fmtp:49 repair-window=10000000",
    "a=ssrc-group:FID 1 2",
    "a=ssrc-group:FEC-FR 1 3",
    "a=ssrc:1 cname:c",
    "a=ssrc:2 cname:c",
    "a=ssrc:3 cname:c",
  ], { mLine: "m=video 9 UDP/TLS/RTP/SAVPF 96 97 49" })).sections;
  assert.deepEqual(section!.ssrcs, [{ ssrc: 1, rtxSsrc: 2, fecSsrc: 3 }]);
  assert.deepEqual(section!.codecs.map(({ mime, payloadType }) => [mime, payloadType]), [
    ["video/VP8", 96],
    ["video/flexfec-03", 49],
  ]);
});
