import assert from "node:assert/strict";
import type { DownTrackId, UpTrackId } from "../../../lib/base/ids.ts";
import { EXTENSION_URI } from "../../../lib/base/media_vocabulary.ts";
import { codecPolicy, DEFAULT_ENABLED_CODECS } from "../../../lib/negotiation/codec_catalog.ts";
import {
  answerPublisherOffer,
  type PublisherAnswer,
  type PublisherOfferInput,
} from "../../../lib/negotiation/publisher_answer.ts";
import type { SubscribedTrack } from "../../../lib/negotiation/sent_track.ts";
import {
  type RoundOutcome,
  SingleConnectionSections,
} from "../../../lib/negotiation/single_connection.ts";
import {
  localParameters,
  mustParse,
  publishedCodec,
  sectionText,
} from "../../support/virtual/negotiation_fixtures.ts";
import { type OfferSection, singleOffer } from "../../support/virtual/single_offer.ts";

const CODECS = codecPolicy(DEFAULT_ENABLED_CODECS);
const recv = (mid: string, kind: "audio" | "video", more: Partial<OfferSection> = {}) =>
  ({ mid, kind, direction: "recvonly", ...more }) as const;
/** What livekit-client offers at first. */
const LAYOUT = [
  ...["1", "2", "3"].map((mid) => recv(mid, "audio")),
  ...["4", "5", "6"].map((mid) => recv(mid, "video")),
];

function table(reuseTransceivers = true, codecs = CODECS): SingleConnectionSections {
  return new SingleConnectionSections({ codecs, reuseTransceivers });
}

let ssrc = 1000;
function track(name: string, mime: string, more: Partial<SubscribedTrack> = {}): SubscribedTrack {
  return {
    downTrack: name as DownTrackId,
    kind: mime.startsWith("audio") ? "audio" : "video",
    codecs: [publishedCodec(mime)],
    streamId: `PA_x|TR_${name}`,
    trackId: `TR_${name}`,
    cname: `PA_x|TR_${name}`,
    ssrc: ssrc++,
    rtxSsrc: ssrc++,
    stereo: false,
    ...more,
  };
}

/** One offer of the client, answered. */
function round(
  sections: SingleConnectionSections,
  offered: readonly OfferSection[],
  more: Partial<PublisherOfferInput> = {},
): PublisherAnswer & RoundOutcome {
  const offer = mustParse(singleOffer(offered));
  sections.begin(offer);
  const answer = answerPublisherOffer({
    offer,
    local: localParameters(),
    codecs: CODECS,
    singlePreferredVideoCodec: false,
    planFor: ({ mid }) => ({
      upTrack: `UT_${mid}` as UpTrackId,
      stereo: false,
      dtxDisabled: false,
      redDisabled: true,
    }),
    sending: sections,
    ...more,
  });
  return { ...answer, ...sections.finish(answer.send) };
}

function directions(sdp: string): Record<string, string> {
  return Object.fromEntries(mustParse(sdp).sections.map(({ mid, direction }) => [mid, direction]));
}

Deno.test("SingleConnectionSections puts waiting tracks into free sections of their kind", () => {
  const sections = table();
  sections.addTrack(track("cam", "video/VP8"));
  sections.addTrack(track("mic", "audio/opus"));
  const { sdp, accepted, midToTrackId, receive } = round(sections, LAYOUT);
  assert.deepEqual(midToTrackId, { "1": "TR_mic", "4": "TR_cam" });
  assert.deepEqual(accepted.map(({ downTrack, section }) => [downTrack, section.mid]), [
    ["mic", "1"],
    ["cam", "4"],
  ]);
  const { "1": audio, "2": idle, "4": video } = directions(sdp);
  assert.deepEqual([audio, idle, video], ["sendonly", "inactive", "sendonly"]);
  assert.deepEqual(receive, []);
  assert.equal(sections.needsOffer, false);
});

Deno.test("SingleConnectionSections writes msid, ssrc and cname lines for what is sent", () => {
  const sections = table();
  const sent = track("cam", "video/VP8");
  sections.addTrack(sent);
  const { sdp, accepted } = round(sections, LAYOUT);
  const lines = sectionText(sdp, "4");
  assert.ok(lines.includes("a=msid:PA_x|TR_cam TR_cam"));
  assert.ok(lines.includes(`a=ssrc:${sent.ssrc} cname:PA_x|TR_cam`));
  assert.ok(lines.includes(`a=ssrc-group:FID ${sent.ssrc} ${sent.rtxSsrc}`));
  const { section } = accepted[0]!;
  assert.deepEqual([section.ssrc, section.rtxSsrc, section.cname], [
    sent.ssrc,
    sent.rtxSsrc,
    "PA_x|TR_cam",
  ]);
  assert.ok(!sectionText(sdp, "5").some((line) => /^a=(msid|ssrc)/.test(line)));
});

Deno.test("SingleConnectionSections echoes the offer's payload types and extension ids", () => {
  const sections = table();
  sections.addTrack(track("cam", "video/VP8"));
  sections.addTrack(track("mic", "audio/opus"));
  // Firefox's numbers.
  const offered = [
    recv("1", "audio", { payloadTypes: { "audio/opus": 109 } }),
    recv("4", "video", { payloadTypes: { "video/VP8": 120 } }),
  ];
  const { sdp, accepted } = round(sections, offered);
  assert.match(sectionText(sdp, "1")[0]!, / 109$/);
  assert.match(sectionText(sdp, "4")[0]!, /SAVPF 120 121 125 126 98 99$/);
  const video = accepted.find(({ downTrack }) => downTrack === "cam")!.section;
  assert.deepEqual(video.codecs.map((codec) => [codec.payloadType, codec.rtxPayloadType]), [
    [120, 121],
  ]);
  const offeredIds = new Map(
    mustParse(singleOffer(offered)).sections.find(({ mid }) => mid === "4")!.extensions
      .map(({ id, uri }) => [uri, id]),
  );
  assert.ok(video.extensions.length > 0);
  for (const { id, uri } of video.extensions) assert.equal(id, offeredIds.get(uri));
});

Deno.test("SingleConnectionSections keeps what the client needs for sending in every section", () => {
  const uri = (name: string) => `urn:ietf:params:rtp-hdrext:${name}`;
  const transportCc = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
  const absSendTime = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
  const video = [
    absSendTime,
    transportCc,
    uri("sdes:mid"),
    uri("sdes:rtp-stream-id"),
    uri("sdes:repaired-rtp-stream-id"),
  ];
  const audio = [uri("ssrc-audio-level"), uri("sdes:mid")];
  const sections = table();
  sections.addTrack(track("cam", "video/VP8"));
  sections.addTrack(track("mic", "audio/opus"));
  const offered = [
    ...LAYOUT,
    { mid: "7", kind: "video", direction: "sendonly" },
    { mid: "8", kind: "audio", direction: "sendonly" },
    { mid: "9", kind: "video", direction: "inactive" },
  ] as const;
  const { sdp, accepted, receive } = round(sections, offered);
  const extensions = (mid: string) =>
    mustParse(sdp).sections.find((section) => section.mid === mid)!.extensions;
  // Whether we send in a section, or could, or receive: libwebrtc leaves out of later sections what
  // an answer of the same kind lacked.
  for (const mid of ["4", "5", "7", "9"]) {
    assert.deepEqual(extensions(mid).map((extension) => extension.uri), video, mid);
  }
  for (const mid of ["1", "2", "8"]) {
    assert.deepEqual(extensions(mid).map((extension) => extension.uri), audio, mid);
  }
  // One id is one extension throughout the bundle, and what we write is what a down-track has.
  const ids = new Map<number, string>();
  for (const { extensions } of mustParse(sdp).sections) {
    for (const { id, uri } of extensions) assert.equal(ids.get(id) ?? uri, (ids.set(id, uri), uri));
  }
  const written = (name: string) =>
    accepted.find(({ downTrack }) => downTrack === name)!.section.extensions.map(({ uri }) => uri);
  assert.deepEqual(written("cam"), [absSendTime, transportCc, uri("sdes:mid")]);
  assert.deepEqual(written("mic"), [uri("sdes:mid")]);
  const read = receive.find(({ mid }) => mid === "7")!.extensions;
  assert.ok(read.some((extension) => extension.uri === uri("sdes:rtp-stream-id")));
});

Deno.test("SingleConnectionSections sends in the client's own stereo, not in what it asked of us", () => {
  const sections = table();
  sections.addTrack(track("mono", "audio/opus"));
  sections.addTrack(track("music", "audio/opus", { stereo: true }));
  const { sdp } = round(sections, LAYOUT);
  const fmtp = (mid: string) => sectionText(sdp, mid).find((line) => line.startsWith("a=fmtp:111"));
  assert.equal(fmtp("1"), "a=fmtp:111 minptime=10;useinbandfec=1");
  assert.equal(fmtp("2"), "a=fmtp:111 minptime=10;useinbandfec=1;sprop-stereo=1");
});

Deno.test("SingleConnectionSections advertises what may be published where the client sends, and what may be received where it receives", () => {
  const publish = codecPolicy([{ mime: "video/VP8", fmtp: "" }, { mime: "audio/opus", fmtp: "" }]);
  const subscribe = codecPolicy(DEFAULT_ENABLED_CODECS);
  const sections = table(true, subscribe);
  sections.addTrack(track("h264", "video/H264"));
  const offered = [
    { mid: "1", kind: "video", direction: "sendonly", cid: "cam" } as const,
    recv("2", "video"),
    recv("3", "video"),
  ];
  const { sdp } = round(sections, offered, { codecs: publish });
  const mimes = (mid: string) =>
    mustParse(sdp).sections.find((section) => section.mid === mid)!.codecs.map(({ mime }) => mime);
  assert.deepEqual(mimes("1"), ["video/VP8"]);
  // Its own codec first, and everything that might come after it, as in an idle one.
  assert.deepEqual(mimes("2"), ["video/H264", "video/VP8", "video/VP9"]);
  assert.deepEqual(mimes("3"), ["video/VP8", "video/H264", "video/VP9"]);
});

Deno.test("SingleConnectionSections asks for exactly what is missing, once", () => {
  const sections = table();
  for (let i = 0; i < 5; i++) sections.addTrack(track(`cam${i}`, "video/VP8"));
  const { accepted } = round(sections, LAYOUT);
  assert.equal(accepted.length, 3);
  assert.equal(sections.needsOffer, true);
  assert.deepEqual(sections.requirement(), { numAudios: 0, numVideos: 2 });
  assert.equal(sections.needsOffer, false);
  // A third one that comes meanwhile is all that is asked for then.
  sections.addTrack(track("cam5", "video/VP8"));
  assert.deepEqual(sections.requirement(), { numAudios: 0, numVideos: 1 });
  const more = ["7", "8", "9"].map((mid) => recv(mid, "video"));
  assert.equal(round(sections, [...LAYOUT, ...more]).accepted.length, 3);
  assert.equal(sections.needsOffer, false);
});

Deno.test("SingleConnectionSections does not ask again because of an offer that was on its way", () => {
  const sections = table();
  round(sections, LAYOUT);
  for (let i = 0; i < 4; i++) sections.addTrack(track(`mic${i}`, "audio/opus"));
  assert.deepEqual(sections.requirement(), { numAudios: 1, numVideos: 0 });
  // This one the client made before it heard of the requirement.
  assert.equal(round(sections, LAYOUT).accepted.length, 3);
  assert.equal(sections.needsOffer, false);
  assert.equal(round(sections, [...LAYOUT, recv("7", "audio")]).accepted.length, 1);
});

Deno.test("SingleConnectionSections asks again when two offers ignored the requirement", () => {
  const sections = table();
  round(sections, []);
  sections.addTrack(track("mic", "audio/opus"));
  assert.deepEqual(sections.requirement(), { numAudios: 1, numVideos: 0 });
  round(sections, []);
  assert.equal(sections.needsOffer, false);
  round(sections, []);
  assert.equal(sections.needsOffer, true);
  assert.deepEqual(sections.requirement(), { numAudios: 1, numVideos: 0 });
});

Deno.test("SingleConnectionSections asks for a bare offer where a section is free already", () => {
  const sections = table();
  round(sections, LAYOUT);
  assert.equal(sections.needsOffer, false);
  sections.addTrack(track("mic", "audio/opus"));
  assert.deepEqual(sections.requirement(), { numAudios: 0, numVideos: 0 });
  assert.equal(sections.needsOffer, false);
  assert.equal(round(sections, LAYOUT).accepted.length, 1);
});

Deno.test("SingleConnectionSections reuses a section only after the client has seen it inactive", () => {
  const sections = table();
  const one = [recv("1", "video")];
  sections.addTrack(track("a", "video/VP8"));
  round(sections, one);
  sections.removeTrack("a" as DownTrackId);
  sections.addTrack(track("b", "video/VP8"));
  // The section of `a` will do: none is asked for.
  assert.deepEqual(sections.requirement(), { numAudios: 0, numVideos: 0 });
  const ended = round(sections, one);
  assert.deepEqual([directions(ended.sdp)["1"], ended.midToTrackId], ["inactive", {}]);
  assert.equal(sections.needsOffer, true);
  assert.deepEqual(sections.requirement(), { numAudios: 0, numVideos: 0 });
  const again = round(sections, one);
  assert.deepEqual(again.midToTrackId, { "1": "TR_b" });
  assert.deepEqual(again.accepted.map(({ downTrack }) => downTrack), ["b"]);
});

Deno.test("SingleConnectionSections never reuses sections for clients that cannot", () => {
  const sections = table(false);
  sections.addTrack(track("a", "audio/opus"));
  round(sections, [recv("1", "audio")]);
  sections.removeTrack("a" as DownTrackId);
  sections.addTrack(track("b", "audio/opus"));
  assert.deepEqual(sections.requirement(), { numAudios: 1, numVideos: 0 });
  round(sections, [recv("1", "audio")]);
  const { midToTrackId } = round(sections, [recv("1", "audio"), recv("2", "audio")]);
  assert.deepEqual(midToTrackId, { "2": "TR_b" });
});

Deno.test("SingleConnectionSections rejects a track the client cannot decode, and goes on", () => {
  const sections = table();
  sections.addTrack(track("av1", "video/AV1"));
  sections.addTrack(track("vp8", "video/VP8"));
  const { rejected, midToTrackId } = round(sections, [recv("1", "video")]);
  assert.deepEqual(rejected, [{ downTrack: "av1", reason: "codec_unsupported" }]);
  assert.deepEqual(midToTrackId, { "1": "TR_vp8" });
  assert.equal(sections.needsOffer, false);
});

Deno.test("SingleConnectionSections does not call a track unsupported that met no free section", () => {
  const sections = table();
  sections.addTrack(track("vp8", "video/VP8"));
  sections.addTrack(track("av1", "video/AV1"));
  const { rejected } = round(sections, [recv("1", "video")]);
  assert.deepEqual(rejected, []);
  assert.deepEqual(sections.requirement(), { numAudios: 0, numVideos: 1 });
});

Deno.test("SingleConnectionSections moves a track whose section the client took back", () => {
  const sections = table();
  sections.addTrack(track("cam", "video/VP8"));
  round(sections, [recv("1", "video")]);
  const gone = round(sections, [{ mid: "1", kind: "video", direction: "inactive" }]);
  assert.deepEqual(gone.accepted, []);
  assert.deepEqual(sections.requirement(), { numAudios: 0, numVideos: 1 });
  const offered = [{ mid: "1", kind: "video", direction: "inactive" } as const, recv("2", "video")];
  const { accepted } = round(sections, offered);
  assert.deepEqual(accepted.map(({ section }) => section.mid), ["2"]);
});

Deno.test("SingleConnectionSections keeps a track where the client begins to send, too, and adds none there", () => {
  const sections = table();
  sections.addTrack(track("cam", "video/VP8"));
  round(sections, [recv("1", "video"), recv("2", "video")]);
  sections.addTrack(track("other", "video/VP8"));
  const both = { mid: "1", kind: "video", direction: "sendrecv", cid: "own" } as const;
  const shared = { mid: "2", kind: "video", direction: "sendrecv", cid: "second" } as const;
  const { sdp, midToTrackId, receive } = round(sections, [both, shared]);
  assert.deepEqual(directions(sdp), { "0": "sendrecv", "1": "sendrecv", "2": "recvonly" });
  assert.deepEqual(midToTrackId, { "1": "TR_cam" });
  assert.deepEqual(receive.map(({ mid }) => mid), ["1", "2"]);
});

Deno.test("SingleConnectionSections reports a binding again only if it changed", () => {
  const sections = table();
  sections.addTrack(track("cam", "video/VP8"));
  const offered = [recv("1", "video")];
  assert.equal(round(sections, offered).accepted.length, 1);
  assert.equal(round(sections, offered).accepted.length, 0);
  const renumbered = [recv("1", "video", { payloadTypes: { "video/VP8": 101 } })];
  assert.equal(round(sections, renumbered).accepted.length, 1);
});

Deno.test("SingleConnectionSections shows an end again to a client that may have missed it", () => {
  const sections = table();
  const offered = [recv("1", "video")];
  sections.addTrack(track("a", "video/VP8"));
  round(sections, offered);
  sections.removeTrack("a" as DownTrackId);
  round(sections, offered); // this answer was lost
  sections.clientReturned();
  sections.addTrack(track("b", "video/VP8"));
  assert.deepEqual(round(sections, offered).midToTrackId, {});
  assert.equal(sections.needsOffer, true);
  assert.deepEqual(round(sections, offered).midToTrackId, { "1": "TR_b" });
});

Deno.test("SingleConnectionSections asks again after a requirement may have been lost", () => {
  const sections = table();
  round(sections, []);
  sections.addTrack(track("a", "video/VP8"));
  sections.requirement();
  assert.equal(sections.needsOffer, false);
  sections.clientReturned();
  assert.deepEqual(sections.requirement(), { numAudios: 0, numVideos: 1 });
});

Deno.test("SingleConnectionSections does not grow over fifty rounds of coming and going", () => {
  const sections = table();
  const offered: OfferSection[] = [...LAYOUT];
  const settle = () => {
    for (let turns = 0; sections.needsOffer; turns++) {
      assert.ok(turns < 4, "an end and a beginning take two rounds");
      const { numAudios, numVideos } = sections.requirement();
      const next = offered.length + 1;
      for (let i = 0; i < numAudios; i++) offered.push(recv(`a${next + i}`, "audio"));
      for (let i = 0; i < numVideos; i++) offered.push(recv(`v${next + i}`, "video"));
      round(sections, offered);
    }
  };
  round(sections, offered);
  for (let i = 0; i < 50; i++) {
    const names = ["x", "y"].map((name) => `${name}${i}`);
    for (const name of names) {
      sections.addTrack(track(`${name}a`, "audio/opus"));
      sections.addTrack(track(`${name}v`, "video/VP8"));
    }
    settle();
    for (const name of names) {
      sections.removeTrack(`${name}a` as DownTrackId);
      sections.removeTrack(`${name}v` as DownTrackId);
    }
    if (i % 2 === 0) settle();
  }
  assert.equal(offered.length, LAYOUT.length);
});

Deno.test("SingleConnectionSections sends repair packets only to a client that offers to take them", () => {
  const codecs = codecPolicy([...DEFAULT_ENABLED_CODECS, { mime: "video/flexfec-03", fmtp: "" }]);
  for (const [policy, takes] of [[codecs, true], [codecs, false], [CODECS, true]] as const) {
    const sections = table(true, policy);
    const cam = track("cam", "video/VP8", { fecSsrc: 77 });
    sections.addTrack(cam);
    const offered = [recv("1", "video")];
    const offer = singleOffer(offered);
    const text = takes ? withFlexfec(offer) : offer;
    sections.begin(mustParse(text));
    const answer = answerPublisherOffer({
      offer: mustParse(text),
      local: localParameters(),
      codecs: policy,
      singlePreferredVideoCodec: false,
      planFor: () => undefined,
      sending: sections,
    });
    const { accepted: [entry] } = sections.finish(answer.send);
    const isUsed = takes && policy === codecs;
    assert.equal(entry!.section.fecSsrc, isUsed ? 77 : undefined);
    assert.equal(answer.sdp.includes(`a=ssrc-group:FEC-FR ${cam.ssrc} 77`), isUsed);
    assert.equal(answer.sdp.includes("flexfec-03"), isUsed);
  }
});

/** The offer of a client whose first section also takes repair packets. */
function withFlexfec(offer: string): string {
  return offer
    .replace(/^(m=video \d+ \S+ )/m, "$147 ")
    .replace(/^a=rtpmap:/m, "a=rtpmap:47 flexfec-03/90000\r\na=rtpmap:");
}

Deno.test("SingleConnectionSections take the playout delay where it is to be told, and send it with video", () => {
  const delay = { minMs: 100, maxMs: 400, followsJitter: true };
  for (const setsDelay of [true, false]) {
    const sections = new SingleConnectionSections({
      codecs: CODECS,
      reuseTransceivers: true,
      setsDelay,
    });
    const told = setsDelay ? { playoutDelay: delay } : {};
    sections.addTrack(track("cam", "video/VP8", told));
    sections.addTrack(track("mic", "audio/opus"));
    const { sdp, accepted } = round(sections, [recv("1", "audio"), recv("2", "video")]);
    const has = (mid: string) =>
      sectionText(sdp, mid).some((line) => line.includes(EXTENSION_URI.playoutDelay));
    assert.deepEqual([has("1"), has("2")], [false, setsDelay]);
    const video = accepted.find(({ section }) => section.kind === "video")!.section;
    assert.deepEqual(video.playoutDelay, setsDelay ? delay : undefined);
    const isSent = video.extensions.some(({ uri }) => uri === EXTENSION_URI.playoutDelay);
    assert.equal(isSent, setsDelay);
  }
});
