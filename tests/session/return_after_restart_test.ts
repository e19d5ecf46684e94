/** Two who were in a call come back to a server that has begun anew, at about the same time. */
import assert from "node:assert/strict";
import {
  AddTrackRequest,
  TrackSource,
  TrackType,
  UpdateTrackSettings,
  VideoQuality,
} from "@livekit/protocol";
import type { LayerTarget } from "../../lib/base/media_vocabulary.ts";
import type { DownTrackId } from "../../lib/base/ids.ts";
import { cameraRequest, World } from "../support/virtual/scripted_client.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";
import { SingleClient } from "../support/virtual/single_client.ts";

const SEEDS = 150;
const OPTIONS = { adaptiveStream: true } as const;
const RIDS = ["q", "h", "f"] as const;

/** One who comes back. */
class Returning {
  single: SingleClient | undefined;
  readonly #told = new Set<string>();

  constructor(
    readonly world: World,
    readonly identity: string,
    readonly random: SeededRandom,
  ) {}

  /** What livekit-client does, a step at a time; whatever may be, happens between two steps. */
  async *steps(): AsyncGenerator<void> {
    const { world, identity, random } = this;
    const reconnect = { ...OPTIONS, singlePeerConnection: true, reconnect: true };
    for (let tries = random.uint32() % 3; tries > 0; tries--) {
      const refused = await world.open(identity, reconnect);
      assert.equal(refused.cases[0], "leave", "there is nothing to resume");
      yield;
    }
    // Whose socket ends before its join has come to anything joins again.
    for (let tries = random.uint32() % 2; tries > 0; tries--) {
      const lost = await SingleClient.open(world, identity, OPTIONS);
      yield;
      if (random.chance(0.5)) await lost.offer();
      yield;
      lost.client.socket.onClose(1006);
      if (random.chance(0.5)) yield;
    }
    const single = this.single = await SingleClient.open(world, identity, OPTIONS);
    yield;
    await single.offer();
    yield;
    await single.connect();
    yield;
    yield* this.#publish(single);
  }

  async *#publish(single: SingleClient): AsyncGenerator<void> {
    const { client, sections } = single;
    const { AUDIO } = TrackType;
    const microphone = { cid: "mic", type: AUDIO, source: TrackSource.MICROPHONE };
    await client.announce(new AddTrackRequest(microphone));
    if (this.random.chance(0.5)) yield;
    await client.announce(cameraRequest("cam"));
    yield;
    for (const [kind, cid] of [["audio", "mic"], ["video", "cam"]] as const) {
      sections.push({ mid: String(sections.length + 1), kind, direction: "sendonly", cid });
      if (kind === "audio" && this.random.chance(0.5)) continue;
      await single.offer();
      yield;
    }
    const { mid } = sections.find(({ cid }) => cid === "cam")!;
    const connection = client.participant.publisher.id;
    for (const [spatial, rid] of RIDS.entries()) {
      const layer = { connection, upTrack: client.upTrack(mid), mid, rid, mime: "video/VP8" };
      const where = { spatial: spatial as 0 | 1 | 2, ssrc: 100 + spatial };
      this.world.engine.emit({ type: "layer_arrived", ...layer, ...where });
      await this.world.settle();
      yield;
    }
  }

  /** Goes on with what it has been told meanwhile. */
  async goOn(): Promise<void> {
    const { single } = this;
    if (single === undefined || single.client.all("answer").length === 0) return;
    await single.heed();
    for (const sid of Object.values(single.tracks)) {
      if (this.#told.has(sid)) continue;
      this.#told.add(sid);
      // Its picture is attached before it is seen.
      for (const disabled of [true, false]) {
        const size = { width: 1_280, height: 720 };
        const value = new UpdateTrackSettings({ trackSids: [sid], disabled, ...size });
        await single.client.request({ case: "trackSetting", value });
      }
    }
  }

  /** What of `other` it does not get as it should, in words. */
  lacks(other: Returning): string[] {
    const { client, tracks } = this.single!;
    const { client: sender } = other.single!;
    const published = sender.participant.tracks;
    if (published.length !== 2) return [`${published.length} tracks of ${other.identity}`];
    const targets = new Map<DownTrackId, LayerTarget>();
    for (const command of this.world.engine.commands) {
      if (command.type === "add_down_track" || command.type === "set_down_track_target") {
        targets.set(command.downTrack, command.target);
      }
    }
    const enabled = client.forwarded().filter(({ downTrack }) => targets.get(downTrack)?.enabled);
    const qualities = sender.all("subscribedQualityUpdate").at(-1)?.subscribedQualities;
    const best = qualities?.find(({ quality }) => quality === VideoQuality.HIGH);
    return [
      ...(enabled.length === 2 ? [] : [`${enabled.length} of 2 are forwarded`]),
      ...published.filter(({ sid }) => !Object.values(tracks).includes(sid))
        .map(({ sid }) => `${sid} is in no section`),
      ...(best?.enabled === false ? ["nobody wants the picture"] : []),
    ];
  }
}

Deno.test("whoever comes back at the same time as another gets all of what that one sends (seeded)", async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const random = new SeededRandom(seed);
    const world = new World();
    const people = ["ann", "bob"].map((identity) => new Returning(world, identity, random));
    const running = people.map((person) => ({ person, steps: person.steps() }));
    while (running.length > 0) {
      const at = random.uint32() % running.length;
      const { person, steps } = running[at]!;
      if ((await steps.next()).done === true) running.splice(at, 1);
      if (random.chance(0.5)) await world.pass(random.uint32() % 200, 20);
      if (random.chance(0.5)) await person.goOn();
    }
    for (let i = 0; i < 20; i++) {
      await world.pass(100);
      for (const person of people) await person.goOn();
    }
    const [ann, bob] = people as [Returning, Returning];
    assert.deepEqual([ann.lacks(bob), bob.lacks(ann)], [[], []], `seed ${seed}`);
  }
});
