/**
 * What a first picture waits for, counted in messages: how long that takes depends on a machine
 * (`deno task bench --only=join`), how often something has to come back does not.
 *
 * @module
 */
import assert from "node:assert/strict";
import { mintToken } from "../support/process/access_tokens.ts";
import { startRoomwire } from "../support/process/roomwire_process.ts";
import { until } from "../support/wire/until.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";
import { pictureLosses } from "../support/wire/wire_rtcp.ts";

const SSRC = 0x1234_5678;
const SUBSCRIBERS = 4;
/** A request that is not answered is made again after 200 ms at least; this long is looked. */
const LOOK_MS = 1_000;

/** What a server sent until a picture came: descriptions, and requests to the publisher. */
interface Counted {
  readonly offers: number;
  readonly answers: number;
  readonly keys: number;
}

/**
 * With two connections the server offers everything at once. With one the client does: its first
 * offer has no section to receive in, as it does not know of any track, and its second one has.
 */
const DESCRIPTIONS = { v0: { offers: 1, answers: 0 }, v1: { offers: 0, answers: 2 } } as const;

for (const flavour of ["v0", "v1"] as const) {
  Deno.test(`a first picture waits for no description too many and one key frame (${flavour})`, async () => {
    await using server = await startRoomwire();
    const join = async (identity: string) =>
      await WireParticipant.open(server.url, await mintToken({ identity, room: "first" }), {
        flavour,
      });
    await using alice = await join("alice");
    await alice.connected();
    const asked = () => pictureLosses(alice.publisher.client?.rtcp ?? [], SSRC);
    let answered = 0;
    const isKey = () => {
      const count = asked();
      const isAsked = count > answered;
      answered = count;
      return isAsked;
    };
    const { sid } = await alice.publish("video", { ssrc: SSRC, isKey });
    // A room in which somebody watches already: nothing has to begin for who comes.
    await using first = await join("first");
    await first.track(sid);
    for (let i = 0; i < SUBSCRIBERS; i++) {
      const before = asked();
      await using bob = await join(`bob${i}`);
      const { ssrc } = await bob.track(sid);
      const counted: Counted = {
        offers: bob.signal.all("offer").length,
        answers: bob.signal.all("answer").length,
        keys: asked() - before,
      };
      assert.deepEqual(counted, { ...DESCRIPTIONS[flavour], keys: 1 });
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
      assert.equal(asked() - before, 1, "nobody asks for what has come");
      await until("pictures", () => bob.subscriber.packets(ssrc).length > 10);
    }
  });
}
