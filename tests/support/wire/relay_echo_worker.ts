/**
 * A worker that sends back what comes out of one relay ring through another, each record's words
 * turned around, as fast as there is room.
 *
 * @module
 */
import { RelayRingReader, RelayRingWriter } from "../../../lib/engine/relay/relay_ring.ts";

/** What the worker is started with. */
export interface EchoRings {
  readonly inbound: SharedArrayBuffer;
  readonly outbound: SharedArrayBuffer;
}

async function echo({ inbound, outbound }: EchoRings): Promise<void> {
  const [reader, writer] = [new RelayRingReader(inbound), new RelayRingWriter(outbound)];
  for (;;) {
    await reader.more();
    for (let i = 0; i < 64 && reader.next(); i++) {
      const { kind, at, length } = reader;
      let to = writer.reserve(kind, length);
      while (to < 0) {
        writer.wake();
        await new Promise((resolve) => setTimeout(resolve, 1));
        to = writer.reserve(kind, length);
      }
      for (let word = 0; word < length; word++) {
        writer.words[to + length - 1 - word] = reader.words[at + word]!;
      }
      writer.commit();
    }
    reader.release();
    writer.wake();
  }
}

self.addEventListener("message", (event) => {
  void echo((event as MessageEvent<EchoRings>).data);
  (self as unknown as Worker).postMessage("ready");
});
