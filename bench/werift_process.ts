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

/** By number; 0 publishes. */
const connections: RTCPeerConnection[] = [];
/** What all subscribers are given; fed from the published track once it is there. */
const source = new MediaStreamTrack({ kind: "video" });

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
  const isPublisher = connections.length === 0;
  connections.push(pc);
  if (isPublisher) {
    pc.addTransceiver("video", { direction: "recvonly" }).onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe((packet) => source.writeRtp(packet));
    });
  } else {
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

/** Packets all senders have handed to SRTP: what went out, not what waits to. */
function forwarded(): number {
  return connections.flatMap((pc) => pc.getSenders())
    .reduce((sum, sender) => sum + (sender as unknown as SenderCounters).packetCount, 0);
}

/** Private in werift, but the same as `packetsSent` of its statistics, which only come later. */
interface SenderCounters {
  readonly packetCount: number;
}

await answerCalls<SfuCalls>({
  open: async ({ count, ...client }) => {
    const endpoints = [];
    for (let i = 0; i < count; i++) endpoints.push(await open(client));
    return endpoints;
  },
  // The track is in their offer: they are subscribed once they are connected.
  subscribe: async () => ({}),
  close: async ({ connections: numbers }) => {
    await Promise.all(numbers.map((number) => connections[number]!.close()));
    return {};
  },
  measure: ({ ms }) => measureWindow(ms, forwarded),
});
