/**
 * The same work done by werift's own `RTCPeerConnection`: one receives, its track is added to all
 * the others, and werift forwards. The clients' descriptions are made from werift's own offers. One
 * room with one video, which is what the comparison needs.
 *
 * @module
 */
import { MediaStreamTrack, RTCPeerConnection, RTCRtpCodecParameters } from "werift";
import { PUBLISHED_ID, PUBLISHED_PT } from "../../tests/support/wire/wire_media.ts";
import { answerCalls } from "../bench_child.ts";
import type { ClientParameters, Endpoint, OpenedClient, SfuCalls } from "./forwarding_calls.ts";
import { processUsage } from "./process_usage.ts";
import { FIRST_PUBLISHED_SSRC } from "./plan.ts";

/** By client. */
const connections = new Map<number, RTCPeerConnection>();
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
    ...(isPublisher ? [`a=ssrc:${FIRST_PUBLISHED_SSRC} cname:bench`] : []),
    "",
  ].join("\r\n");
}

async function open(client: OpenedClient, parameters: ClientParameters): Promise<Endpoint> {
  await connections.get(client.client)?.close();
  const pc = peerConnection();
  connections.set(client.client, pc);
  if (client.publishes) {
    pc.addTransceiver("video", { direction: "recvonly" }).onTrack.subscribe((track) => {
      track.onReceiveRtp.subscribe((packet) => source.writeRtp(packet));
    });
  } else {
    pc.addTransceiver(source, { direction: "sendonly" });
  }
  await pc.setLocalDescription(await pc.createOffer());
  const offer = pc.localDescription!.sdp;
  const answer = answerTo(offer, parameters, client.publishes);
  await pc.setRemoteDescription({ type: "answer", sdp: answer });
  const [, hostname, port] = /^a=candidate:\S+ 1 udp \d+ (127\.0\.0\.1) (\d+)/m.exec(offer)!;
  return {
    server: { protocol: "udp", hostname: hostname!, port: Number(port) },
    remote: {
      ufrag: /^a=ice-ufrag:(.*)$/m.exec(offer)![1]!.trim(),
      pwd: /^a=ice-pwd:(.*)$/m.exec(offer)![1]!.trim(),
    },
    fingerprint: /^a=fingerprint:sha-256 (.*)$/m.exec(offer)![1]!.trim(),
  };
}

/** Private in werift, but the same as `packetsSent` of its statistics, which only come later. */
interface SenderInternals {
  readonly packetCount: number;
  readonly ssrc: number;
}

function sendersOf(pc: RTCPeerConnection): SenderInternals[] {
  return pc.getSenders() as unknown as SenderInternals[];
}

/** Packets all senders have handed to SRTP: what went out, not what waits to. */
function forwarded(): number {
  return [...connections.values()].flatMap(sendersOf)
    .reduce((sum, { packetCount }) => sum + packetCount, 0);
}

await answerCalls<SfuCalls>({
  start: async ({ workers }) => {
    if (workers > 0) throw new Error("werift has no workers");
    return { engine: "werift RTCPeerConnection" };
  },
  open: async ({ clients, ...parameters }) => {
    const endpoints = [];
    for (const client of clients) endpoints.push(await open(client, parameters));
    return endpoints;
  },
  publish: async () => ({}),
  // The track is in their offers: they are subscribed once they are connected.
  subscribe: async ({ streams }) => ({
    ssrcs: streams.map(({ client }) => sendersOf(connections.get(client)!)[0]!.ssrc),
  }),
  close: async ({ clients }) => {
    for (const client of clients) {
      await connections.get(client)?.close();
      connections.delete(client);
    }
    return {};
  },
  usage: async () => ({ ...processUsage(), forwarded: forwarded(), drops: {} }),
});
