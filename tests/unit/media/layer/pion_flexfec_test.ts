/** Repair packets that pion made (interceptor 0.1.51, `flexfec.NewFlexEncoder03`). */
import assert from "node:assert/strict";
import { FecDecoder } from "../../../../lib/media/layer/fec_decoder.ts";
import { viewOf } from "../../../support/media/forwarding_fixtures.ts";
import { PROTECTED_SSRC, ReceivedStream } from "../../../support/media/protected_stream.ts";
import groups from "../../../support/media/pion_flexfec.json" with { type: "json" };

const FIRST = 65_534;

/** Packets from hexadecimal digits. */
function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g)!, (pair) => parseInt(pair, 16));
}

for (const { media, fec } of groups) {
  Deno.test(`FecDecoder makes each of ${media.length} packets of ${fec.length} of pion's repair packets`, () => {
    const packets = media.map(bytesOf);
    assert.equal(viewOf(packets[0]!).ssrc, PROTECTED_SSRC);
    assert.equal(viewOf(packets[0]!).sequenceNumber, FIRST);
    for (const [lost, bytes] of packets.entries()) {
      const stream = new ReceivedStream();
      const decoder = new FecDecoder([]);
      packets.forEach((other, i) => i !== lost && stream.receive(other, 65_536 + FIRST + i));
      const made: Uint8Array[] = [];
      for (const repair of fec.map(bytesOf)) {
        const { payloadOffset, payloadLength } = viewOf(repair);
        assert.ok(decoder.take(stream, repair, payloadOffset, payloadLength));
        if (decoder.recover(stream) >= 0) made.push(decoder.bytes.slice(0, decoder.length));
      }
      assert.deepEqual(made, [bytes], `packet ${lost}`);
    }
  });
}
