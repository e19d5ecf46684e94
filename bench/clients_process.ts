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
/** One packet in so many starts a key frame. */
const KEY_FRAME_EVERY = 25;
/** Silence after which nothing more is expected, ms. */
const SETTLED_MS = 500;
/** Probing: packets per second, and how long the last subscriber's first packet may take, ms. */
const PROBES_PER_SECOND = 5;
const PROBE_MS = 6_000;

const certificate = await createCertificate();
const local = { ufrag: "benchclient", pwd: "client-password-of-24-chars-or-more" };
/** By number of the connection; 0 publishes. */
const clients = new Map<number, Client>();
let timer: ReturnType<typeof setInterval> | undefined;
/** Packets since the start, for their numbers, and how many of them came before what is counted. */
let packets = 0;
let packetsBefore = 0;

/** One client and what it has received. */
interface Client {
  readonly wire: WireClient;
  readonly counter: { received: number };
}

async function connect(endpoint: Endpoint): Promise<Client> {
  const counter = { received: 0 };
  const onSealedRtp = () => counter.received++;
  const wire = await WireClient.open({ ...endpoint, local, certificate, onSealedRtp });
  try {
    await wire.connect();
  } catch (error) {
    await wire.close();
    throw error;
  }
  return { wire, counter };
}

function startPublishing(packetsPerSecond: number): void {
  let owed = 0;
  timer = setInterval(() => {
    for (owed += packetsPerSecond / BURSTS_PER_SECOND; owed >= 1; owed--) {
      clients.get(0)!.wire.sendRtp(packet(packets++));
    }
  }, 1000 / BURSTS_PER_SECOND);
}

function subscribersWithoutPacket(): number[] {
  return [...clients].filter(([number, { counter }]) => number !== 0 && counter.received === 0)
    .map(([number]) => number);
}

function receivedByAll(): number {
  return [...clients.values()].reduce((sum, { counter }) => sum + counter.received, 0);
}

const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Often enough for every subscriber to start, and always while probing. */
const isKey = (number: number) => packetsBefore === 0 || number % KEY_FRAME_EVERY === 0;

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
  const frame = { pictureId: number & 0x7fff, tl0: number, key: isKey(number) };
  const empty = rtpPacket({ ...fields, payload: vp8Payload({ ...frame, body: [] }) });
  const body = new Array<number>(PACKET_BYTES - empty.length + 1).fill(number & 0xff);
  return rtpPacket({ ...fields, payload: vp8Payload({ ...frame, body }).subarray(0, -1) });
}

await answerCalls<ClientCalls>({
  hello: async () => ({ fingerprint: certificate.fingerprint.value, clientUfrag: local.ufrag }),
  connect: async ({ first, endpoints }) => {
    const results = await Promise.allSettled(endpoints.map(connect));
    const failed: number[] = [];
    for (const [place, result] of results.entries()) {
      if (result.status === "fulfilled") clients.set(first + place, result.value);
      else failed.push(place);
    }
    return { failed };
  },
  probe: async () => {
    startPublishing(PROBES_PER_SECOND);
    const giveUpAt = performance.now() + PROBE_MS;
    while (subscribersWithoutPacket().length > 0 && performance.now() < giveUpAt) await pause(20);
    clearInterval(timer);
    await pause(SETTLED_MS);
    return { silent: subscribersWithoutPacket() };
  },
  drop: async ({ connections }) => {
    for (const number of connections) {
      await clients.get(number)!.wire.close();
      clients.delete(number);
    }
    return {};
  },
  publish: async ({ packetsPerSecond }) => {
    for (const { counter } of clients.values()) counter.received = 0;
    packetsBefore = packets;
    startPublishing(packetsPerSecond);
    return {};
  },
  stop: async () => {
    clearInterval(timer);
    for (let before = -1; before !== receivedByAll();) {
      before = receivedByAll();
      await pause(SETTLED_MS);
    }
    return { published: packets - packetsBefore, received: receivedByAll() };
  },
});
