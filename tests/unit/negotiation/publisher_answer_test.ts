import assert from "node:assert/strict";
import type { UpTrackId } from "../../../lib/base/ids.ts";
import { codecPolicy, DEFAULT_ENABLED_CODECS } from "../../../lib/negotiation/codec_catalog.ts";
import {
  answerPublisherOffer,
  type PublisherOfferInput,
  type TrackPlan,
} from "../../../lib/negotiation/publisher_answer.ts";
import {
  localParameters,
  mustParse,
  sdpFixture,
  sectionText,
} from "../../support/virtual/negotiation_fixtures.ts";

const PLAN = { stereo: false, dtxDisabled: false, redDisabled: false };
const OFFERS = [
  "chromium_camera_mic_simulcast_offer",
  "chromium_svc_and_single_offer",
  "chromium_data_only_offer",
  "firefox_camera_mic_simulcast_offer",
  "firefox_svc_and_single_offer",
];

function answer(
  sdp: string,
  plan: Partial<TrackPlan> = {},
  more: Partial<PublisherOfferInput> = {},
) {
  const offer = mustParse(sdp);
  const result = answerPublisherOffer({
    offer,
    local: localParameters(),
    codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
    singlePreferredVideoCodec: false,
    planFor: ({ mid }) => ({ ...PLAN, upTrack: `UT_${mid}` as UpTrackId, ...plan }),
    ...more,
  });
  return { offer, ...result };
}

const chromium = () => sdpFixture("chromium_camera_mic_simulcast_offer");
const firefox = () => sdpFixture("firefox_camera_mic_simulcast_offer");
const mimes = (sdp: string, mid: string) =>
  mustParse(sdp).sections.find((section) => section.mid === mid)!.codecs.map(({ mime }) => mime);
const fmtpOf = (sdp: string, mid: string, payloadType: number) =>
  sectionText(sdp, mid).find((line) => line.startsWith(`a=fmtp:${payloadType} `));

for (const name of OFFERS) {
  Deno.test(`answerPublisherOffer() mirrors the sections of ${name} and adds nothing to them`, () => {
    const { offer, sdp } = answer(sdpFixture(name));
    const answered = mustParse(sdp);
    assert.deepEqual(
      answered.sections.map(({ mid, kind }) => [mid, kind]),
      offer.sections.map(({ mid, kind }) => [mid, kind]),
    );
    for (const [index, section] of answered.sections.entries()) {
      const asked = offer.sections[index]!;
      for (const format of section.formats) assert.ok(asked.formats.includes(format), format);
      for (const extension of section.extensions) {
        assert.ok(asked.extensions.some((e) => e.id === extension.id && e.uri === extension.uri));
      }
      if (section.kind === "video") {
        for (const codec of section.codecs) {
          const offered = asked.codecs.find((c) => c.payloadType === codec.payloadType)!;
          assert.equal(codec.rtxPayloadType, offered.rtxPayloadType);
          for (const value of codec.feedback) assert.ok(offered.feedback.includes(value), value);
        }
      }
    }
    assert.equal(answered.setup, "passive");
    assert.deepEqual(answered.bundledMids, offer.bundledMids);
  });
}

Deno.test("answerPublisherOffer() says ice-lite at session level and candidates once", () => {
  const { sdp } = answer(chromium());
  const [session] = sdp.split(/\r\n(?=m=)/);
  assert.ok(session!.split("\r\n").includes("a=ice-lite"));
  assert.equal(sdp.match(/a=ice-lite/g)?.length, 1);
  const tagged = sectionText(sdp, "0").filter((line) => line.startsWith("a=candidate:"));
  assert.equal(tagged.length, 2);
  assert.ok(tagged[1]!.endsWith("192.0.2.1 7881 typ host tcptype passive"));
  assert.equal(sdp.match(/a=candidate:/g)?.length, 2);
  assert.equal(sdp.match(/a=end-of-candidates/g)?.length, 1);
});

Deno.test("answerPublisherOffer() receives each sent section with its layers", () => {
  const { receive, sctp, midToTrackId } = answer(chromium());
  assert.deepEqual(receive.map(({ mid, kind, upTrack, rids }) => [mid, kind, upTrack, rids]), [
    ["0", "audio", "UT_0", []],
    ["1", "video", "UT_1", ["q", "h", "f"]],
    ["2", "video", "UT_2", ["q", "h", "f"]],
  ]);
  assert.deepEqual(sctp, { port: 5000, maxMessageSize: 262144 });
  assert.deepEqual(midToTrackId, {});
});

Deno.test("answerPublisherOffer() mirrors simulcast in the receive direction", () => {
  const lines = sectionText(answer(chromium()).sdp, "1");
  assert.ok(lines.includes("a=recvonly"));
  for (const rid of ["q", "h", "f"]) assert.ok(lines.includes(`a=rid:${rid} recv`));
  assert.ok(lines.includes("a=simulcast:recv q;h;f"));
});

Deno.test("answerPublisherOffer() puts the announced codec first and keeps the others", () => {
  const { sdp, receive } = answer(chromium(), { preferredMime: "video/VP9" });
  assert.deepEqual([...new Set(mimes(sdp, "1"))], [
    "video/VP9",
    "video/VP8",
    "video/H264",
    "video/AV1",
  ]);
  assert.equal(receive[1]?.codecs[0]?.payloadType, 98);
  assert.equal(mimes(answer(chromium(), { preferredMime: "pcma" }).sdp, "0")[0], "audio/PCMA");
});

Deno.test("answerPublisherOffer() leaves the preferred video codec alone where order is ignored", () => {
  const more = { singlePreferredVideoCodec: true };
  const { sdp } = answer(firefox(), { preferredMime: "video/AV1" }, more);
  assert.deepEqual(mimes(sdp, "1"), ["video/AV1"]);
  // Audio keeps all, and a codec the client has not leaves everything as it was.
  assert.deepEqual(mimes(sdp, "0"), ["audio/opus", "audio/PCMU", "audio/PCMA"]);
  const other = answer(firefox(), { preferredMime: "video/H264" }, more).sdp;
  assert.deepEqual(mimes(other, "1"), ["video/VP8", "video/VP9", "video/AV1"]);
});

Deno.test("answerPublisherOffer() prefers RED unless it is disabled or opus was announced", () => {
  assert.equal(mimes(answer(chromium()).sdp, "0")[0], "audio/red");
  assert.equal(mimes(answer(chromium(), { redDisabled: true }).sdp, "0")[0], "audio/opus");
  const announced = answer(chromium(), { preferredMime: "audio/opus" }).sdp;
  assert.equal(mimes(announced, "0")[0], "audio/opus");
  for (const sdp of [announced, answer(chromium()).sdp]) {
    assert.ok(sectionText(sdp, "0").includes("a=rtcp-fb:111 nack"));
  }
});

Deno.test("answerPublisherOffer() asks for DTX and stereo as announced", () => {
  const base = "a=fmtp:111 minptime=10;useinbandfec=1";
  assert.equal(fmtpOf(answer(chromium()).sdp, "0", 111), `${base};usedtx=1`);
  assert.equal(fmtpOf(answer(chromium(), { dtxDisabled: true }).sdp, "0", 111), base);
  assert.equal(
    fmtpOf(answer(chromium(), { stereo: true }).sdp, "0", 111),
    `${base};usedtx=1;stereo=1;maxaveragebitrate=510000`,
  );
  // Firefox offers stereo=1 always; only an announcement makes it so.
  assert.equal(
    fmtpOf(answer(firefox(), { dtxDisabled: true }).sdp, "0", 109),
    "a=fmtp:109 maxplaybackrate=48000;useinbandfec=1",
  );
});

Deno.test("answerPublisherOffer() does not echo Firefox's VP8 limits as if they were ours", () => {
  assert.equal(fmtpOf(answer(firefox()).sdp, "1", 120), undefined);
});

Deno.test("answerPublisherOffer() says back where a VP8 sender wants to begin estimating, and no more", () => {
  const hinted = (mid: string, written: string) => {
    const video = chromium().replace(/(a=rtpmap:96 VP8\/90000\r\n)/, `$1a=fmtp:96 ${written}\r\n`);
    return fmtpOf(answer(video).sdp, mid, 96);
  };
  const { mid } = mustParse(chromium()).sections.find(({ kind }) => kind === "video")!;
  assert.equal(
    hinted(mid, "max-fr=30;x-google-start-bitrate=1000; x-google-max-bitrate=9000"),
    "a=fmtp:96 x-google-start-bitrate=1000;x-google-max-bitrate=9000",
  );
  assert.equal(hinted(mid, "x-google-start-bitrate=1e9;x-google-min-bitrate="), undefined);
});

Deno.test("answerPublisherOffer() omits codecs that are not enabled for this client", () => {
  const codecs = codecPolicy(DEFAULT_ENABLED_CODECS, [{ mime: "video/H264", fmtp: "" }]);
  const { sdp } = answer(chromium(), {}, { codecs });
  assert.deepEqual(mimes(sdp, "1"), ["video/VP8", "video/AV1", "video/VP9"]);
});

Deno.test("answerPublisherOffer() rejects a section without a common codec", () => {
  const codecs = codecPolicy([{ mime: "audio/opus", fmtp: "" }]);
  const { sdp, receive } = answer(chromium(), {}, { codecs });
  const answered = mustParse(sdp);
  assert.deepEqual(answered.sections.map(({ rejected }) => rejected), [false, true, true, false]);
  assert.deepEqual(answered.bundledMids, ["0", "3"]);
  assert.deepEqual(receive.map(({ mid }) => mid), ["0"]);
});

Deno.test("answerPublisherOffer() moves candidates to the first section it accepts", () => {
  const codecs = codecPolicy([{ mime: "video/VP8", fmtp: "" }]);
  const { sdp } = answer(chromium(), {}, { codecs });
  const withCandidates = ["0", "1", "2", "3"].filter((mid) =>
    sectionText(sdp, mid).some((line) => line.startsWith("a=candidate:"))
  );
  assert.deepEqual(withCandidates, ["1"]);
});

Deno.test("answerPublisherOffer() keeps a refused section inactive with its simulcast", () => {
  const { sdp, receive } = answer(chromium(), {}, { planFor: () => undefined });
  assert.deepEqual(receive, []);
  const lines = sectionText(sdp, "1");
  assert.ok(lines.includes("a=inactive"));
  assert.match(lines[0]!, /^m=video 9 /);
  assert.ok(lines.includes("a=simulcast:recv q;h;f"));
});

Deno.test("answerPublisherOffer() asks for no plan where the client does not send", () => {
  const asked: string[] = [];
  const sdp = chromium().replace("a=sendonly", "a=inactive");
  const { receive } = answer(sdp, {}, {
    planFor: ({ mid }) => {
      asked.push(mid);
      return { ...PLAN, upTrack: `UT_${mid}` as UpTrackId };
    },
  });
  assert.deepEqual(asked, ["1", "2"]);
  assert.deepEqual(receive.map(({ mid }) => mid), ["1", "2"]);
});

Deno.test("answerPublisherOffer() rejects what lies outside the bundle", () => {
  const sdp = chromium().replace("a=group:BUNDLE 0 1 2 3", "a=group:BUNDLE 0 3");
  const answered = mustParse(answer(sdp).sdp);
  assert.deepEqual(answered.sections.map(({ rejected }) => rejected), [false, true, true, false]);
});

Deno.test("answerPublisherOffer() answers a rejected section without a mid in kind", () => {
  const offered = `${chromium()}m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=inactive\r\n`;
  const answered = mustParse(answer(offered).sdp);
  assert.deepEqual([answered.sections[4]?.mid, answered.sections[4]?.rejected], ["", true]);
});

Deno.test("answerPublisherOffer() takes repair packets where the room's codecs name them", () => {
  const offered = firefox()
    .replace(/^(m=video \d+ \S+ )/m, "$149 ")
    .replace(/^(a=rtpmap:\d+ VP8\/90000)/m, "a=rtpmap:49 flexfec-03/90000\r\n$1");
  const mid = mustParse(offered).sections.find(({ kind }) => kind === "video")!.mid;
  assert.ok(mimes(offered, mid).includes("video/flexfec-03"));
  const codecs = codecPolicy([...DEFAULT_ENABLED_CODECS, { mime: "video/flexfec-03", fmtp: "" }]);
  const { sdp, receive } = answer(offered, {}, { codecs });
  assert.equal(mimes(sdp, mid).at(-1), "video/flexfec-03", "behind what the track comes in");
  assert.ok(
    receive.find((section) => section.mid === mid)!.codecs.some(({ payloadType }) =>
      payloadType === 49
    ),
  );
  assert.equal(answer(offered).sdp.includes("flexfec"), false);
});
