/** Records that come by another way than those behind them, and much later. */
import assert from "node:assert/strict";
import { createCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import { DtlsTwins } from "./dtls_twins.ts";

const [server, client] = [createCertificate(), createCertificate()];

/** A client whose records reach the server when the test hands them over. */
async function connected() {
  const twins = new DtlsTwins({ client, server });
  await twins.run(200);
  twins.client.tamper = () => {};
  const say = (text: string): Uint8Array => {
    twins.client.say(text);
    return twins.client.sent.at(-1)!;
  };
  // What is received is opened in place.
  const arrive = (record: Uint8Array) => twins.server.session.receive(record.slice());
  return { twins, say, arrive };
}

Deno.test("DtlsSession takes a record that several hundred others have overtaken, and takes it once", async () => {
  for (const others of [127, 128, 500, 1_900]) {
    const { twins, say, arrive } = await connected();
    const late = say("acknowledged");
    const first = say("0");
    arrive(first);
    for (let i = 1; i < others; i++) arrive(say(`${i}`));
    arrive(late);
    assert.equal(twins.server.received.at(-1), "acknowledged", `${others} records late`);
    for (const again of [late, first]) arrive(again);
    assert.equal(twins.server.received.length, others + 1);
    assert.equal(twins.server.drops.get("dtls_replayed"), 2);
    await twins.close();
  }
});

Deno.test("DtlsSession takes no record twice, and none of which it no longer knows", async () => {
  const { twins, say, arrive } = await connected();
  const never = say("never arrives");
  const first = say("first");
  arrive(first);
  const records = Array.from({ length: 3_000 }, (_, i) => say(`${i}`));
  for (const record of records) arrive(record);
  const { received, drops } = twins.server;
  assert.equal(received.length, 3_001);
  const again = [never, first, ...records];
  for (const record of again) arrive(record);
  assert.equal(received.length, 3_001);
  assert.equal(drops.get("dtls_replayed"), again.length);
  await twins.close();
});
