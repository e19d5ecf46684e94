import assert from "node:assert/strict";
import { DataOutlet } from "../../../lib/transport/data_outlet.ts";
import { createCertificate } from "../../../lib/transport/dtls/dtls_certificate.ts";
import { RECORD_TWINS } from "../../support/media/record_twins.ts";
import { slotPath } from "../../support/wire/slot_path.ts";
import { DtlsTwins } from "./dtls/dtls_twins.ts";

const [server, client] = [createCertificate(), createCertificate()];

for (const { name, factory } of RECORD_TWINS) {
  Deno.test(`DataOutlet with ${name} ciphers seals packets where they leave`, async () => {
    const pair = new DtlsTwins({ client, server, recordCipherFactory: factory });
    const slot = new Uint8Array(1_536);
    const lengths: number[] = [];
    const mediaPath = slotPath(slot, (length) => {
      lengths.push(length);
      pair.server.session.receive(slot.slice(0, length));
    });
    const outlet = new DataOutlet({ mediaPath }, pair.client.session);
    const text = (of: string) => new TextEncoder().encode(of);
    assert.equal(outlet.send(text("early")), false, "no keys yet");
    await pair.run(200);
    assert.equal(outlet.send(text("a packet")), true);
    assert.equal(outlet.send(text("cut short"), 3), true);
    const waiting = ["one", "two"];
    const source = {
      poll: (out: Uint8Array) => new TextEncoder().encodeInto(waiting.shift() ?? "", out).written,
      isDone: false,
      nextWakeAt: () => Infinity,
    };
    outlet.drain(source, 0);
    assert.deepEqual(pair.server.received, ["a packet", "cut", "one", "two"]);
    assert.deepEqual(lengths, [8, 3, 3, 3].map((length) => length + 37));
    const long = text("long".repeat(500));
    assert.equal(outlet.send(long, 1_999), true, "longer than the room: by the session's way");
    await pair.platform.advanceAsync(100);
    assert.deepEqual(pair.server.received.at(-1)!.length, 1_999);
    assert.equal(lengths.length, 4);
    pair.client.session.close();
    assert.equal(outlet.send(text("late")), false);
    await pair.close();
  });
}

Deno.test("DataOutlet sends nothing without a path", async () => {
  const pair = new DtlsTwins({ client, server });
  await pair.run(200);
  const outlet = new DataOutlet({ mediaPath: undefined }, pair.client.session);
  assert.equal(outlet.send(new Uint8Array(5)), false);
  await pair.close();
});
