import assert from "node:assert/strict";
import { freeTcpPort } from "../../support/process/roomwire_process.ts";
import { standstillDuring } from "../../support/process/standstill.ts";
import type { WireParticipant } from "../../support/wire/wire_participant.ts";

Deno.test("standstillDuring() throws what asking the server throws, once the action has ended", async () => {
  const httpUrl = `http://127.0.0.1:${await freeTcpPort("127.0.0.1")}`;
  const subscriber = { subscriber: { client: { onRtp() {} } } } as unknown as WireParticipant;
  let hasEnded = false;
  const measured = standstillDuring({ httpUrl, pid: Deno.pid }, subscriber, async () => {
    // Longer than its own first request.
    for (let i = 0; i < 10; i++) await assert.rejects(fetch(httpUrl));
    hasEnded = true;
  });
  await assert.rejects(measured, TypeError);
  assert.ok(hasEnded);
});
