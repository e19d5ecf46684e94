import assert from "node:assert/strict";
import type { DownTrackId } from "../../../lib/base/ids.ts";
import { EXTENSION_URI, type MediaKind } from "../../../lib/base/media_vocabulary.ts";
import { codecPolicy, DEFAULT_ENABLED_CODECS } from "../../../lib/negotiation/codec_catalog.ts";
import type { SubscribedTrack } from "../../../lib/negotiation/sent_track.ts";
import {
  SubscriberSections,
  type SubscriberSectionsOptions,
} from "../../../lib/negotiation/subscriber_offer.ts";
import { answerAsClient } from "../../support/virtual/answering_client.ts";
import {
  localParameters,
  mustParse,
  publishedCodec,
  sdpFixture,
  sectionText,
} from "../../support/virtual/negotiation_fixtures.ts";

/** What a client without video does not know. */
const ALL_VIDEO = ["VP8", "VP9", "H264", "AV1", "H265"].map((name) => `video/${name}`);

let lastSsrc = 0;
/** A track of the given codecs; its ids are made from `name`. */
function track(name: string, mimes: string | readonly string[], stereo = false): SubscribedTrack {
  const codecs = [mimes].flat().map((mime) => publishedCodec(mime));
  return {
    downTrack: name as DownTrackId,
    kind: codecs[0]!.mime.split("/")[0] as MediaKind,
    codecs,
    streamId: `PA_x|${name}`,
    trackId: `TR_${name}`,
    cname: `PA_x|${name}`,
    ssrc: ++lastSsrc,
    rtxSsrc: ++lastSsrc,
    stereo,
  };
}

const id = (name: string) => name as DownTrackId;

function sections(options: Partial<SubscriberSectionsOptions> = {}): SubscriberSections {
  return new SubscriberSections({
    createsDataChannels: true,
    reuseTransceivers: true,
    codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
    ...options,
  });
}

/** One round with a client that takes everything; gives the offer. */
function negotiate(table: SubscriberSections, unsupported: readonly string[] = []) {
  const { sdp, midToTrackId } = table.offer(localParameters());
  const applied = table.applyAnswer(mustParse(answerAsClient(sdp, { unsupported })));
  return { sdp, midToTrackId, ...applied };
}

for (const browser of ["chromium", "firefox"]) {
  Deno.test(`SubscriberSections applies what ${browser} really answered in four rounds`, () => {
    const table = sections();
    const round = (name: string) => {
      table.offer(localParameters());
      return table.applyAnswer(mustParse(sdpFixture(`${browser}_answer_to_round_${name}`)));
    };
    const accepted = (applied: ReturnType<typeof round>) =>
      applied.accepted.map(({ downTrack, section }) => [
        downTrack,
        section.mid,
        section.codecs[0]?.mime,
      ]);
    table.addTrack(track("mic", "audio/opus", true));
    table.addTrack(track("cam", "video/VP8"));
    const first = round("first");
    assert.deepEqual(accepted(first), [["mic", "1", "audio/opus"], ["cam", "2", "video/VP8"]]);
    assert.equal(first.sctp?.port, 5000);
    assert.equal(first.accepted[1]?.section.codecs[0]?.rtxPayloadType, 97);
    assert.ok(first.accepted[1]!.section.extensions.some((extension) => extension.id === 3));

    table.addTrack(track("mic2", "audio/opus"));
    table.addTrack(track("av1", "video/AV1"));
    table.addTrack(track("h265", "video/H265"));
    table.addTrack(track("red", ["audio/red", "audio/opus"]));
    table.addTrack(track("h264", "video/H264"));
    const more = round("more");
    const isChromium = browser === "chromium";
    assert.deepEqual(accepted(more), [
      ["mic2", "3", "audio/opus"],
      ["av1", "4", "video/AV1"],
      ["red", "6", isChromium ? "audio/red" : "audio/opus"],
      ...(isChromium ? [["h264", "7", "video/H264"]] : []),
    ]);
    assert.deepEqual(
      more.rejected.map(({ downTrack, reason }) => [downTrack, reason]),
      [
        ["h265", "codec_unsupported"],
        ...(isChromium ? [] : [["h264", "codec_unsupported"]]),
      ],
    );

    table.removeTrack(id("cam"));
    table.removeTrack(id("mic"));
    assert.deepEqual(accepted(round("removed")), []);

    table.addTrack(track("vp9", "video/VP9"));
    table.addTrack(track("mic3", "audio/opus"));
    table.addTrack(track("vp8", "video/VP8"));
    assert.deepEqual(accepted(round("reused")), [
      ["mic3", "1", "audio/opus"],
      ["vp9", "2", "video/VP9"],
      ["vp8", "8", "video/VP8"],
    ]);
  });
}

Deno.test("SubscriberSections.offer() has not grown after 50 publish and unpublish rounds", () => {
  const table = sections();
  const lengths = new Set<number>();
  for (let round = 10; round < 60; round++) {
    lastSsrc = 100_000 + round * 10; // the same number of digits in every round
    table.addTrack(track(`cam${round}`, "video/VP8"));
    table.addTrack(track(`mic${round}`, "audio/opus"));
    const { accepted, sdp } = negotiate(table);
    assert.deepEqual(accepted.map(({ section }) => section.mid), ["1", "2"]);
    lengths.add(sdp.length);
    table.removeTrack(id(`cam${round}`));
    table.removeTrack(id(`mic${round}`));
    negotiate(table);
  }
  assert.equal(table.size, 3);
  assert.equal(lengths.size, 1);
});

Deno.test("SubscriberSections.offer() writes msid, cname, FID and stereo of each track", () => {
  const table = sections();
  const cam = track("cam", "video/VP8");
  table.addTrack(cam);
  table.addTrack(track("mic", "audio/opus", true));
  table.addTrack(track("mono", "audio/opus"));
  const { sdp, midToTrackId } = table.offer(localParameters());
  assert.deepEqual(midToTrackId, { "1": "TR_cam", "2": "TR_mic", "3": "TR_mono" });
  const lines = sectionText(sdp, "1");
  for (
    const line of [
      "a=sendonly",
      "a=setup:actpass",
      "a=msid:PA_x|cam TR_cam",
      `a=ssrc-group:FID ${cam.ssrc} ${cam.rtxSsrc}`,
      `a=ssrc:${cam.ssrc} cname:PA_x|cam`,
      `a=ssrc:${cam.rtxSsrc} cname:PA_x|cam`,
      "a=rtcp-fb:96 goog-remb",
      "a=rtcp-fb:96 transport-cc",
      `a=extmap:5 ${EXTENSION_URI.transportCc}`,
      "a=rtcp-mux",
      "a=rtcp-rsize",
    ]
  ) assert.ok(lines.includes(line), line);
  assert.ok(sectionText(sdp, "2").some((line) => line.endsWith(";sprop-stereo=1")));
  assert.ok(sectionText(sdp, "2").includes("a=rtcp-fb:111 nack"));
  assert.equal(sectionText(sdp, "3").some((line) => line.includes("stereo")), false);
  assert.equal(sectionText(sdp, "2").some((line) => line.includes("FID")), false);
});

Deno.test("SubscriberSections.offer() has no nack for a track that comes as RED", () => {
  const table = sections();
  table.addTrack({ ...track("red", ["audio/red", "audio/opus"]), isRedundant: true });
  const lines = sectionText(table.offer(localParameters()).sdp, "1");
  assert.match(lines[0]!, /SAVPF 63 111 0 8$/);
  const feedback = lines.filter((line) => line.startsWith("a=rtcp-fb"));
  assert.deepEqual(new Set(feedback.map((line) => line.split(" ")[1])), new Set(["transport-cc"]));
});

Deno.test("SubscriberSections.offer() prefers RED for opus, with nack for who knows opus alone", () => {
  const table = sections();
  table.addTrack(track("mic", ["audio/red", "audio/opus"]));
  const { sdp } = table.offer(localParameters());
  const lines = sectionText(sdp, "1");
  assert.match(lines[0]!, /SAVPF 63 111 0 8$/);
  assert.ok(lines.includes("a=rtcp-fb:111 nack"));
  assert.ok(!lines.includes("a=rtcp-fb:63 nack"));
  const answer = answerAsClient(sdp, { unsupported: ["audio/red"] });
  const [accepted] = table.applyAnswer(mustParse(answer)).accepted;
  assert.deepEqual(accepted!.section.codecs.map(({ mime }) => mime), ["audio/opus"]);
});

const WITH_REPAIR = codecPolicy([
  ...DEFAULT_ENABLED_CODECS,
  { mime: "video/flexfec-03", fmtp: "" },
]);

Deno.test("SubscriberSections.offer() has no repair packets unless a room's codecs name them", () => {
  const table = sections();
  table.addTrack({ ...track("cam", "video/VP8"), fecSsrc: 77 });
  const { sdp } = table.offer(localParameters());
  assert.equal(/flexfec|FEC-FR|ssrc:77 /.test(sdp), false);
});

Deno.test("SubscriberSections.offer() names the stream of repair packets to whoever takes them", () => {
  const table = sections({ codecs: WITH_REPAIR });
  const cam = { ...track("cam", "video/VP8"), fecSsrc: 77 };
  table.addTrack(cam);
  table.addTrack(track("mic", "audio/opus"));
  const { sdp, section } = (() => {
    const { sdp } = table.offer(localParameters());
    const answer = table.applyAnswer(mustParse(answerAsClient(sdp, {})));
    return { sdp, section: answer.accepted.find(({ downTrack }) => downTrack === id("cam"))! };
  })();
  const lines = sectionText(sdp, "1");
  for (
    const line of [
      "a=rtpmap:49 flexfec-03/90000",
      "a=fmtp:49 repair-window=10000000",
      "a=rtcp-fb:49 transport-cc",
      `a=ssrc-group:FEC-FR ${cam.ssrc} 77`,
      "a=ssrc:77 cname:PA_x|cam",
    ]
  ) assert.ok(lines.includes(line), line);
  assert.equal(lines.includes("a=rtcp-fb:49 nack"), false);
  assert.equal(sectionText(sdp, "2").some((line) => /flexfec|FEC-FR/.test(line)), false);
  const { codecs, fecSsrc } = section.section;
  assert.equal(fecSsrc, 77);
  assert.deepEqual(codecs.map(({ mime }) => mime), ["video/VP8", "video/flexfec-03"]);
});

Deno.test("SubscriberSections names repair packets once alone to a client that knows none", () => {
  const table = sections({ codecs: WITH_REPAIR });
  table.addTrack({ ...track("cam", "video/VP8"), fecSsrc: 77 });
  const unsupported = ["video/flexfec-03"];
  const first = negotiate(table, unsupported);
  assert.ok(first.sdp.includes("a=ssrc-group:FEC-FR"));
  assert.equal(first.accepted[0]!.section.fecSsrc, undefined);
  assert.deepEqual(first.accepted[0]!.section.codecs.map(({ mime }) => mime), ["video/VP8"]);
  assert.equal(negotiate(table, unsupported).sdp.includes("FEC-FR"), false);
});

Deno.test("SubscriberSections rejects a track of which a client takes only the repair packets", () => {
  const table = sections({ codecs: WITH_REPAIR });
  table.addTrack({ ...track("cam", "video/VP8"), fecSsrc: 77 });
  const { accepted, rejected } = negotiate(table, ["video/VP8"]);
  assert.deepEqual(accepted, []);
  assert.deepEqual(rejected, [{ downTrack: id("cam"), reason: "codec_unsupported" }]);
});

Deno.test("SubscriberSections numbers packets only for a client that tells when they came", () => {
  const numbered = (edit: (answer: string) => string) => {
    const table = sections();
    table.addTrack(track("cam", "video/VP8"));
    table.addTrack(track("mic", "audio/opus"));
    const answer = answerAsClient(table.offer(localParameters()).sdp, {});
    return table.applyAnswer(mustParse(edit(answer))).accepted.map(({ section }) =>
      section.extensions.some(({ uri }) => uri === EXTENSION_URI.transportCc)
    );
  };
  assert.deepEqual(numbered((answer) => answer), [true, true]);
  const silent = /a=rtcp-fb:\d+ transport-cc\r\n/g;
  assert.deepEqual(numbered((answer) => answer.replace(silent, "")), [false, false]);
  const unnumbered = /a=extmap:5 .*\r\n/g;
  assert.deepEqual(numbered((answer) => answer.replace(unnumbered, "")), [false, false]);
});

Deno.test("SubscriberSections.offer() lists every codec of the kind, the track's own first", () => {
  const table = sections();
  table.addTrack(track("h264", "video/H264"));
  table.addTrack(track("mic", "audio/opus"));
  const { sdp, accepted } = negotiate(table);
  assert.match(
    sectionText(sdp, "1")[0]!,
    /SAVPF 125 126 96 97 98 99 100 101 108 109 35 36 116 117$/,
  );
  assert.match(sectionText(sdp, "2")[0]!, /SAVPF 111 63 0 8$/);
  // It is sent in its own alone.
  const sent = accepted.map(({ section }) => section.codecs.map(({ payloadType }) => payloadType));
  assert.deepEqual(sent, [[125], [111]]);
});

Deno.test("SubscriberSections serves a client that fixes its codecs at the first section", () => {
  const table = sections();
  const memory = new Map<string, ReadonlySet<string>>();
  const accepted: unknown[] = [];
  for (const mime of ["video/VP8", "video/H264", "audio/opus", "audio/PCMA", "video/VP9"]) {
    table.addTrack(track(mime, mime));
    const { sdp } = table.offer(localParameters());
    const applied = table.applyAnswer(mustParse(answerAsClient(sdp, { memory })));
    accepted.push(
      ...applied.accepted.map(({ downTrack, section }) => [downTrack, section.codecs[0]?.mime]),
    );
  }
  assert.deepEqual(accepted, [
    ["video/VP8", "video/VP8"],
    ["video/H264", "video/H264"],
    ["audio/opus", "audio/opus"],
    ["audio/PCMA", "audio/PCMA"],
    ["video/VP9", "video/VP9"],
  ]);
});

Deno.test("SubscriberSections keeps out of a section the retransmission that was refused in it", () => {
  const table = sections();
  const answer = (sdp: string, unsupported: string[]) =>
    table.applyAnswer(mustParse(answerAsClient(sdp, { unsupported }))).accepted;
  const offer = () => table.offer(localParameters()).sdp;
  const mentionsRtx = (sdp: string, mid: string) =>
    sectionText(sdp, mid).some((line) => /rtx|apt=|FID/.test(line));
  table.addTrack(track("a", "video/VP8"));
  answer(offer(), ["video/rtx"]);
  table.addTrack(track("b", "video/VP8"));
  const second = offer();
  assert.deepEqual([mentionsRtx(second, "1"), mentionsRtx(second, "2")], [false, true]);
  answer(second, []);
  table.removeTrack(id("a"));
  table.removeTrack(id("b"));
  answer(offer(), []);
  table.addTrack(track("c", "video/VP9"));
  table.addTrack(track("d", "video/VP8"));
  const reused = offer();
  assert.deepEqual([mentionsRtx(reused, "1"), mentionsRtx(reused, "2")], [false, true]);
  const accepted = answer(reused, []);
  assert.deepEqual(accepted.map(({ section }) => [section.mid, section.rtxSsrc !== undefined]), [
    ["1", false],
    ["2", true],
  ]);
});

Deno.test("SubscriberSections does not reuse a section before the client saw its track end", () => {
  const table = sections();
  table.addTrack(track("a", "video/VP8"));
  negotiate(table);
  table.removeTrack(id("a"));
  table.addTrack(track("b", "video/VP8"));
  const { sdp, accepted } = negotiate(table);
  // Not `inactive`, which would stop pion's transceiver for good.
  assert.ok(sectionText(sdp, "1").includes("a=recvonly"));
  assert.deepEqual(accepted.map(({ section }) => section.mid), ["2"]);
  table.addTrack(track("c", "video/VP9"));
  assert.deepEqual(negotiate(table).accepted.map(({ section }) => section.mid), ["1"]);
});

Deno.test("SubscriberSections does not reuse a section whose offer was lost with the answer", () => {
  const table = sections();
  table.addTrack(track("a", "video/VP8"));
  table.offer(localParameters());
  table.removeTrack(id("a"));
  table.addTrack(track("b", "video/VP8"));
  assert.deepEqual(negotiate(table).accepted.map(({ section }) => section.mid), ["2"]);
});

Deno.test("SubscriberSections.applyAnswer() binds nothing that left while the offer was out", () => {
  const table = sections();
  table.addTrack(track("a", "video/VP8"));
  table.addTrack(track("b", "audio/opus"));
  const { sdp } = table.offer(localParameters());
  table.removeTrack(id("a"));
  table.addTrack(track("late", "video/VP8"));
  const applied = table.applyAnswer(mustParse(answerAsClient(sdp, {})));
  assert.deepEqual(applied.accepted.map(({ downTrack }) => downTrack), ["b"]);
  assert.equal(table.needsOffer, true);
  assert.deepEqual(negotiate(table).accepted.map(({ downTrack }) => downTrack), ["late"]);
});

Deno.test("SubscriberSections.applyAnswer() reports a binding again only if it changed", () => {
  const table = sections();
  table.addTrack(track("a", "video/VP8"));
  assert.equal(negotiate(table).accepted.length, 1);
  assert.equal(table.needsOffer, false);
  assert.equal(negotiate(table).accepted.length, 0);
});

Deno.test("SubscriberSections recycles a refused section under a new mid for any kind", () => {
  const table = sections();
  table.addTrack(track("a", "video/AV1"));
  const { rejected } = negotiate(table, ALL_VIDEO);
  assert.deepEqual(rejected, [{ downTrack: id("a"), reason: "codec_unsupported" }]);
  table.addTrack(track("b", "audio/opus"));
  const { sdp, accepted } = negotiate(table);
  assert.deepEqual(mustParse(sdp).sections.map(({ mid, kind }) => [mid, kind]), [
    ["0", "application"],
    ["2", "audio"],
  ]);
  assert.deepEqual(accepted.map(({ downTrack }) => downTrack), ["b"]);
});

Deno.test("SubscriberSections takes a track back that the client lacks the codec of, and its section goes on", () => {
  const table = sections();
  table.addTrack(track("a", "video/AV1"));
  const { rejected, accepted } = negotiate(table, ["video/AV1"]);
  assert.deepEqual(rejected, [{ downTrack: id("a"), reason: "codec_unsupported" }]);
  assert.deepEqual(accepted, []);
  // The client believes that it receives there.
  assert.equal(table.needsOffer, true);
  assert.ok(sectionText(negotiate(table).sdp, "1").includes("a=recvonly"));
  table.addTrack(track("b", "video/VP8"));
  assert.deepEqual(negotiate(table).accepted.map(({ section }) => section.mid), ["1"]);
});

Deno.test("SubscriberSections keeps refused sections out of the bundle, at port 0", () => {
  const table = sections();
  table.addTrack(track("a", "video/AV1"));
  negotiate(table, ALL_VIDEO);
  const offer = mustParse(table.offer(localParameters()).sdp);
  assert.deepEqual(offer.bundledMids, ["0"]);
  assert.equal(offer.sections[1]?.rejected, true);
});

Deno.test("SubscriberSections reports a track it may not offer as unsupported", () => {
  const table = sections({ codecs: codecPolicy([{ mime: "video/VP8", fmtp: "" }]) });
  table.addTrack(track("a", "video/H264"));
  const { rejected, sdp } = negotiate(table);
  assert.deepEqual(rejected, [{ downTrack: id("a"), reason: "codec_unsupported" }]);
  assert.equal(mustParse(sdp).sections.length, 1);
});

Deno.test("SubscriberSections says section_rejected where the client will not receive", () => {
  const table = sections();
  table.addTrack(track("a", "video/VP8"));
  const { sdp } = table.offer(localParameters());
  const refusing = answerAsClient(sdp, {}).replace("a=recvonly", "a=inactive");
  const { rejected, accepted } = table.applyAnswer(mustParse(refusing));
  assert.deepEqual(rejected, [{ downTrack: id("a"), reason: "section_rejected" }]);
  assert.deepEqual(accepted, []);
  assert.equal(table.needsOffer, true);
});

Deno.test("SubscriberSections gives no rtx SSRC to a client without rtx", () => {
  const table = sections();
  table.addTrack(track("a", "video/VP8"));
  const { sdp } = table.offer(localParameters());
  const plain = answerAsClient(sdp, {}).replace(" 96 97", " 96")
    .replace(/a=(rtpmap:97 rtx\/90000|fmtp:97 apt=96)\r\n/g, "");
  const { accepted } = table.applyAnswer(mustParse(plain));
  assert.equal(accepted[0]?.section.rtxSsrc, undefined);
  assert.equal(accepted[0]?.section.codecs[0]?.rtxPayloadType, undefined);
});

Deno.test("SubscriberSections never reuses sections for clients that cannot", () => {
  const table = sections({ reuseTransceivers: false });
  for (let round = 0; round < 3; round++) {
    table.addTrack(track(`v${round}`, "video/VP8"));
    negotiate(table);
    table.removeTrack(id(`v${round}`));
    negotiate(table);
  }
  assert.equal(table.size, 4);
});

Deno.test("SubscriberSections without data channels puts candidates into every section", () => {
  const table = sections({ createsDataChannels: false });
  assert.equal(table.needsOffer, false);
  table.addTrack(track("a", "video/AV1"));
  table.addTrack(track("b", "audio/opus"));
  const { sdp } = table.offer(localParameters());
  assert.equal(sdp.match(/a=candidate:/g)?.length, 4);
  assert.equal(mustParse(sdp).sections[0]?.mid, "0");
});

Deno.test("SubscriberSections ignores a track added twice and one removed twice", () => {
  const table = sections();
  const cam = track("a", "video/VP8");
  table.addTrack(cam);
  table.addTrack(cam);
  negotiate(table);
  table.addTrack(cam);
  assert.equal(table.needsOffer, false);
  table.removeTrack(id("a"));
  negotiate(table);
  table.removeTrack(id("a"));
  assert.equal(table.needsOffer, false);
  assert.equal(table.size, 2);
});

Deno.test("SubscriberSections offers to take what libwebrtc takes, which takes no more than that", () => {
  const { sdp } = sections().offer(localParameters());
  assert.equal(mustParse(sdp).sections[0]!.maxMessageSize, 262_144);
});
