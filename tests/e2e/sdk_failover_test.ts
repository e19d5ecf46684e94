/**
 * SDKs whose node is killed in a call. They know one address, behind which a balancer leads new
 * connections to a node that lives, as one in front of a cluster does.
 *
 * @module
 */
import assert from "node:assert/strict";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import { TcpProxy } from "../support/process/tcp_proxy.ts";
import { assertReceives, publishCameraAndMicrophone } from "../support/sdk/call_assertions.ts";
import { CallFixture, type ClientKind, CONNECTION_MODES } from "../support/sdk/call_fixture.ts";
import type { SdkClient } from "../support/sdk/sdk_client.ts";

const fixture = CallFixture.forThisFileOnCluster({ regions: ["here", "here"] });

const KINDS: readonly ClientKind[] = ["chromium", "firefox", "rtc-node"];

/** What somebody shows and says in the test. */
function look(index: number) {
  return { color: [60 * index, 160 - 40 * index, 60] as const, hz: 440 + 220 * index };
}

/** Somebody's video as `client` has it now. */
async function video(client: SdkClient, identity: string): Promise<string | undefined> {
  const { remotes } = await client.snapshot();
  const tracks = remotes.find((one) => one.identity === identity)?.tracks ?? [];
  return tracks.find(({ kind, subscribed }) => kind === "video" && subscribed)?.sid;
}

/** Resolves once frames of somebody's video come, which is not the one of before. */
async function sees(client: SdkClient, identity: string, before?: string): Promise<void> {
  await eventually(`${client.identity} to see ${identity}`, async () => {
    const sid = await video(client, identity);
    if (sid === undefined || sid === before) return false;
    return (await client.media(sid)).framesDecoded > 5;
  }, { seen: () => client.snapshot() });
}

for (const mode of CONNECTION_MODES) {
  endToEndTest(
    `SDKs whose node is killed go on at another one (${mode})`,
    ["chromium", "firefox", "redis"],
    () =>
      fixture.spread("failover", async ([doomed, safe], cluster) => {
        await using balancer = await TcpProxy.open(doomed!.server.ports.http);
        const url = `ws://127.0.0.1:${balancer.port}`;
        const people: SdkClient[] = [];
        for (const kind of KINDS) people.push(await doomed!.join(kind, kind, { url }));
        const witness = await safe!.join("rtc-node", "witness");
        const told = new Map<SdkClient, Awaited<ReturnType<typeof publishCameraAndMicrophone>>>();
        for (const [index, one] of [...people, witness].entries()) {
          told.set(one, await publishCameraAndMicrophone(one, look(index)));
        }
        for (const one of people) {
          await assertReceives(witness, one, told.get(one)!);
          await assertReceives(one, witness, told.get(witness)!);
        }
        const before = new Map<string, string | undefined>();
        for (const { identity } of people) before.set(identity, await video(witness, identity));

        let firstTry = Infinity;
        balancer.onConnection = () => firstTry = Math.min(firstTry, performance.now());
        balancer.target = safe!.server.ports.http;
        await cluster.kill(0);
        await Promise.all(people.map(async (one) => {
          await sees(witness, one.identity, before.get(one.identity));
          await eventually(
            `${one.identity} to be connected`,
            async () => (await one.snapshot()).state === "connected",
          );
          const ms = Math.round(performance.now() - firstTry);
          console.log(`${one.identity} is seen again ${ms} ms after the first try`);
        }));
        for (const one of people) {
          for (const other of [...people, witness]) {
            if (one !== other) await sees(one, other.identity);
          }
          assert.equal((await one.snapshot()).state, "connected");
        }
        const { remotes, reconnects } = await witness.snapshot();
        assert.deepEqual(remotes.map(({ identity }) => identity), KINDS.toSorted());
        assert.equal(reconnects, 0);
        await cluster.restart(0);
      }, mode),
  );
}
