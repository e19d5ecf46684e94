/**
 * Offers of a client with a single peer connection, as a browser writes them: a data section and
 * sections in either direction, every one with the browser's own payload types and extension ids.
 *
 * @module
 */

/** One media section. */
export interface OfferSection {
  readonly mid: string;
  readonly kind: "audio" | "video";
  readonly direction: "sendonly" | "recvonly" | "sendrecv" | "inactive";
  /** Track id of `a=msid`, where the client sends. */
  readonly cid?: string;
  /** By mime, instead of a Chromium's; a video codec's RTX is the one after. */
  readonly payloadTypes?: Readonly<Record<string, number>>;
}

const CODECS = {
  audio: [["audio/opus", "opus/48000/2", "minptime=10;useinbandfec=1;stereo=1"]],
  video: [
    ["video/VP8", "VP8/90000", ""],
    [
      "video/H264",
      "H264/90000",
      "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    ],
    ["video/VP9", "VP9/90000", "profile-id=0"],
  ],
} as const;
const PAYLOAD_TYPES: Readonly<Record<string, number>> = {
  "audio/opus": 111,
  "video/VP8": 96,
  "video/H264": 125,
  "video/VP9": 98,
};
/** A Chromium's, which has the same in every section of a kind whatever its direction. */
const EXTENSIONS = {
  audio: [
    "14 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "4 urn:ietf:params:rtp-hdrext:sdes:mid",
  ],
  video: [
    "1 urn:ietf:params:rtp-hdrext:toffset",
    "2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "13 urn:3gpp:video-orientation",
    "3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "5 http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "4 urn:ietf:params:rtp-hdrext:sdes:mid",
    "10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
  ],
} as const;

/** Writes an offer; the data section is first, with mid 0. */
export function singleOffer(sections: readonly OfferSection[], ufrag = "clientUfrag"): string {
  const transport = [
    "c=IN IP4 0.0.0.0",
    `a=ice-ufrag:${ufrag}`,
    "a=ice-pwd:clientPasswordOf24Chars00",
    `a=fingerprint:sha-256 ${Array(32).fill("CD").join(":")}`,
    "a=setup:actpass",
  ];
  const lines = [
    "v=0",
    "o=- 1 2 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${["0", ...sections.map(({ mid }) => mid)].join(" ")}`,
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
    ...transport,
    "a=mid:0",
    "a=sctp-port:5000",
    "a=max-message-size:262144",
    ...sections.flatMap((section) => sectionLines(section, transport)),
  ];
  return `${lines.join("\r\n")}\r\n`;
}

function sectionLines(section: OfferSection, transport: readonly string[]): string[] {
  const { mid, kind, direction, cid, payloadTypes = {} } = section;
  const codecs = CODECS[kind].map(([mime, map, fmtp]) => {
    const payloadType = payloadTypes[mime] ?? PAYLOAD_TYPES[mime]!;
    return { payloadType, map, fmtp, rtx: kind === "video" };
  });
  const formats = codecs.flatMap(({ payloadType, rtx }) =>
    rtx ? [payloadType, payloadType + 1] : [payloadType]
  );
  return [
    `m=${kind} 9 UDP/TLS/RTP/SAVPF ${formats.join(" ")}`,
    ...transport,
    `a=mid:${mid}`,
    ...EXTENSIONS[kind].map((extension) => `a=extmap:${extension}`),
    `a=${direction}`,
    ...(direction.startsWith("send") ? [`a=msid:stream ${cid ?? mid}`] : []),
    "a=rtcp-mux",
    ...codecs.flatMap(({ payloadType, map, fmtp, rtx }) => [
      `a=rtpmap:${payloadType} ${map}`,
      ...(rtx
        ? ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"].map((feedback) =>
          `a=rtcp-fb:${payloadType} ${feedback}`
        )
        : [`a=rtcp-fb:${payloadType} transport-cc`]),
      ...(fmtp === "" ? [] : [`a=fmtp:${payloadType} ${fmtp}`]),
      ...(rtx
        ? [`a=rtpmap:${payloadType + 1} rtx/90000`, `a=fmtp:${payloadType + 1} apt=${payloadType}`]
        : []),
    ]),
  ];
}
