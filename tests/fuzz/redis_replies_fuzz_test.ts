import assert from "node:assert/strict";
import {
  claimOf,
  formerClaim,
  heldClaim,
  nodeRecord,
  recordValues,
  type Reply,
  roomListing,
  roomRecord,
} from "../../lib/cluster/directory/redis_replies.ts";
import { mutate } from "../support/hostile/mutate.ts";
import { A, nodeRecord as someNode, roomSeed } from "../support/virtual/directory_table.ts";
import { SeededRandom } from "../support/virtual/seeded_random.ts";

const SEEDS = [7, 0xbeef, 2026];
const ROUNDS = 20_000;

const RECORD = { ...roomSeed("RM_r"), name: "r", creator: A, version: 3, writer: A };
const NODE = someNode(A, {
  agents: [{ namespace: "", agentName: "a", deployment: "", jobType: 0, headroom: 1 }],
});
const SOUND: readonly Reply[] = [
  recordValues(RECORD),
  [recordValues(RECORD), [A], "2", "1"],
  ["ann", "17", A, "PA_1"],
];

function anyReply(random: SeededRandom, depth: number): Reply {
  switch (random.below(depth > 3 ? 4 : 7)) {
    case 0:
      return null;
    case 1:
      return random.uint32();
    case 2:
      return String(random.below(100));
    case 3:
      return "é\n".repeat(random.below(4));
    case 4:
      return SOUND[random.below(SOUND.length)]!;
    default:
      return Array.from({ length: random.below(13) }, () => anyReply(random, depth + 1));
  }
}

/** The same with one part replaced, at any depth. */
function damaged(random: SeededRandom, reply: Reply): Reply {
  if (!Array.isArray(reply) || random.chance(0.1)) return anyReply(random, 1);
  const at = random.below(reply.length + 1);
  return reply.map((part, index) => index === at ? damaged(random, part) : part);
}

/** A value, or an error that says what was wrong: none of the language's own. */
function read<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    assert.match((error as Error).message, /^Redis answered /, String(error));
    return undefined;
  }
}

Deno.test("Answers of Redis are read whole or not at all", () => {
  let sound = 0;
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const reply = random.chance(0.5)
        ? damaged(random, SOUND[random.below(SOUND.length)]!)
        : anyReply(random, 0);
      const record = read(() => roomRecord(reply));
      if (record !== undefined) {
        sound++;
        assert.ok(Number.isFinite(record.version) && typeof record.plan === "string");
      }
      const listing = read(() => roomListing(reply));
      if (listing !== undefined) assert.ok(Number.isFinite(listing.claims + listing.counted));
      const claim = read(() => claimOf(reply));
      if (claim !== undefined) assert.ok(Number.isFinite(claim.number));
      if (typeof reply !== "string") continue;
      read(() => heldClaim("ann", reply));
      read(() => formerClaim("ann", reply));
    }
  }
  assert.ok(sound > 100, "the generator must reach the accepting path");
});

Deno.test("nodeRecord() reads what nodes write, and never throws", () => {
  assert.deepEqual(nodeRecord(JSON.stringify(NODE)), NODE);
  assert.deepEqual(nodeRecord(JSON.stringify({ ...NODE, later: [1] })), NODE);
  assert.equal(nodeRecord(JSON.stringify({ ...NODE, state: "resting" }))!.state, "draining");
  for (const less of ["nodeId", "region", "link", "protocol", "load", "agents", "startedAtMs"]) {
    assert.equal(nodeRecord(JSON.stringify({ ...NODE, [less]: undefined })), undefined, less);
  }
  const whole = new TextEncoder().encode(JSON.stringify(NODE));
  let sound = 0;
  for (const seed of SEEDS) {
    const random = new SeededRandom(seed);
    for (let round = 0; round < ROUNDS; round++) {
      const record = nodeRecord(new TextDecoder().decode(mutate(random, whole)));
      if (record === undefined) continue;
      sound++;
      assert.equal(typeof record.nodeId, "string");
      assert.ok(Number.isFinite(record.load.cpu + record.load.headroom));
      assert.ok(record.agents.every(({ headroom }) => Number.isFinite(headroom)));
    }
  }
  assert.ok(sound > 100, "the generator must reach the accepting path");
});
