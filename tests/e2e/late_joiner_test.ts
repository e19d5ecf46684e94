/**
 * Who joins a running call publishes as well as the first: a camera with simulcast and a
 * microphone, with what the SDKs do by themselves and on two connections. On a single connection a
 * late joiner's own sections come after those in which it receives.
 *
 * @module
 */
import assert from "node:assert/strict";
import { assertReceives, type Published, remote } from "../support/sdk/call_assertions.ts";
import { type Call, CallFixture, type ClientKind } from "../support/sdk/call_fixture.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import type { SdkClient } from "../support/sdk/sdk_client.ts";

const fixture = CallFixture.forThisFile();

/** Wide enough for every SDK to send two layers, small enough for three in one call. */
const PICTURE = { width: 640, height: 360, fps: 15, simulcast: true } as const;
const LOOKS = {
  ann: { color: [200, 40, 40], hz: 440 },
  bob: { color: [40, 160, 60], hz: 880 },
  carol: { color: [60, 60, 180], hz: 660 },
} as const;
type Name = keyof typeof LOOKS;

/** How long a call has been running when the next person joins, ms. */
const LATE_MS = 3_000;

const later = () => new Promise((resolve) => setTimeout(resolve, LATE_MS));

async function publish(client: SdkClient): Promise<Published[]> {
  const { color, hz } = LOOKS[client.identity as Name];
  const video = await client.publishVideo({ ...PICTURE, color });
  const audio = await client.publishAudio({ hz });
  const dimensions = { width: PICTURE.width, height: PICTURE.height };
  return [
    { sid: video, kind: "video", source: "camera", color, dimensions },
    { sid: audio, kind: "audio", source: "microphone", hz },
  ];
}

/** Everybody gets everything of everybody, nobody had to reconnect. */
async function assertAllReceive(
  clients: readonly SdkClient[],
  published: readonly Published[][],
): Promise<void> {
  await Promise.all(clients.map(async (client, index) => {
    for (const [other, sender] of clients.entries()) {
      if (other !== index) await assertReceives(client, sender, published[other]!);
    }
    const { reconnects } = await client.snapshot();
    assert.equal(reconnects, 0, `${client.identity}'s reconnects`);
    assert.deepEqual(await client.errors(), [], `${client.identity}'s errors`);
  }));
}

/** `witness`, in a browser, sees that each of the others speaks and sends several layers. */
async function assertSpeakAndSimulcast(
  witness: SdkClient,
  others: readonly SdkClient[],
): Promise<void> {
  for (const { identity } of others) {
    await eventually(
      `${identity} to speak`,
      async () => (await remote(witness, identity)).speaking,
    );
    await eventually(
      `${identity}'s camera to be simulcast`,
      async () =>
        (await remote(witness, identity)).tracks
          .some(({ kind, simulcasted }) => kind === "video" && simulcasted),
    );
  }
}

async function oneAfterTheOther(
  call: Call,
  late: ClientKind,
  singlePeerConnection: boolean,
): Promise<void> {
  const clients: SdkClient[] = [];
  const published: Published[][] = [];
  for (const [kind, name] of [["chromium", "ann"], [late, "bob"], [late, "carol"]] as const) {
    if (clients.length > 0) await later();
    const client = await call.join(kind, name, { connect: { singlePeerConnection } });
    clients.push(client);
    // By then it has received for a while before it sends.
    if (name === "carol") await later();
    published.push(await publish(client));
  }
  await assertAllReceive(clients, published);
  await assertSpeakAndSimulcast(clients[0]!, clients.slice(1));
}

async function allAtOnce(
  call: Call,
  others: ClientKind,
  singlePeerConnection: boolean,
): Promise<void> {
  const kinds = [["chromium", "ann"], [others, "bob"], [others, "carol"]] as const;
  const clients = await Promise.all(
    kinds.map(([kind, name]) => call.join(kind, name, { connect: { singlePeerConnection } })),
  );
  const published = await Promise.all(clients.map(publish));
  await assertAllReceive(clients, published);
  await assertSpeakAndSimulcast(clients[0]!, clients.slice(1));
}

for (const kind of ["chromium", "rtc-node"] as const) {
  for (const single of [true, false]) {
    const how = `${kind} with ${single ? "one connection" : "two connections"}`;
    const room = `${kind}-${single ? "single" : "dual"}`;
    endToEndTest(
      `${how} joins a running call, publishes simulcast and speaks`,
      ["chromium"],
      () => fixture.call(`late-${room}`, (call) => oneAfterTheOther(call, kind, single)),
    );
    endToEndTest(
      `${how} publishes while others do`,
      ["chromium"],
      () => fixture.call(`at-once-${room}`, (call) => allAtOnce(call, kind, single)),
    );
  }
}
