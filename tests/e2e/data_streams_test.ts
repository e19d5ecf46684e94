/** What applications build on data packets: streams, files, remote procedure calls, data tracks. */
import assert from "node:assert/strict";
import { Room } from "@livekit/rtc-node";
import { mintToken } from "../support/process/access_tokens.ts";
import { remote } from "../support/sdk/call_assertions.ts";
import { type Call, CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { DataClient, type HeardData } from "../support/sdk/data_client.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";

const fixture = CallFixture.forThisFile();

async function pair(call: Call): Promise<{ ann: DataClient; bob: DataClient }> {
  const [ann, bob] = [await call.join("chromium", "ann"), await call.join("chromium", "bob")];
  await Promise.all([remote(ann, "bob"), remote(bob, "ann")]);
  return { ann: await DataClient.of(ann), bob: await DataClient.of(bob) };
}

function hears<T>(
  client: DataClient,
  what: string,
  look: (heard: HeardData) => T | undefined | false,
): Promise<T> {
  let last: HeardData | undefined;
  return eventually(`${what} at ${client.client.identity}`, async () => {
    last = await client.heard();
    return look(last);
  }, { seen: () => last });
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `text streams, files and calls between Chromiums, ${mode} connections`,
    ["chromium"],
    () =>
      fixture.call("streams", async (call) => {
        const { ann, bob } = await pair(call);
        const long = "words, words, words; ".repeat(4_000); // 84 kB: many chunks
        await ann.sendText(long);
        await bob.sendText("back", ["ann"]);
        const { from, text } = await hears(bob, "the text", ({ texts }) => texts[0]);
        assert.deepEqual([from, text.length, text === long], ["ann", long.length, true]);
        assert.equal((await hears(ann, "the text", ({ texts }) => texts[0])).text, "back");
        const size = 2_000_000;
        const sum = await ann.sendFile("blob.bin", size);
        const file = await hears(bob, "the file", ({ files }) => files[0]);
        assert.deepEqual(file, { from: "ann", name: "blob.bin", size, sum });
        assert.equal(await ann.performRpc("bob", "greet", "hello"), "hello ann");
        assert.equal(await bob.performRpc("ann", "greet", "hi"), "hi bob");
        await assert.rejects(ann.performRpc("bob", "unknown", ""), /not supported/);
      }, mode),
  );

  endToEndTest(
    `data tracks between Chromiums, ${mode} connections`,
    ["chromium"],
    () =>
      fixture.call("data-tracks", async (call) => {
        const { ann, bob } = await pair(call);
        await ann.publishDataTrack("joints");
        await bob.publishDataTrack("pose");
        for (
          const [sender, receiver, name] of [[ann, bob, "joints"], [bob, ann, "pose"]] as const
        ) {
          const frame = await eventually(`a frame of ${name}`, async () => {
            await sender.pushFrame(name, `frame of ${name}`);
            return (await receiver.heard()).frames[0];
          });
          const from = sender.client.identity;
          assert.deepEqual(frame, { from, name, text: `frame of ${name}` });
        }
        await ann.unpublishDataTrack("joints");
      }, mode),
  );
}

endToEndTest(
  "streams, calls and data tracks between Firefox and Chromium",
  ["chromium", "firefox"],
  () =>
    fixture.call("firefox-streams", async (call) => {
      const [fox, ann] = [await call.join("firefox", "fox"), await call.join("chromium", "ann")];
      await Promise.all([remote(fox, "ann"), remote(ann, "fox")]);
      const [left, right] = [await DataClient.of(fox), await DataClient.of(ann)];
      const size = 500_000;
      for (const [sender, receiver] of [[left, right], [right, left]] as const) {
        const from = sender.client.identity;
        const sum = await sender.sendFile("blob.bin", size);
        const file = await hears(receiver, "the file", ({ files }) => files[0]);
        assert.deepEqual(file, { from, name: "blob.bin", size, sum });
        const to = receiver.client.identity;
        assert.equal(await sender.performRpc(to, "greet", "hello"), `hello ${from}`);
        const name = `${from}'s`;
        await sender.publishDataTrack(name);
        const frame = await eventually(`a frame of ${name}`, async () => {
          await sender.pushFrame(name, "frame");
          return (await receiver.heard()).frames[0];
        });
        assert.deepEqual(frame, { from, name, text: "frame" });
      }
    }),
);

endToEndTest(
  "text streams and calls between rtc-node and Chromium",
  ["chromium"],
  () =>
    fixture.call("native-streams", async (call) => {
      const ann = await call.join("chromium", "ann");
      const data = await DataClient.of(ann);
      const token = await mintToken({ room: call.room, identity: "nat" });
      const room = new Room();
      try {
        await room.connect(call.server.url, token, { autoSubscribe: true, dynacast: false });
        const native = room.localParticipant!;
        const heard = Promise.withResolvers<string>();
        room.registerTextStreamHandler("chat", async (reader) =>
          heard.resolve(await reader.readAll()));
        native.registerRpcMethod("double", ({ payload }) =>
          Promise.resolve(payload + payload));
        await remote(ann, "nat");
        const long = "native words; ".repeat(5_000);
        await native.sendText(long, { topic: "chat" });
        const text = await hears(data, "the text", ({ texts }) => texts[0]);
        assert.deepEqual([text.from, text.text === long], ["nat", true]);
        await data.sendText("to native");
        assert.equal(await heard.promise, "to native");
        assert.equal(await data.performRpc("nat", "double", "ab"), "abab");
        const payload = "hello";
        const call1 = { destinationIdentity: "ann", method: "greet", payload };
        assert.equal(await native.performRpc(call1), "hello nat");
      } finally {
        await room.disconnect();
      }
    }),
);
