/**
 * A client has to go on answering the server's checks for media to go on, which every stack does; a
 * call is watched for longer than consent lasts without answers.
 *
 * @module
 */
import { eventually } from "../support/process/eventually.ts";
import { assertSoundFlows } from "../support/sdk/call_assertions.ts";
import { CallFixture, type ClientKind } from "../support/sdk/call_fixture.ts";
import { endToEndTest, mustIgnore, type Requirement } from "../support/process/e2e_requirements.ts";

const fixture = CallFixture.forThisFile();

/** Above the 30 s that an answer lasts, ms. */
const LONGER_THAN_CONSENT_MS = 35_000;
/** As `totalAudioEnergy`: more of it than there was after that. */
const ENERGY_WANTED = 0.01;

const STACKS: readonly (readonly [ClientKind, readonly Requirement[]])[] = [
  ["rtc-node", []],
  ["chromium", ["chromium"]],
  ["firefox", ["firefox"]],
];
/** Those that are here: all wait in the same call. */
const kinds = STACKS.filter(([, needs]) => !mustIgnore(needs)).map(([kind]) => kind);

endToEndTest(
  `${kinds.join(", ")} keep receiving for longer than consent lasts`,
  [],
  () =>
    fixture.call("consent", async (call) => {
      const ann = await call.join("rtc-node", "ann");
      const sid = await ann.publishAudio({ hz: 440 });
      const tone = { sid, kind: "audio", source: "microphone", hz: 440 } as const;
      const receivers = await Promise.all(kinds.map((kind) => call.join(kind, kind)));
      await Promise.all(receivers.map((one) => assertSoundFlows(one, tone)));
      await new Promise((resolve) => setTimeout(resolve, LONGER_THAN_CONSENT_MS));
      await Promise.all(receivers.map(async (one) => {
        const energy = async () => (await one.media(sid)).audioEnergy;
        const before = await energy();
        await eventually(`more sound at ${one.identity}`, async () => {
          return await energy() > before + ENERGY_WANTED;
        }, { seen: () => one.media(sid) });
        await assertSoundFlows(one, tone);
      }));
    }),
);
