import assert from "node:assert/strict";
import type { UpTrackId } from "../../../../lib/base/ids.ts";
import {
  type CodecParameters,
  EXTENSION_URI,
  FLEXFEC_MIME,
  type ReceiveSection,
} from "../../../../lib/base/media_vocabulary.ts";
import { StreamDemux } from "../../../../lib/engine/local/stream_demux.ts";
import { RtpView } from "../../../../lib/wire/rtp_view.ts";
import { rtpPacket } from "../../../support/media/rtp_packets.ts";

const VP8: CodecParameters = {
  mime: "video/VP8",
  payloadType: 96,
  clockRate: 90_000,
  fmtp: "",
  feedback: ["nack", "nack pli"],
  rtxPayloadType: 97,
};
const OPUS: CodecParameters = {
  mime: "audio/opus",
  payloadType: 111,
  clockRate: 48_000,
  channels: 2,
  fmtp: "",
  feedback: [],
};
const EXTENSIONS = [
  { id: 4, uri: EXTENSION_URI.mid },
  { id: 10, uri: EXTENSION_URI.rid },
  { id: 11, uri: EXTENSION_URI.repairedRid },
  { id: 3, uri: EXTENSION_URI.transportCc },
];

function section(mid: string, options: Partial<ReceiveSection> = {}): ReceiveSection {
  return {
    mid,
    kind: "video",
    upTrack: `up-${mid}` as UpTrackId,
    codecs: [VP8],
    extensions: EXTENSIONS,
    rids: [],
    ssrcs: [],
    ...options,
  };
}

function demuxWith(...sections: ReceiveSection[]): StreamDemux {
  const demux = new StreamDemux();
  demux.setSections(sections);
  return demux;
}

function view(fields: Parameters<typeof rtpPacket>[0]): RtpView {
  const rtp = new RtpView();
  assert.ok(rtp.wrap(rtpPacket(fields)));
  return rtp;
}

Deno.test("StreamDemux tells apart camera and screen share that both use rids q, h and f", () => {
  const rids = ["q", "h", "f"];
  const demux = demuxWith(section("1", { rids }), section("2", { rids }));
  for (const [mid, base] of [["1", 100], ["2", 200]] as const) {
    rids.forEach((rid, layer) => {
      const binding = demux.resolve(
        view({ ssrc: base + layer, payloadType: 96, extensions: { 4: mid, 10: rid } }),
      );
      assert.deepEqual(binding, {
        ssrc: base + layer,
        mid,
        spatial: layer,
        rid,
        isRtx: false,
        isFec: false,
      });
    });
  }
});

Deno.test("StreamDemux binds retransmissions by the repaired rid", () => {
  const demux = demuxWith(section("1", { rids: ["q", "h"] }));
  const binding = demux.resolve(
    view({ ssrc: 9, payloadType: 97, extensions: { 4: "1", 11: "h" } }),
  );
  assert.deepEqual(binding, { ssrc: 9, mid: "1", spatial: 1, rid: "h", isRtx: true, isFec: false });
});

Deno.test("StreamDemux keeps a binding when later packets carry no extensions", () => {
  const demux = demuxWith(section("1", { rids: ["q", "h"] }), section("2"));
  const first = demux.resolve(
    view({ ssrc: 5, payloadType: 96, extensions: { 4: "1", 10: "h" } }),
  );
  assert.equal(demux.resolve(view({ ssrc: 5, payloadType: 96 })), first);
});

Deno.test("StreamDemux follows a section to its next track although the SSRC stays", () => {
  const demux = demuxWith(section("1", { rids: ["q", "h"] }));
  demux.resolve(view({ ssrc: 5, payloadType: 96, extensions: { 4: "1", 10: "q" } }));
  const next = section("1", { rids: ["q", "h"], upTrack: "next" as UpTrackId });
  demux.setSections([next]);
  const binding = demux.resolve(view({ ssrc: 5, payloadType: 96 }));
  assert.equal(demux.section(binding!.mid)?.upTrack, "next");
});

Deno.test("StreamDemux follows a rid that turns out to be another layer, its retransmissions too", () => {
  const demux = demuxWith(section("1", { rids: ["a", "b"] }));
  demux.resolve(view({ ssrc: 1, payloadType: 96, extensions: { 4: "1", 10: "a" } }));
  demux.resolve(view({ ssrc: 2, payloadType: 96, extensions: { 4: "1", 10: "b" } }));
  demux.resolve(view({ ssrc: 3, payloadType: 97, extensions: { 4: "1", 11: "a" } }));
  demux.setSections([section("1", { rids: ["b", "a"] })]);
  const spatials = [1, 2, 3].map((ssrc) => demux.find(ssrc)?.spatial);
  assert.deepEqual(spatials, [1, 0, 1]);
  assert.deepEqual(demux.find(3), {
    ssrc: 3,
    mid: "1",
    spatial: 1,
    rid: "a",
    isRtx: true,
    isFec: false,
  });
});

Deno.test("StreamDemux forgets the bindings of a section that is gone", () => {
  const demux = demuxWith(section("1"), section("2"));
  demux.resolve(view({ ssrc: 5, payloadType: 96, extensions: { 4: "1" } }));
  demux.setSections([section("2")]);
  assert.equal(demux.find(5), undefined);
});

Deno.test("StreamDemux uses declared SSRCs where packets carry no mid", () => {
  const demux = demuxWith(
    section("0", { kind: "audio", codecs: [OPUS], ssrcs: [{ ssrc: 7 }] }),
    section("1", { ssrcs: [{ ssrc: 8, rtxSsrc: 9 }] }),
    section("2", { ssrcs: [{ ssrc: 18, rtxSsrc: 19 }] }),
  );
  assert.equal(demux.resolve(view({ ssrc: 7, payloadType: 111 }))?.mid, "0");
  assert.equal(demux.resolve(view({ ssrc: 18, payloadType: 96 }))?.mid, "2");
  assert.deepEqual(
    demux.resolve(view({ ssrc: 9, payloadType: 97 })),
    { ssrc: 9, mid: "1", spatial: 0, rid: undefined, isRtx: true, isFec: false },
  );
});

Deno.test("StreamDemux falls back to a payload type that only one section has", () => {
  const demux = demuxWith(section("0", { kind: "audio", codecs: [OPUS] }), section("1"));
  assert.equal(demux.resolve(view({ ssrc: 70, payloadType: 111 }))?.mid, "0");
  assert.equal(demux.resolve(view({ ssrc: 71, payloadType: 100 })), undefined);
});

Deno.test("StreamDemux refuses a packet that could belong to two sections or layers", () => {
  const two = demuxWith(section("1"), section("2"));
  assert.equal(two.resolve(view({ ssrc: 5, payloadType: 96 })), undefined);
  const simulcast = demuxWith(section("1", { rids: ["q", "h"] }));
  assert.equal(
    simulcast.resolve(view({ ssrc: 5, payloadType: 96, extensions: { 4: "1" } })),
    undefined,
  );
  assert.equal(
    simulcast.resolve(view({ ssrc: 5, payloadType: 96, extensions: { 4: "1", 10: "x" } })),
    undefined,
  );
});

Deno.test("StreamDemux bounds the SSRCs a client may invent", () => {
  const demux = demuxWith(section("1"));
  let bound = 0;
  for (let ssrc = 1; ssrc <= 2_000; ssrc++) {
    if (demux.resolve(view({ ssrc, payloadType: 96, extensions: { 4: "1" } }))) bound++;
  }
  assert.equal(bound, 512);
});

Deno.test("StreamDemux binds repair packets to what they repair, declared or by their type", () => {
  const flexfec = { ...VP8, mime: FLEXFEC_MIME, payloadType: 49, feedback: [] };
  const codecs = [VP8, flexfec];
  const declared = demuxWith(
    section("1", { codecs, ssrcs: [{ ssrc: 1, rtxSsrc: 2, fecSsrc: 3 }] }),
  );
  const repair = { mid: "1", spatial: 0, rid: undefined, isRtx: false, isFec: true } as const;
  assert.deepEqual(declared.find(3), { ssrc: 3, ...repair });
  const demux = demuxWith(section("1", { codecs }));
  const binding = demux.resolve(view({ ssrc: 9, payloadType: 49, extensions: { 4: "1" } }));
  assert.deepEqual(binding, { ssrc: 9, ...repair });
  assert.equal(demux.codec("1", 49), undefined, "it is no codec of a track");
});
