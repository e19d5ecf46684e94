/**
 * The same work done by werift's own `RTCPeerConnection`: one receives, its track is added to all the
 * others, and werift forwards. The clients' descriptions are made from werift's own offers.
 *
 * @module
 */
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters } from "werift";
import { PUBLISHED_ID, PUBLISHED_PT } from "../tests/support/wire_media.ts";
import { answerCalls, type ClientParameters, type Endpoint, type SfuCalls } from "./bench_child.ts";
import { measureWindow } from "./stopwatch.ts";
import { PUBLISHED_SSRC } from "./workload.ts";

const subscribers: RTCPeerConnection[] = [];
let publisher: RTCPeerConnection | undefined;
/** What all subscribers are given; fed from the published track once it is there. */
const source = new MediaStreamTrack({ kind: "video" });
let received = 0;

function peerConnection(): RTCPeerConnection {
  return new RTCPeerConnection({
    iceServers: [],
    iceLite: true,
    iceUseIpv6: false,
    iceInterfaceAddresses: { udp4: "127.0.0.1" },
    iceAdditionalHostAddresses: ["127.0.0.1"],
    bundlePolicy: "max-bundle",
    codecs: {
      video: [
        new RTCRtpCodecParameters({
          mimeType: "video/VP8",
          clockRate: 90_000,
          payloadType: PUBLISHED_PT.vp8,
        }),
      ],
      audio: [],
    },
    headerExtensions: { video: [], audio: [] },
  });
}

/** The client's answer to `offer`, written as little as werift accepts. */
function answerTo(offer: string, client: ClientParameters, isPublisher: boolean): string {
  const mid = /^a=mid:(.*)$/m.exec(offer)![1]!.trim();
  return [
    "v=0",
    "o=- 1 1 IN IP4 127.0.0.1",
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${mid}`,
    `m=video 9 UDP/TLS/RTP/SAVPF ${PUBLISHED_PT.vp8}`,
    "c=IN IP4 127.0.0.1",
    `a=mid:${mid}`,
    `a=ice-ufrag:${client.clientUfrag}`,
    "a=ice-pwd:client-password-of-24-chars-or-more",
    `a=fingerprint:sha-256 ${client.fingerprint}`,
    "a=setup:active",
    "a=rtcp-mux",
    `a=rtpmap:${PUBLISHED_PT.vp8} VP8/90000`,
    `a=extmap:${PUBLISHED_ID.mid} urn:ietf:params:rtp-hdrext:sdes:mid`,
    isPublisher ? "a=sendonly" : "a=recvonly",
    ...(isPublisher ? [`a=ssrc:${PUBLISHED_SSRC} cname:bench`] : []),
    "",
  ].join("\r\n");
}

async function open(client: ClientParameters): Promise<Endpoint> {
  const pc = peerConnection();
  const isPublisher = publisher === undefined;
  if (isPublisher) {
    publisher = pc;
    pc.addTransceiver("video", { direction: "recvonly" }).onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe((packet) => {
        received++;
        source.writeRtp(packet);
      });
    });
  } else {
    subscribers.push(pc);
    pc.addTransceiver(source, { direction: "sendonly" });
  }
  await pc.setLocalDescription(await pc.createOffer());
  const offer = pc.localDescription!.sdp;
  await pc.setRemoteDescription({ type: "answer", sdp: answerTo(offer, client, isPublisher) });
  const [, hostname, port] = /^a=candidate:\S+ 1 udp \d+ (127\.0\.0\.1) (\d+)/m.exec(offer)!;
  return {
    server: { protocol: "udp", hostname: hostname!, port: Number(port) },
    remote: {
      ufrag: /^a=ice-ufrag:(.*)$/m.exec(offer)![1]!.trim(),
      pwd: /^a=ice-pwd:(.*)$/m.exec(offer)![1]!.trim(),
    },
  };
}

await answerCalls<SfuCalls>({
  open: async ({ count, ...client }) => {
    const endpoints = [];
    for (let i = 0; i < count; i++) endpoints.push(await open(client));
    return endpoints;
  },
  subscribe: async () => ({}),
  measure: ({ ms }) => measureWindow(ms, () => received * subscribers.length),
});
