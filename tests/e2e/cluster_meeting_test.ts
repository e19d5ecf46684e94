/**
 * Three nodes in two regions that lie apart, with a client of another make on each: what clients
 * have of each other is what they have on one node.
 */
import assert from "node:assert/strict";
import { Encryption_Type } from "@livekit/protocol";
import { RoomServiceClient } from "livekit-server-sdk";
import {
  all,
  bothWaysAtOnce,
  everySize,
  manyInOrder,
  meeting,
} from "../support/peers/data_scenarios.ts";
import { LOSSY } from "../support/peers/data_peer.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import {
  type RoomwireProcess,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import type { BrowserClient } from "../support/sdk/browser_client.ts";
import { remote } from "../support/sdk/call_assertions.ts";
import { CallFixture, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import { meetInSequence } from "../support/sdk/call_matrix.ts";
import { DataClient } from "../support/sdk/data_client.ts";
import type { ParticipantSnapshot, SdkClient } from "../support/sdk/sdk_client.ts";

const fixture = CallFixture.forThisFileOnCluster({
  regions: ["east", "east", "west"],
  distance: { delayMs: 40, loss: 0.01 },
});
/** Two in one region, and one in the other. */
const [NEAR, BESIDE, FAR] = [0, 1, 2] as const;

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `Chromium, pion and rtc-node on three nodes see and hear each other (${mode})`,
    ["chromium", "go", "redis"],
    () =>
      fixture.spread("meeting", async (calls) => {
        await meetInSequence(calls, ["chromium", "pion", "rtc-node"]);
      }, mode),
  );

  endToEndTest(
    `data goes among Chromium, pion and rtc-node on three nodes (${mode})`,
    ["chromium", "go", "redis"],
    () =>
      fixture.spread("data", async (calls) => {
        const peers = [
          await calls[NEAR]!.joinData("chromium", "chromium"),
          await calls[BESIDE]!.joinData("pion", "pion"),
          await calls[FAR]!.joinData("rtc-node", "rtc-node"),
        ];
        await meeting(peers);
        await everySize(peers);
        await manyInOrder(peers, 200);
        await bothWaysAtOnce(peers, { count: 20, size: 15_000 });
        const count = 50;
        await all(peers, ({ stack }) =>
          `${stack} sends`, (peer) =>
          peer.send({ label: LOSSY, count, size: 500, perSecond: 100, first: 1_000 }));
        await eventually("most of what may be lost at each, once", async () => {
          for (const peer of peers) {
            const came = (await peer.arrivals()).filter(({ label, size, number }) =>
              label === LOSSY && size === 500 && number >= 1_000
            );
            const numbers = came.map(({ from, number }) =>
              `${from} ${number}`
            );
            assert.equal(new Set(numbers).size, numbers.length, "nothing comes twice");
            if (numbers.length < 2 * count * 0.8) return false;
          }
          return true;
        });
      }, mode),
  );
}

function apiOf({ httpUrl }: RoomwireProcess): RoomServiceClient {
  return new RoomServiceClient(httpUrl, TEST_KEY, TEST_SECRET);
}

/** Waits until `client` is shown somebody else so. */
function sees(
  client: SdkClient,
  identity: string,
  what: string,
  matches: (seen: ParticipantSnapshot) => boolean,
): Promise<ParticipantSnapshot> {
  let last: ParticipantSnapshot | undefined;
  return eventually(`${client.identity} to see ${what}`, async () => {
    last = await remote(client, identity);
    return matches(last) && last;
  }, { seen: () => last });
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `what Chromiums on nodes of two regions do is seen by each other (${mode})`,
    ["chromium", "redis"],
    () =>
      fixture.spread("features", async (calls, { nodes }) => {
        const grant = { canUpdateOwnMetadata: true };
        const ann = await calls[NEAR]!.join("chromium", "ann", { grant });
        const bob = await calls[FAR]!.join("chromium", "bob");
        await Promise.all([remote(ann, "bob"), remote(bob, "ann")]);
        // Of a node that serves nobody here.
        const api = apiOf(nodes[BESIDE]!);
        const sid = await ann.publishAudio({ hz: 440 });
        await sees(bob, "ann", "her speak", ({ speaking }) => speaking === true);
        await ann.setMuted(sid, true);
        await sees(bob, "ann", "her mute", ({ tracks }) => tracks.some(({ muted }) => muted));
        await sees(bob, "ann", "her be silent", ({ speaking }) => speaking === false);
        await ann.setAttributes({ hand: "raised" });
        await sees(bob, "ann", "her hand", ({ attributes }) => attributes["hand"] === "raised");
        const { room } = calls[0]!;
        await api.updateParticipant(room, "ann", { name: "Ann", metadata: "of the API" });
        const changed = await sees(bob, "ann", "her name", ({ name }) => name === "Ann");
        assert.equal(changed.metadata, "of the API");
        await exchangeStreams(ann, bob);
        const permission = { canPublish: false, canSubscribe: true, canPublishData: true };
        await api.updateParticipant(room, "ann", { permission });
        await sees(bob, "ann", "no track of hers", ({ tracks }) => tracks.length === 0);
        for (const client of [ann, bob]) {
          const { reconnects, state } = await client.snapshot();
          assert.deepEqual([reconnects, state], [0, "connected"], client.identity);
        }
      }, mode),
  );
}

/** Text in chunks, a file and calls go both ways. */
async function exchangeStreams(ann: BrowserClient, bob: BrowserClient): Promise<void> {
  const ends = [await DataClient.of(ann), await DataClient.of(bob)] as const;
  for (const [from, to] of [ends, ends.toReversed() as [DataClient, DataClient]]) {
    const { identity } = from.client;
    const long = `${identity}'s words; `.repeat(4_000);
    await from.sendText(long);
    const size = 500_000;
    const sum = await from.sendFile("blob.bin", size);
    const heard = await eventually(`what ${identity} streams`, async () => {
      const { texts, files } = await to.heard();
      return texts.length > 0 && files.length > 0 && { text: texts[0]!, file: files[0]! };
    });
    assert.deepEqual([heard.text.from, heard.text.text === long], [identity, true]);
    assert.deepEqual(heard.file, { from: identity, name: "blob.bin", size, sum });
    const called = to.client.identity;
    assert.equal(await from.performRpc(called, "greet", "hello"), `hello ${identity}`);
  }
}

endToEndTest(
  "a publisher sends the layers alone that somebody on any node wants",
  ["chromium", "redis"],
  () =>
    fixture.spread("dynacast", async (calls) => {
      const ann = await calls[NEAR]!.join("chromium", "ann", { connect: { dynacast: true } });
      const bob = await calls[FAR]!.join("chromium", "bob");
      const sid = await ann.publishVideo({
        ...{ width: 960, height: 540, fps: 10, simulcast: true, maxBitrate: 300_000 },
      });
      await shows(bob, sid, 960);
      await bob.setQuality(sid, "low");
      await sends(ann, sid, ["q"]);
      await shows(bob, sid, 240);
      // Another one in the region of the publisher, and the first one again.
      const cid = await calls[BESIDE]!.join("rtc-node", "cid");
      await shows(cid, sid, 960);
      await cid.disconnect();
      await sends(ann, sid, ["q"]);
      await bob.setQuality(sid, "high");
      await shows(bob, sid, 960);
    }),
);

/** Waits for more frames of that width. */
async function shows(client: SdkClient, sid: string, width: number): Promise<void> {
  let first: number | undefined;
  await eventually(`${client.identity} to be shown ${width} pixels`, async () => {
    const { frameWidth, framesDecoded } = await client.media(sid);
    if (frameWidth !== width) first = undefined;
    else first ??= framesDecoded;
    return first !== undefined && framesDecoded >= first + 5;
  }, { seen: () => client.media(sid) });
}

/** Waits until of all layers exactly these are encoded. */
async function sends(client: BrowserClient, sid: string, rids: readonly string[]): Promise<void> {
  const counts = async () =>
    new Map((await client.sentLayers(sid)).map((layer) => [layer.rid, layer.framesEncoded]));
  await eventually(`${client.identity} to send ${rids}`, async () => {
    const before = await counts();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const after = await counts();
    const growing = [...after.keys()].filter((rid) => after.get(rid)! > (before.get(rid) ?? 0));
    return growing.toSorted().join() === rids.toSorted().join();
  }, { seen: counts });
}

endToEndTest(
  "what is encrypted from end to end is heard on other nodes, by those who have the key",
  ["redis"],
  () =>
    fixture.spread("encrypted", async (calls, { nodes }) => {
      const connect = { sharedKey: "of all but one" };
      const ann = await calls[NEAR]!.join("rtc-node", "ann", { connect });
      const bob = await calls[FAR]!.join("rtc-node", "bob", { connect });
      const eve = await calls[BESIDE]!.join("rtc-node", "eve");
      const audio = await ann.publishAudio({ hz: 440 });
      const video = await ann.publishVideo({});
      await eventually("bob to hear and see ann", async () =>
        (await bob.media(audio)).audioEnergy > 0.01 && (await bob.media(video)).framesDecoded > 5);
      // What she makes of the sound is noise.
      assert.equal((await eve.media(video)).framesDecoded, 0);
      const info = await apiOf(nodes[BESIDE]!).getParticipant(calls[0]!.room, "ann");
      assert.deepEqual(
        info.tracks.map(({ encryption }) =>
          encryption
        ),
        [
          Encryption_Type.GCM,
          Encryption_Type.GCM,
        ],
      );
    }),
);
