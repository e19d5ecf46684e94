/** Whatever a client offers, the answer keeps the promises of RFC 3264. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { DownTrackId, UpTrackId } from "../../../lib/base/ids.ts";
import { codecPolicy, DEFAULT_ENABLED_CODECS } from "../../../lib/negotiation/codec_catalog.ts";
import { answerPublisherOffer } from "../../../lib/negotiation/publisher_answer.ts";
import { SingleConnectionSections } from "../../../lib/negotiation/single_connection.ts";
import {
  localParameters,
  mustParse,
  publishedCodec,
} from "../../support/virtual/negotiation_fixtures.ts";

const CODECS = {
  audio: ["opus/48000/2", "red/48000/2", "PCMU/8000", "G722/8000", "telephone-event/8000"],
  video: ["VP8/90000", "VP9/90000", "H264/90000", "AV1/90000", "ulpfec/90000", "x-new/90000"],
};

const section = fc.record({
  kind: fc.constantFrom("audio" as const, "video" as const, "application" as const),
  port: fc.constantFrom(9, 9, 9, 0),
  bundled: fc.constantFrom(true, true, true, false),
  direction: fc.constantFrom("sendonly", "sendrecv", "recvonly", "inactive"),
  codecs: fc.uniqueArray(fc.nat(5), { minLength: 1 }),
  firstPayloadType: fc.integer({ min: 96, max: 115 }),
  rids: fc.constantFrom("", "q;h;f", "f;q", "a;b;c;d"),
  refused: fc.boolean(),
});
type Section = typeof section extends fc.Arbitrary<infer T> ? T : never;

function sectionText(value: Section, mid: number): string {
  const transport = "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n" +
    "a=fingerprint:sha-256 AB:CD\r\na=setup:actpass\r\n";
  if (value.kind === "application") {
    return `m=application ${value.port} UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:${mid}\r\n${transport}`;
  }
  const names = CODECS[value.kind];
  const codecs = value.codecs.map((index, at) => ({
    payloadType: value.firstPayloadType + at * 2,
    name: names[index % names.length],
  }));
  const formats = codecs.flatMap(({ payloadType }) => [payloadType, payloadType + 1]);
  return [
    `m=${value.kind} ${value.port} UDP/TLS/RTP/SAVPF ${formats.join(" ")}`,
    `a=mid:${mid}`,
    `a=${value.direction}`,
    "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
    "a=extmap:9 urn:example:unknown",
    ...codecs.flatMap(({ payloadType, name }) => [
      `a=rtpmap:${payloadType} ${name}`,
      `a=rtpmap:${payloadType + 1} rtx/90000`,
      `a=fmtp:${payloadType + 1} apt=${payloadType}`,
    ]),
    ...(value.rids === "" ? [] : [`a=simulcast:send ${value.rids}`]),
    transport,
  ].join("\r\n");
}

Deno.test("answerPublisherOffer() keeps sections, mids and payload types of any offer", () => {
  fc.assert(
    fc.property(fc.array(section, { minLength: 1, maxLength: 8 }), fc.boolean(), (list, single) => {
      const bundle = list.flatMap(({ bundled }, mid) => bundled ? [mid] : []);
      const offer = mustParse(
        `v=0\r\na=group:BUNDLE ${bundle.join(" ")}\r\n${list.map(sectionText).join("")}`,
      );
      const { sdp, receive } = answerPublisherOffer({
        offer,
        local: localParameters(),
        codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
        singlePreferredVideoCodec: single,
        planFor: ({ mid }) =>
          list[Number(mid)]!.refused ? undefined : {
            upTrack: mid as UpTrackId,
            preferredMime: "video/VP9",
            stereo: false,
            dtxDisabled: false,
            redDisabled: false,
          },
      });
      const answer = mustParse(sdp);
      assert.deepEqual(
        answer.sections.map(({ mid, kind, protocol }) => [mid, kind, protocol]),
        offer.sections.map(({ mid, kind, protocol }) => [mid, kind, protocol]),
      );
      for (const [index, answered] of answer.sections.entries()) {
        const asked = offer.sections[index]!;
        if (asked.rejected) assert.equal(answered.rejected, true);
        for (const format of answered.formats) assert.ok(asked.formats.includes(format));
        for (const { id } of answered.extensions) assert.equal(id, 4);
        const received = receive.find(({ mid }) => mid === answered.mid);
        // We receive exactly where we say so, and only where the client sends and we agreed.
        assert.equal(received !== undefined, answered.direction === "recvonly");
        if (received !== undefined) {
          assert.ok(["sendonly", "sendrecv"].includes(asked.direction));
          assert.equal(list[index]!.refused, false);
          assert.equal(answered.rejected, false);
          assert.ok(received.rids.length <= 3);
          assert.deepEqual(
            received.codecs.map(({ payloadType }) => payloadType),
            answered.codecs.map(({ payloadType }) => payloadType),
          );
        }
      }
      const accepted = answer.sections.filter(({ rejected }) => !rejected);
      assert.deepEqual(
        new Set(answer.bundledMids),
        new Set(accepted.map(({ mid }) => mid).filter((mid) => offer.bundledMids.includes(mid))),
      );
      assert.ok(accepted.filter(({ kind }) => kind === "application").length <= 1);
    }),
    { seed: 42, numRuns: 200 },
  );
});

Deno.test("answerPublisherOffer() sends only where the client receives, in what it offered", () => {
  const tracks = fc.array(fc.constantFrom("audio/opus", "video/VP8", "video/H264"), {
    maxLength: 4,
  });
  fc.assert(
    fc.property(fc.array(section, { minLength: 1, maxLength: 8 }), tracks, (list, mimes) => {
      const offer = mustParse(
        `v=0\r\na=group:BUNDLE ${[...list.keys()].join(" ")}\r\n${
          list.map((value, mid) => sectionText({ ...value, bundled: true }, mid)).join("")
        }`,
      );
      const codecs = codecPolicy(DEFAULT_ENABLED_CODECS);
      const sending = new SingleConnectionSections({ codecs, reuseTransceivers: true });
      for (const [at, mime] of mimes.entries()) {
        sending.addTrack({
          downTrack: `DT_${at}` as DownTrackId,
          kind: mime.startsWith("audio") ? "audio" : "video",
          codecs: [publishedCodec(mime)],
          streamId: "PA_x",
          trackId: `TR_${at}`,
          cname: "PA_x",
          ssrc: at * 2 + 1,
          rtxSsrc: at * 2 + 2,
          stereo: false,
        });
      }
      sending.begin(offer);
      const { sdp, receive, send, midToTrackId } = answerPublisherOffer({
        offer,
        local: localParameters(),
        codecs,
        singlePreferredVideoCodec: false,
        planFor: ({ mid }) => ({
          upTrack: mid as UpTrackId,
          stereo: false,
          dtxDisabled: false,
          redDisabled: false,
        }),
        sending,
      });
      for (const [index, answered] of mustParse(sdp).sections.entries()) {
        const asked = offer.sections[index]!;
        for (const format of answered.formats) assert.ok(asked.formats.includes(format));
        if (answered.kind === "application" || answered.rejected) continue;
        const sent = send.find(({ section }) => section.mid === answered.mid);
        const received = receive.find(({ mid }) => mid === answered.mid);
        const says = sent && received
          ? "sendrecv"
          : sent
          ? "sendonly"
          : received
          ? "recvonly"
          : "inactive";
        assert.equal(answered.direction, says);
        assert.equal(midToTrackId[answered.mid], answered.msid?.track);
        if (sent === undefined) continue;
        assert.ok(["recvonly", "sendrecv"].includes(asked.direction));
        assert.equal(midToTrackId[answered.mid], sent.downTrack.replace("DT", "TR"));
        assert.ok(sent.section.codecs.length > 0);
        for (const codec of sent.section.codecs) {
          assert.ok(
            asked.codecs.some(({ payloadType, mime, rtxPayloadType }) =>
              payloadType === codec.payloadType && mime === codec.mime &&
              rtxPayloadType === codec.rtxPayloadType
            ),
          );
        }
      }
    }),
    { seed: 43, numRuns: 200 },
  );
});
