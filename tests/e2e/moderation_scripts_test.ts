/**
 * Runs every script of `docs/moderation/` as a reader would, against a real server with real
 * participants, and looks at what it did to them.
 *
 * @module
 */
import assert from "node:assert/strict";
import {
  DisconnectReason,
  ParticipantInfo_KindDetail as KindDetail,
  TrackSource,
} from "@livekit/protocol";
import { mintToken, type TokenOptions } from "../support/process/access_tokens.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { eventually } from "../support/process/eventually.ts";
import {
  type RoomwireProcess,
  startRoomwire,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import { UpgradeRefused } from "../support/wire/signal_client.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";

const SCRIPTS = new URL("../../docs/moderation/", import.meta.url);
/** Which scripts a test has run; the last test checks that none was forgotten. */
const executed = new Set<string>();

let running: Promise<RoomwireProcess> | undefined;
Deno.test.afterAll(async () => {
  await (await running)?.[Symbol.asyncDispose]();
});

/** One room of the shared server. */
interface Scene {
  readonly room: string;
  readonly server: RoomwireProcess;
  /** A participant that is connected. */
  join(identity: string, fields?: Partial<TokenOptions>): Promise<WireParticipant>;
  /** Runs a script to its end. */
  run(script: string, ...words: string[]): Promise<string>;
}

function moderationTest(name: string, room: string, act: (scene: Scene) => Promise<void>): void {
  endToEndTest(name, [], async () => {
    const server = await (running ??= startRoomwire());
    await using clients = new AsyncDisposableStack();
    const join = async (identity: string, fields: Partial<TokenOptions> = {}) => {
      const token = await mintToken({ room, ...fields, identity });
      return await clients.use(await WireParticipant.open(server.url, token)).connected();
    };
    await act({ room, server, join, run: (script, ...words) => run(server, script, words) });
  });
}

async function run(server: RoomwireProcess, script: string, words: string[]): Promise<string> {
  executed.add(script);
  const { success, said, told } = await attempt(server, script, words);
  assert.ok(success, said);
  return told;
}

/** Runs a script to its end, whatever that is. */
async function attempt(server: RoomwireProcess, script: string, words: string[]) {
  const path = new URL(script, SCRIPTS).pathname;
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--allow-net", "--allow-env", "--allow-read", path, ...words],
    env: {
      LIVEKIT_URL: server.httpUrl,
      LIVEKIT_API_KEY: TEST_KEY,
      LIVEKIT_API_SECRET: TEST_SECRET,
    },
  }).output();
  const text = new TextDecoder();
  // What the runtime says while it sets packages up goes to standard error, too.
  return { success, said: text.decode(stderr).trim(), told: text.decode(stdout).trim() };
}

moderationTest("mute.ts mutes a microphone for everybody", "mute", async ({ room, join, run }) => {
  const mallory = await join("mallory");
  const bob = await join("bob");
  const microphone = await mallory.publish("audio", {
    announce: { source: TrackSource.MICROPHONE },
  });
  await bob.track(microphone.sid);
  assert.equal(await run("mute.ts", room, "mallory"), `muted ${microphone.sid}`);
  assert.deepEqual(
    await mallory.signal.message("mute").then(({ sid, muted }) => [sid, muted]),
    [microphone.sid, true],
  );
  await bob.remote("mallory", ({ tracks }) => tracks[0]?.muted === true);
});

moderationTest(
  "silence.ts leaves a participant its camera and nothing else",
  "silence",
  async ({ room, join, run }) => {
    const mallory = await join("mallory");
    const bob = await join("bob");
    const microphone = await mallory.publish("audio", {
      announce: { source: TrackSource.MICROPHONE },
    });
    const camera = await mallory.publish("video", { announce: { source: TrackSource.CAMERA } });
    await bob.track(microphone.sid);
    await bob.track(camera.sid);
    assert.equal(await run("silence.ts", room, "mallory"), "mallory still publishes 1 track(s)");
    const { trackSid } = await mallory.signal.message("trackUnpublished");
    assert.equal(trackSid, microphone.sid);
    const { permission } = await bob.remote("mallory", ({ tracks }) => tracks.length === 1);
    assert.equal(permission!.canPublishData, false);
  },
);

moderationTest(
  "to_audience.ts ends what a participant publishes",
  "audience",
  async ({ room, join, run }) => {
    const mallory = await join("mallory");
    const bob = await join("bob");
    const { sid } = await mallory.publish("audio");
    await bob.track(sid);
    await run("to_audience.ts", room, "mallory");
    await bob.remote("mallory", ({ tracks }) => tracks.length === 0);
    const { sid: bobs } = await bob.publish("audio");
    await mallory.track(bobs);
  },
);

moderationTest(
  "remove.ts lets a participant come back, ban.ts does not",
  "ban",
  async ({ room, join, run }) => {
    const mallory = await join("mallory");
    const bob = await join("bob");
    await run("remove.ts", room, "mallory");
    const { reason } = await mallory.signal.message("leave");
    assert.equal(reason, DisconnectReason.PARTICIPANT_REMOVED);
    await mallory.signal.ended();
    const again = await join("mallory");
    await run("ban.ts", room, "mallory");
    await again.signal.ended();
    await assert.rejects(join("mallory"), UpgradeRefused);
    await eventually("bob to be alone", () => !bob.remotes.has("mallory"));
  },
);

moderationTest(
  "rename.ts changes name and role while a participant is there",
  "rename",
  async ({ room, join, run }) => {
    const alice = await join("alice", { name: "Alice" });
    const bob = await join("bob");
    assert.equal(
      await run("rename.ts", room, "alice", "Dr. A", "host"),
      "alice is now Dr. A, host",
    );
    const seen = await bob.remote("alice", ({ name }) => name === "Dr. A");
    assert.equal(seen.attributes.role, "host");
    assert.ok(alice.signal.closed === undefined);
  },
);

moderationTest(
  "lock_room.ts keeps newcomers out until it opens the room again",
  "lock",
  async ({ room, server, join, run }) => {
    await join("alice");
    await run("lock_room.ts", room, "on");
    await assert.rejects(join("bob"), UpgradeRefused);
    const token = await mintToken({ room, identity: "bob" });
    const reply = await fetch(`${server.httpUrl}/rtc/validate?access_token=${token}`);
    assert.deepEqual([reply.status, await reply.text()], [403, "room is locked"]);
    await join("host", { grant: { roomAdmin: true } });
    await run("lock_room.ts", room, "off");
    await join("bob");
  },
);

moderationTest(
  "hide.ts makes a recorder leave in the eyes of the others only",
  "hide",
  async ({ room, join, run }) => {
    const bob = await join("bob");
    const recorder = await join("recorder", { grant: { recorder: true } });
    await bob.remote("recorder");
    await run("hide.ts", room, "recorder");
    await eventually("the recorder to be out of sight", () => !bob.remotes.has("recorder"));
    const late = await join("late");
    assert.ok(!late.remotes.has("recorder"));
    const { sid } = await bob.publish("audio");
    await recorder.track(sid);
  },
);

moderationTest(
  "move.ts takes a participant and its media to another room",
  "waiting",
  async ({ room, join, run }) => {
    const alice = await join("alice");
    const bob = await join("bob", { room: "consultation" });
    const alices = await alice.publish("audio");
    const bobs = await bob.publish("video");
    await run("move.ts", room, "alice", "consultation");
    const moved = await alice.signal.message("roomMoved");
    assert.equal(moved.room!.name, "consultation");
    await bob.track(alices.sid);
    await alice.track(bobs.sid);
    assert.equal(alice.signal.closed, undefined);
  },
);

moderationTest(
  "forward.ts shows a participant and its media in a second room",
  "main-hall",
  async ({ room, join, run }) => {
    const speaker = await join("speaker");
    const listener = await join("listener");
    const overflow = await join("guest", { room: "overflow" });
    const { sid } = await speaker.publish("video");
    await run("forward.ts", room, "speaker", "overflow");
    await overflow.track(sid);
    await listener.track(sid);
    const { kindDetails } = await overflow.remote("speaker");
    assert.deepEqual(kindDetails, [KindDetail.FORWARDED]);
    await speaker.leave();
    await eventually("the speaker to be gone", () => !overflow.remotes.has("speaker"));
  },
);

moderationTest(
  "a wrong identity, room or word is answered with a sentence",
  "mistaken",
  async ({ room, server, join }) => {
    await join("alice");
    const wrong: readonly (readonly [script: string, ...words: string[]])[] = [
      ["mute.ts", room, "nobody"],
      ["silence.ts", room, "nobody"],
      ["to_audience.ts", room, "nobody"],
      ["remove.ts", room, "nobody"],
      ["rename.ts", room, "nobody", "N", "host"],
      ["hide.ts", room, "nobody"],
      ["move.ts", room, "nobody", "elsewhere"],
      ["forward.ts", room, "nobody", "elsewhere"],
      ["mute.ts", "nowhere", "alice"],
      ["mute.ts", room, "alice"],
      ["lock_room.ts", room, "perhaps"],
    ];
    for (const [script, ...words] of wrong) {
      const { success, said } = await attempt(server, script, words);
      assert.equal(success, false, script);
      assert.match(said, /(?:^|\n)[A-Za-z][^\n]{20,}$/, script);
      assert.doesNotMatch(said, /\n\s+at |Uncaught|Error:/, `${script}: ${said}`);
    }
  },
);

endToEndTest("every moderation script has been run by a test", [], () => {
  const scripts = [...Deno.readDirSync(SCRIPTS)].map(({ name }) => name)
    .filter((name) => name.endsWith(".ts") && name !== "client.ts");
  assert.deepEqual([...executed].sort(), scripts.sort());
  return Promise.resolve();
});
