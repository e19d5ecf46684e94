import assert from "node:assert/strict";
import type { DtlsRole } from "../../../lib/base/media_vocabulary.ts";
import {
  answeredSetup,
  roleAfterAnswer,
  roleAfterOffer,
} from "../../../lib/negotiation/dtls_role.ts";
import type { DtlsSetup } from "../../../lib/wire/session_description.ts";

type Case = readonly [DtlsSetup | undefined, DtlsRole | undefined, DtlsRole | "refused"];

Deno.test("roleAfterOffer() follows the client, opens nothing by itself, and never changes", () => {
  const cases: readonly Case[] = [
    ["actpass", undefined, "server"],
    ["active", undefined, "server"],
    ["passive", undefined, "client"],
    // RFC 4145 §4: an offer without it is active.
    [undefined, undefined, "server"],
    ["actpass", "client", "client"],
    ["actpass", "server", "server"],
    [undefined, "client", "client"],
    ["passive", "client", "client"],
    ["active", "server", "server"],
    ["active", "client", "refused"],
    ["passive", "server", "refused"],
  ];
  for (const [setup, current, expected] of cases) {
    const decision = roleAfterOffer(setup, current);
    assert.equal(decision.ok ? decision.role : "refused", expected, `${setup} after ${current}`);
  }
});

Deno.test("roleAfterAnswer() takes what the client chose, and refuses no choice and another one", () => {
  const cases: readonly Case[] = [
    ["active", undefined, "server"],
    ["passive", undefined, "client"],
    // RFC 4145 §4: an answer without it is passive.
    [undefined, undefined, "client"],
    [undefined, "server", "server"],
    ["active", "server", "server"],
    ["passive", "client", "client"],
    ["actpass", undefined, "refused"],
    ["actpass", "server", "refused"],
    ["active", "client", "refused"],
    ["passive", "server", "refused"],
  ];
  for (const [setup, current, expected] of cases) {
    const decision = roleAfterAnswer(setup, current);
    assert.equal(decision.ok ? decision.role : "refused", expected, `${setup} after ${current}`);
  }
});

Deno.test("a refusal of a role says in words what is wrong", () => {
  const change = roleAfterOffer("active", "client");
  assert.match(change.ok ? "" : change.message, /a=setup:active changes the role/);
  const none = roleAfterAnswer("actpass", undefined);
  assert.match(none.ok ? "" : none.message, /a=setup:actpass chooses no DTLS role/);
});

Deno.test("answeredSetup() is active where we open the association", () => {
  assert.deepEqual(
    [answeredSetup("client"), answeredSetup("server"), answeredSetup(undefined)],
    ["active", "passive", "passive"],
  );
});
