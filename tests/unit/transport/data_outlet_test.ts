import assert from "node:assert/strict";
import { RECORD_CONTENT_AT } from "../../../lib/transport/crypto/record_cipher.ts";
import { DataOutlet } from "../../../lib/transport/data_outlet.ts";
import { createCertificate } from "../../../lib/transport/dtls/dtls_certificate.ts";
import type { NetworkPath } from "../../../lib/transport/ice/network_path.ts";
import { RECORD_TWINS } from "../../support/media/record_twins.ts";
import { slotPath } from "../../support/wire/slot_path.ts";
import { DtlsTwins } from "./dtls/dtls_twins.ts";

const [server, client] = await Promise.all([createCertificate(), createCertificate()]);

for (const { name, factory } of RECORD_TWINS) {
  Deno.test(`DataOutlet with ${name} ciphers seals packets where they leave, and copies of others`, async () => {
    const pair = new DtlsTwins({ client, server, recordCipherFactory: factory });
    const slot = new Uint8Array(1_536);
    const lengths: number[] = [];
    const mediaPath = slotPath(slot, (length) => {
      lengths.push(length);
      pair.server.session.receive(slot.slice(0, length));
    });
    const outlet = new DataOutlet({ mediaPath }, pair.client.session);
    const text = (of: string) => new TextEncoder().encode(of);
    assert.equal(outlet.reserve(), undefined, "no keys yet");
    assert.equal(outlet.send(text("early")), false);
    await pair.run(200);
    assert.equal(outlet.commit(5), false, "nothing was reserved");
    const room = outlet.reserve()!;
    room.set(text("in place"), RECORD_CONTENT_AT);
    assert.equal(outlet.commit(8), true);
    assert.equal(outlet.commit(8), false, "it has left");
    assert.equal(outlet.send(text("a copy")), true);
    assert.equal(outlet.send(text("cut short"), 3), true);
    assert.deepEqual(pair.server.received, ["in place", "a copy", "cut"]);
    assert.deepEqual(lengths, [8, 6, 3].map((length) => length + 37));
    const long = text("long".repeat(500));
    assert.equal(outlet.send(long, 1_999), true, "longer than the room: by the session's way");
    await pair.platform.advanceAsync(100);
    assert.deepEqual(pair.server.received.at(-1)!.length, 1_999);
    assert.equal(lengths.length, 3);
    pair.client.session.close();
    assert.equal(outlet.reserve(), undefined);
    assert.equal(outlet.commit(5), false);
    await pair.close();
  });
}

Deno.test("DataOutlet sends nothing without a path", async () => {
  const pair = new DtlsTwins({ client, server });
  await pair.run(200);
  const route: { mediaPath: NetworkPath | undefined } = { mediaPath: undefined };
  const outlet = new DataOutlet(route, pair.client.session);
  assert.equal(outlet.reserve(), undefined);
  assert.equal(outlet.send(new Uint8Array(5)), false);
  let sent = 0;
  route.mediaPath = slotPath(new Uint8Array(1_536), () => sent++);
  outlet.reserve();
  route.mediaPath = undefined;
  assert.equal(outlet.commit(5), false, "it was lost in between");
  assert.equal(sent, 0);
  await pair.close();
});
