/** One track in two codecs: who gets which, and what the publisher is told. */
import assert from "node:assert/strict";
import {
  AddTrackRequest,
  BackupCodecPolicy,
  ClientInfo,
  ClientInfo_SDK,
  LeaveRequest,
  MuteTrackRequest,
  SimulcastCodec,
  SubscriptionError,
} from "@livekit/protocol";
import { cameraRequest, ScriptedClient, World } from "../support/virtual/scripted_client.ts";

const H264 = "h264";
const VP8 = "vp8";
const FIRST = { mid: "1", kind: "video", cid: "cam" } as const;
const BACKUP = { mid: "2", kind: "video", cid: "cam-backup" } as const;

/** Announces a camera in H.264 with VP8 to fall back on, and sends the first; gives its sid. */
async function publish(client: ScriptedClient, backupCodecPolicy: BackupCodecPolicy) {
  await client.announce({
    ...cameraRequest("cam"),
    backupCodecPolicy,
    simulcastCodecs: [
      new SimulcastCodec({ codec: H264, cid: "cam" }),
      new SimulcastCodec({ codec: VP8, cid: "" }),
    ],
  });
  await client.offer([FIRST]);
  return client.last("trackPublished").track!.sid;
}

/** Sends the second codec as well, as a client does that is asked for it. */
async function publishBackup(client: ScriptedClient, sid: string): Promise<void> {
  const simulcastCodecs = [new SimulcastCodec({ codec: VP8, cid: "cam-backup" })];
  const value = new AddTrackRequest({ ...cameraRequest("cam"), sid, simulcastCodecs });
  await client.request({ case: "addTrack", value });
  await client.offer([FIRST, BACKUP]);
}

/** Codecs the publisher was last told somebody wants. */
function wanted(publisher: ScriptedClient): string[] {
  return publisher.last("subscribedQualityUpdate").subscribedCodecs
    .filter(({ qualities }) => qualities.some(({ enabled }) => enabled)).map(({ codec }) => codec);
}

/** What `subscriber` is forwarded. */
function received(subscriber: ScriptedClient): string[] {
  return subscriber.forwarded().map(({ upTrack }) => upTrack);
}

async function joined(
  world: World,
  identity: string,
  unsupported: string[] = [],
  changes: Parameters<World["parameters"]>[1] = {},
) {
  // Its first offer has the track already, so it must know at once what it cannot decode.
  const client = new ScriptedClient(world, world.parameters(identity, changes));
  client.unsupported = unsupported;
  world.clients.push(client);
  world.service.open(client.join, client.socket);
  await world.settle();
  await client.connect();
  await world.pass(200);
  return client;
}

Deno.test("a subscriber that cannot decode the first codec makes the publisher send the backup, and gets it", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await publish(alice, BackupCodecPolicy.SIMULCAST);
  const carol = await joined(world, "carol");
  assert.deepEqual(wanted(alice), [H264]);
  const bob = await joined(world, "bob", ["video/H264"]);
  assert.deepEqual(wanted(alice), [H264, VP8]);
  assert.deepEqual(bob.all("subscriptionResponse"), []);
  assert.deepEqual(received(bob), []);
  await world.pass(20_000, 500);
  assert.deepEqual(bob.all("subscriptionResponse"), [], "it has time to wait");

  await publishBackup(alice, sid);
  await world.pass(200);
  assert.deepEqual(received(bob), [alice.upTrack("2")]);
  assert.deepEqual(received(carol), [alice.upTrack("1")]);
  assert.equal(alice.participant.tracks.length, 1);
  assert.deepEqual(wanted(alice), [H264, VP8]);
});

Deno.test("the backup codec is turned off when the last who needs it has gone", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await publish(alice, BackupCodecPolicy.SIMULCAST);
  await joined(world, "carol");
  const bob = await joined(world, "bob", ["video/H264"]);
  await publishBackup(alice, sid);
  await bob.request({ case: "leave", value: new LeaveRequest() });
  await world.pass(6_000, 100);
  assert.deepEqual(wanted(alice), [H264]);
});

Deno.test("with REGRESSION everybody goes over to the backup codec and the first is turned off", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await publish(alice, BackupCodecPolicy.REGRESSION);
  const carol = await joined(world, "carol");
  const clientInfo = new ClientInfo({ sdk: ClientInfo_SDK.GO, protocol: 16 });
  const gopher = await joined(world, "gopher", [], { clientInfo });
  const [before] = carol.forwarded();
  const [gophers] = gopher.forwarded();
  const bob = await joined(world, "bob", ["video/H264"]);
  await publishBackup(alice, sid);
  assert.deepEqual(wanted(alice), [VP8]);
  await world.pass(500);
  assert.deepEqual(received(bob), [alice.upTrack("2")]);
  assert.deepEqual(received(carol), [alice.upTrack("2")]);
  assert.deepEqual(received(gopher), [alice.upTrack("2")]);
  assert.equal(carol.forwarded()[0]!.downTrack, before!.downTrack, "the same goes on");
  assert.notEqual(gopher.forwarded()[0]!.downTrack, gophers!.downTrack, "Go cannot follow");
  const late = await joined(world, "late");
  assert.deepEqual(received(late), [alice.upTrack("2")]);
  await world.pass(12_000, 200);
  assert.deepEqual(wanted(alice), [VP8]);

  // Without its backup the first codec is all there is.
  await alice.offer([FIRST, { ...BACKUP, direction: "inactive" }]);
  await world.pass(500);
  assert.deepEqual(received(carol), [alice.upTrack("1")]);
  assert.ok(wanted(alice).includes(H264));
});

Deno.test("PREFER_REGRESSION regresses in small rooms only, and stays with what was decided", async () => {
  for (const [codecRegressionThreshold, codec] of [[4, VP8], [0, VP8], [3, H264]] as const) {
    const world = new World({ codecRegressionThreshold });
    const alice = await world.joined("alice");
    const sid = await publish(alice, BackupCodecPolicy.PREFER_REGRESSION);
    const carol = await joined(world, "carol");
    await joined(world, "bob", ["video/H264"]);
    await publishBackup(alice, sid);
    await world.pass(500);
    const mid = codec === VP8 ? "2" : "1";
    assert.deepEqual(received(carol), [alice.upTrack(mid)], `${codecRegressionThreshold}`);
    await joined(world, "dave");
    await joined(world, "erin");
    await alice.request({ case: "mute", value: new MuteTrackRequest({ sid, muted: true }) });
    await world.pass(500);
    assert.deepEqual(received(carol), [alice.upTrack(mid)]);
  }
});

Deno.test("who can decode none of the codecs is told so", async () => {
  const world = new World();
  const alice = await world.joined("alice");
  const sid = await publish(alice, BackupCodecPolicy.SIMULCAST);
  const bob = await joined(world, "bob", ["video/H264", "video/VP8"]);
  const { trackSid, err } = bob.last("subscriptionResponse");
  assert.deepEqual([trackSid, err], [sid, SubscriptionError.SE_CODEC_UNSUPPORTED]);
  assert.deepEqual(received(bob), []);
});
