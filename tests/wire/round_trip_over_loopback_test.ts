/** A publisher's round trip, measured over its connection, and what it is used for. */
import assert from "node:assert/strict";
import { until } from "../support/wire/until.ts";
import { publisher, VIDEO } from "../support/wire/wire_publisher.ts";
import { nackedNumbers } from "../support/wire/wire_rtcp.ts";
import { WireRoom } from "../support/wire/wire_room.ts";

/** How far the publisher pretends to be, ms; until it is known, 70 ms are assumed. */
const FAR_MS = 300;
/**
 * Five requests for a packet take 70 × (1 + 1.25 + 1.25² + 1.25³) ms then, and 300 + 375 + 400 +
 * 400 ms now.
 */
const NEAR_SPAN_MS = 404;
const FAR_SPAN_MS = 1_475;
const TRIES = 5;

/** The middle 32 bits of the reference times in these compounds (RFC 3611 §4.4), oldest first. */
function references(compounds: readonly Uint8Array[]): number[] {
  return compounds.flatMap((bytes) => {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const found: number[] = [];
    for (let at = 0; at + 20 <= bytes.length; at += 4 * (view.getUint16(at + 2) + 1)) {
      if (bytes[at + 1] === 207 && bytes[at + 8] === 4) found.push(view.getUint32(at + 14));
    }
    return found;
  });
}

/** An extended report of the publisher with one answer (RFC 3611 §4.5), which took it no time. */
function answer(reference: number): Uint8Array {
  const bytes = new Uint8Array(24);
  const view = new DataView(bytes.buffer);
  [0x80cf0005, 1000, 0x05000003, 1, reference, 0].forEach((word, i) => view.setUint32(4 * i, word));
  return bytes;
}

Deno.test({
  name: "MediaEngine measures how far a publisher is, and asks again for what is lost no sooner",
  // werift's client keeps timers.
  sanitizeOps: false,
  sanitizeResources: false,
  fn: async () => {
    await using room = await WireRoom.open();
    const from = await publisher(room);
    const [layer] = from.layers;
    const { client } = from;
    client.checkDelayMs = FAR_MS;
    await client.sendRtp(layer!.frame({ key: true }));
    await room.event("layer_arrived", ({ upTrack }) => upTrack === VIDEO);
    // Three answers: what is measured is smoothed.
    for (let i = 0; i < 3; i++) {
      await room.until("a reference time", () => references(client.rtcp).length > i);
      const reference = references(client.rtcp)[i]!;
      await new Promise((resolve) => setTimeout(resolve, FAR_MS));
      await client.sendRtcp(answer(reference));
    }
    layer!.frame(); // lost
    await client.sendRtp(layer!.frame());
    const requested = () => nackedNumbers(client.rtcp, layer!.ssrc).length;
    await until("a request", () => requested() > 0);
    const startedAt = performance.now();
    await until("the last request", () => requested() === TRIES);
    const span = performance.now() - startedAt;
    // A machine that stands still may see the first too late, or the last.
    assert.ok(span > (NEAR_SPAN_MS + FAR_SPAN_MS) / 2, `all requests within ${span} ms`);
    assert.deepEqual(room.errors, []);
  },
});
