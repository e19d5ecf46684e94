/**
 * A client has to go on answering the server's checks for media to go on, which every stack does; a
 * call is watched for longer than consent lasts without answers.
 *
 * @module
 */
import { assertSoundFlows } from "../support/sdk/call_assertions.ts";
import { CallFixture, type ClientKind } from "../support/sdk/call_fixture.ts";
import { endToEndTest, type Requirement } from "../support/process/e2e_requirements.ts";

const fixture = CallFixture.forThisFile();

/** Above the 30 s that an answer lasts, ms. */
const LONGER_THAN_CONSENT_MS = 35_000;

const STACKS: readonly (readonly [ClientKind, readonly Requirement[]])[] = [
  ["rtc-node", []],
  ["chromium", ["chromium"]],
  ["firefox", ["firefox"]],
];

for (const [kind, needs] of STACKS) {
  endToEndTest(
    `${kind} keeps receiving for longer than consent lasts`,
    needs,
    () =>
      fixture.call(`consent-${kind}`, async (call) => {
        const ann = await call.join("rtc-node", "ann");
        const sid = await ann.publishAudio({ hz: 440 });
        const tone = { sid, kind: "audio", source: "microphone", hz: 440 } as const;
        const bob = await call.join(kind, "bob");
        await assertSoundFlows(bob, tone);
        await new Promise((resolve) => setTimeout(resolve, LONGER_THAN_CONSENT_MS));
        await assertSoundFlows(bob, tone);
      }),
  );
}
