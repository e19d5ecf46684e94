/**
 * What a datagram takes over loopback without an SFU, by the same clocks: the part of every latency
 * that is nobody's fault.
 *
 * @module
 */
import type { ClientSockets } from "./client_sockets.ts";
import { LatencyHistogram, type Percentiles } from "./latency_histogram.ts";

const BURSTS = 300;
const PACKET_BYTES = 1_216;

/** Sends single datagrams from one socket to another. Takes about a third of a second. */
export async function measureBaseline(sockets: ClientSockets): Promise<Percentiles> {
  const receiver = await sockets.open(undefined);
  const server = { protocol: "udp", hostname: "127.0.0.1", port: receiver.localPort } as const;
  const sender = await sockets.open(server);
  const histogram = new LatencyHistogram();
  const { onRtp } = sockets;
  let leftAt = 0;
  sockets.onRtp = (_bytes, _offset, _length, arrivedAt) => histogram.add(arrivedAt - leftAt);
  const packet = new Uint8Array(PACKET_BYTES);
  packet[0] = 0x80;
  for (let i = 0; i < BURSTS; i++) {
    leftAt = sender.sendBurst([packet], [PACKET_BYTES], 1);
    sockets.sweep();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  sockets.onRtp = onRtp;
  sender.close();
  receiver.close();
  return histogram.percentiles();
}
