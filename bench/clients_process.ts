/**
 * All clients of one measurement: a publisher, and subscribers that read every datagram and count the
 * RTP packets among them without opening them. They speak real STUN, DTLS and SRTP.
 *
 * @module
 */
import { createCertificate } from "../lib/transport/dtls_certificate.ts";
import { vp8Payload } from "../tests/support/forwarding_fixtures.ts";
import { rtpPacket } from "../tests/support/rtp_packets.ts";
import { WireClient } from "../tests/support/wire_client.ts";
import { PUBLISHED_ID, PUBLISHED_PT } from "../tests/support/wire_media.ts";
import { answerCalls, type ClientCalls, type Endpoint } from "./bench_child.ts";
import { PACKET_BYTES, PUBLISHED_SSRC } from "./workload.ts";

/** Bursts per second: packets leave a browser's pacer about so often. */
const BURSTS_PER_SECOND = 100;
/** One packet in so many starts a key frame, so that every subscriber can start. */
const KEY_FRAME_EVERY = 25;
/** Silence after which nothing more is expected, ms. */
const SETTLED_MS = 500;

const certificate = await createCertificate();
const local = { ufrag: "benchclient", pwd: "client-password-of-24-chars-or-more" };
/** The publisher first. */
const clients: WireClient[] = [];
let timer: ReturnType<typeof setInterval> | undefined;
let published = 0;
let received = 0;

function client(endpoint: Endpoint): Promise<WireClient> {
  return WireClient.open({ ...endpoint, local, certificate, onSealedRtp: () => received++ });
}

/** A VP8 packet of exactly {@linkcode PACKET_BYTES}, a frame of its own. */
function packet(number: number): Uint8Array {
  const fields = {
    ssrc: PUBLISHED_SSRC,
    payloadType: PUBLISHED_PT.vp8,
    sequenceNumber: number & 0xffff,
    timestamp: (number * 900) >>> 0,
    marker: true,
    extensions: {
      [PUBLISHED_ID.mid]: "0",
      [PUBLISHED_ID.transportCc]: Uint8Array.of((number >> 8) & 0xff, number & 0xff),
    },
  };
  const frame = { pictureId: number & 0x7fff, tl0: number, key: number % KEY_FRAME_EVERY === 0 };
  const empty = rtpPacket({ ...fields, payload: vp8Payload({ ...frame, body: [] }) });
  const body = new Array<number>(PACKET_BYTES - empty.length + 1).fill(number & 0xff);
  return rtpPacket({ ...fields, payload: vp8Payload({ ...frame, body }).subarray(0, -1) });
}

await answerCalls<ClientCalls>({
  hello: async () => ({ fingerprint: certificate.fingerprint.value, clientUfrag: local.ufrag }),
  connect: async ({ endpoints }) => {
    const opened = await Promise.all(endpoints.map(client));
    await Promise.all(opened.map((one) => one.connect()));
    clients.push(...opened);
    return {};
  },
  publish: async ({ packetsPerSecond }) => {
    let owed = 0;
    timer = setInterval(() => {
      for (owed += packetsPerSecond / BURSTS_PER_SECOND; owed >= 1; owed--) {
        clients[0]!.sendRtp(packet(published++));
      }
    }, 1000 / BURSTS_PER_SECOND);
    return {};
  },
  stop: async () => {
    clearInterval(timer);
    for (let before = -1; before !== received;) {
      before = received;
      await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
    }
    return { published, received };
  },
});
