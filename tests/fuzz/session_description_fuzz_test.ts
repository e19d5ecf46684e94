import assert from "node:assert/strict";
import fc from "fast-check";
import type { UpTrackId } from "../../lib/base/ids.ts";
import { parseCandidate, parseCandidateInit } from "../../lib/wire/ice_candidate.ts";
import { SectionMemo } from "../../lib/wire/sdp_tree.ts";
import { parseDescription } from "../../lib/wire/session_description.ts";
import { codecPolicy, DEFAULT_ENABLED_CODECS } from "../../lib/negotiation/codec_catalog.ts";
import { answerPublisherOffer } from "../../lib/negotiation/publisher_answer.ts";
import { localParameters, sdpFixture } from "../support/virtual/negotiation_fixtures.ts";

const FIXTURES = [
  "chromium_camera_mic_simulcast_offer",
  "firefox_camera_mic_simulcast_offer",
  "firefox_answer_to_round_more",
].map(sdpFixture);

/** Makes a section too long for what sections of other clients are compared with. */
const PADDING = `\r\na=x-padding:${"p".repeat(3_000)}`.repeat(3);

/** Of all descriptions checked, as if one connection had sent them. */
const memo = new SectionMemo();

/** Reads the text; an accepted one must also be answered with as many sections. */
function check(sdp: string): boolean {
  const parsed = parseDescription(sdp);
  assert.deepEqual(parseDescription(sdp, memo), parsed, "what came before makes a difference");
  const padded = sdp.replace(/(?<![^\r\n])m=[^\r\n]*/g, (line) => line + PADDING);
  assert.deepEqual(parseDescription(padded), parsed, "what others wrote makes a difference");
  if (!parsed.ok) {
    assert.match(parsed.message, /^Cannot read description: /);
    return false;
  }
  const { sections } = parsed.value;
  const mids = sections.map(({ mid }) => mid).filter((mid) => mid !== "");
  assert.equal(new Set(mids).size, mids.length);
  for (const { codecs, rids, ssrcs } of sections) {
    for (const { payloadType } of codecs) assert.ok(payloadType >= 0 && payloadType <= 127);
    assert.ok(rids.length <= 3);
    for (const { ssrc } of ssrcs) assert.ok(ssrc > 0 && ssrc <= 0xffff_ffff);
  }
  const answer = answerPublisherOffer({
    offer: parsed.value,
    local: localParameters(),
    codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
    singlePreferredVideoCodec: false,
    planFor: ({ mid }) => ({
      upTrack: mid as UpTrackId,
      stereo: true,
      dtxDisabled: false,
      redDisabled: false,
    }),
  });
  const again = parseDescription(answer.sdp);
  assert.ok(again.ok, "our own answer is unreadable");
  assert.deepEqual(again.value.sections.map(({ mid }) => mid), sections.map(({ mid }) => mid));
  return true;
}

/** Cuts, swaps, repeats and overwrites pieces of a real description. */
const mutation = fc.record({
  kind: fc.constantFrom("cut", "overwrite", "repeat_line", "drop_line", "swap_lines"),
  at: fc.nat(),
  to: fc.nat(),
  text: fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom(
      "\r\nm=",
      "\r\n",
      "0",
      "-1",
      "99999999999",
      "a=",
      ":",
      " ",
      "\0",
      "__proto__",
      "é",
    ),
  ),
});

Deno.test("parseDescription() survives mutated descriptions of browsers, and answers what it took", () => {
  let accepted = 0;
  fc.assert(
    fc.property(
      fc.constantFrom(...FIXTURES),
      fc.array(mutation, { minLength: 1, maxLength: 6 }),
      (fixture, mutations) => {
        let lines = fixture.split("\r\n");
        for (const { kind, at, to, text } of mutations) {
          const a = at % lines.length;
          const b = to % lines.length;
          const line = lines[a]!;
          const column = to % (line.length + 1);
          if (kind === "cut") lines[a] = line.slice(0, column);
          if (kind === "overwrite") lines[a] = line.slice(0, column) + text;
          if (kind === "repeat_line") lines.splice(b, 0, line);
          if (kind === "drop_line") lines.splice(a, 1);
          if (kind === "swap_lines") [lines[a], lines[b]] = [lines[b]!, line];
          if (lines.length === 0) lines = [""];
        }
        if (check(lines.join("\r\n"))) accepted++;
      },
    ),
    { seed: 8866, numRuns: 400 },
  );
  // Otherwise the second half of `check` has hardly been tried.
  assert.ok(accepted > 50, `only ${accepted} accepted`);
});

Deno.test("parseDescription() survives random lines", () => {
  const word = fc.oneof(fc.string({ maxLength: 20 }), fc.nat().map(String));
  const name = fc.constantFrom(
    ..."m=audio m=video m=application a=mid: a=rtpmap: a=fmtp: a=rtcp-fb: a=extmap: a=simulcast:send"
      .split(" "),
    ..."a=ssrc: a=ssrc-group:FID a=group:BUNDLE a=msid: a=fingerprint: a=sctp-port: a=rid: c= o="
      .split(" "),
  );
  const line = fc.tuple(name, fc.array(word, { maxLength: 5 })).map(([n, words]) =>
    `${n}${words.join(" ")}`
  );
  fc.assert(
    fc.property(
      fc.array(line, { maxLength: 40 }),
      (lines) => void check(["v=0", ...lines].join("\r\n")),
    ),
    { seed: 3264, numRuns: 400 },
  );
});

Deno.test("parseDescription() survives random text and every truncation of a real one", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 400, unit: "binary" }), (text) => void check(text)),
    { seed: 1, numRuns: 300 },
  );
  for (let length = 0; length < FIXTURES[0]!.length; length += 97) {
    check(FIXTURES[0]!.slice(0, length));
  }
});

Deno.test("parseCandidate() and parseCandidateInit() survive random text", () => {
  const word = fc.oneof(
    fc.string({ maxLength: 12 }),
    fc.constantFrom("1", "udp", "tcp", "192.0.2.1", "9", "typ", "host", "tcptype", "active", "-1"),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 14 }), fc.json(), (words, json) => {
      const candidate = parseCandidate(`candidate:${words.join(" ")}`);
      if (candidate !== undefined) {
        assert.ok(candidate.port >= 0 && candidate.port <= 65535);
        assert.ok(candidate.priority >= 0 && candidate.priority <= 0xffff_ffff);
      }
      parseCandidateInit(json);
      parseCandidateInit(words.join(" "));
      parseCandidateInit(JSON.stringify({ candidate: words.join(" ") }));
    }),
    { seed: 8839, numRuns: 500 },
  );
});
