import assert from "node:assert/strict";
import { remote } from "../support/sdk/call_assertions.ts";
import {
  CallFixture,
  type ClientKind,
  CONNECTION_MODES,
  type ConnectionMode,
} from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { DataMessage, SdkClient } from "../support/sdk/sdk_client.ts";

const fixture = CallFixture.forThisFile();

/** Messages of one burst; enough to see an order. */
const BURST = 20;

function received(client: SdkClient, want: number, topic: string): Promise<DataMessage[]> {
  let last: DataMessage[] = [];
  return eventually(`${want} messages on "${topic}" at ${client.identity}`, async () => {
    last = (await client.receivedData()).filter((message) => message.topic === topic);
    return last.length >= want && last;
  }, { seen: () => last });
}

/** Any one lossy message may be lost, so they are sent until one arrives. */
function firstLossy(sender: SdkClient, receiver: SdkClient): Promise<DataMessage> {
  return eventually(`a lossy message at ${receiver.identity}`, async () => {
    await sender.sendData("lossy", { reliable: false, topic: "lossy" });
    return (await receiver.receivedData()).find((message) => message.topic === "lossy");
  });
}

async function exchange(
  kinds: readonly [ClientKind, ClientKind],
  room: string,
  mode?: ConnectionMode,
): Promise<void> {
  await fixture.call(room, async (call) => {
    const ann = await call.join(kinds[0], "ann");
    const bob = await call.join(kinds[1], "bob");
    await Promise.all([remote(ann, "bob"), remote(bob, "ann")]);
    for (const [sender, receiver] of [[ann, bob], [bob, ann]] as const) {
      for (let i = 0; i < BURST; i++) {
        await sender.sendData(`reliable ${i}`, { reliable: true, topic: "ordered" });
      }
      assert.deepEqual(
        await received(receiver, BURST, "ordered"),
        Array.from({ length: BURST }, (_, i) => ({
          from: sender.identity,
          text: `reliable ${i}`,
          topic: "ordered",
          reliable: true,
        })),
      );
      assert.deepEqual(await firstLossy(sender, receiver), {
        from: sender.identity,
        text: "lossy",
        topic: "lossy",
        reliable: false,
      });
    }
  }, mode);
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `data goes both ways between Chromiums (${mode})`,
    ["chromium"],
    () => exchange(["chromium", "chromium"], "data-chromium", mode),
  );
}

endToEndTest(
  "data goes both ways between rtc-node and Chromium",
  ["chromium"],
  () => exchange(["rtc-node", "chromium"], "data-rtc-node"),
);

endToEndTest(
  "data goes both ways between Firefox and Chromium",
  ["chromium", "firefox"],
  () => exchange(["firefox", "chromium"], "data-firefox"),
);

endToEndTest(
  "data with destinations reaches them alone",
  ["chromium"],
  () =>
    fixture.call("data-destinations", async (call) => {
      const ann = await call.join("chromium", "ann");
      const bob = await call.join("chromium", "bob");
      const cid = await call.join("chromium", "cid");
      await ann.sendData("for bob", { reliable: true, topic: "notes", to: ["bob"] });
      await ann.sendData("for all", { reliable: true, topic: "notes" });
      const texts = async (client: SdkClient, want: number) =>
        (await received(client, want, "notes")).map((message) => message.text);
      assert.deepEqual(await texts(bob, 2), ["for bob", "for all"]);
      // The later message arriving alone shows that the earlier one did not come.
      assert.deepEqual(await texts(cid, 1), ["for all"]);
    }),
);

endToEndTest(
  "a reliable message of 15 kB arrives whole",
  ["chromium"],
  () =>
    fixture.call("data-large", async (call) => {
      const ann = await call.join("chromium", "ann");
      const bob = await call.join("chromium", "bob");
      const text = "0123456789abcdef".repeat(960);
      await ann.sendData(text, { reliable: true, topic: "large" });
      const [message] = await received(bob, 1, "large");
      assert.equal(message?.text, text);
    }),
);
