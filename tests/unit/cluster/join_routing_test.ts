import assert from "node:assert/strict";
import { SfuError } from "../../../lib/base/errors.ts";
import type { NodeId, ParticipantSid } from "../../../lib/base/ids.ts";
import type {
  Claim,
  NodeRecord,
  Pin,
  RoomListing,
} from "../../../lib/cluster/directory/cluster_directory.ts";
import { JoinRouting, type KnownRoom } from "../../../lib/cluster/join_routing.ts";
import { nodeRecord, roomSeed } from "../../support/virtual/directory_table.ts";
import { SeededRandom } from "../../support/virtual/seeded_random.ts";

const SELF = "ND_self" as NodeId;
const [A, B, C] = ["ND_a", "ND_b", "ND_c"] as NodeId[] as [NodeId, NodeId, NodeId];

function load(headroom: number): Pick<NodeRecord, "load"> {
  return { load: { cpu: 0, participants: 0, rooms: 0, tracks: 0, headroom } };
}

/** A node of `eu` that knows of three others, the last of them in `us`. */
function world({ pin = "", sharing = [], holder, known, gathersRooms, isNowhere = false }: {
  readonly pin?: Pin;
  readonly sharing?: readonly NodeId[];
  readonly holder?: NodeId;
  readonly known?: KnownRoom;
  readonly gathersRooms?: boolean;
  readonly isNowhere?: boolean;
} = {}) {
  const nodes = [nodeRecord(A), nodeRecord(B), nodeRecord(C, { region: "us" })];
  const state = { isDirectoryUp: true, lost: [] as NodeId[], new: [] as NodeRecord[], asked: 0 };
  const ask = <T>(answer: T) => {
    state.asked++;
    return state.isDirectoryUp
      ? Promise.resolve(answer)
      : Promise.reject(new SfuError("directory_down", "away"));
  };
  const listing: RoomListing = {
    record: {
      ...roomSeed("RM_1", { pin }),
      name: "lobby",
      creator: A,
      version: 1,
      writer: A,
    },
    nodes: sharing,
    claims: 0,
    counted: 0,
  };
  const claim: Claim | undefined = holder &&
    { identity: "ann", node: holder, sid: "PA_1" as ParticipantSid, number: 1 };
  const routing = new JoinRouting({
    self: SELF,
    region: "eu",
    places: [],
    random: new SeededRandom(3),
    directory: {
      find: () => ask(isNowhere ? undefined : listing),
      claim: () => ask(claim),
      nodes: () => ask([...nodes, ...state.new]),
    },
    membership: { others: nodes, get: () => undefined },
    room: () => known,
    isReachable: (node) => !state.lost.includes(node),
    gathersRooms: gathersRooms ?? false,
  });
  const takers = async (among?: readonly NodeId[]) => {
    const left = await routing.takers("lobby", among);
    const ids: NodeId[] = [];
    for (let node = left.next(); node !== undefined; node = left.next()) ids.push(node.nodeId);
    return ids;
  };
  return { routing, nodes, state, takers };
}

function room(pin: string, peers: readonly NodeId[], holder?: NodeId): KnownRoom {
  const record = { plan: { internal: { nodeId: pin } } } as KnownRoom["room"]["record"];
  return { room: { record }, peers, holderOf: () => holder };
}

Deno.test("JoinRouting.takers() gives every node once, those of the room and the region first", async () => {
  assert.deepEqual(await world({ sharing: [B] }).takers(), [B, A, C]);
  assert.deepEqual(await world({ sharing: [A, C] }).takers(), [A, B, C]);
  const { takers, state } = world();
  state.lost = [A];
  assert.deepEqual(await takers(), [B, C], "whose link is lost is not tried");
});

Deno.test("JoinRouting.takers() keeps to the pin, and to those that are named", async () => {
  assert.deepEqual(await world({ pin: "region:us" }).takers(), [C]);
  assert.deepEqual(await world({ pin: B }).takers(), [B]);
  const { takers, nodes } = world({ pin: B });
  assert.deepEqual(await takers([C]), [C]);
  nodes[2] = nodeRecord(C, { region: "us", ...load(0) });
  assert.deepEqual(await takers([C]), [C], "however full it says that it is");
});

Deno.test("JoinRouting asks for nodes that are named and were not there a moment ago", async () => {
  const D = "ND_d" as NodeId;
  const { takers, routing, state } = world({ holder: D });
  assert.deepEqual(await takers([D]), []);
  state.new = [nodeRecord(D)];
  assert.deepEqual(await takers([D]), [D]);
  assert.equal((await routing.holder("lobby", "ann"))?.nodeId, D);
  state.asked = 0;
  await takers([A]);
  assert.equal(state.asked, 1, "for the room alone");
});

Deno.test("JoinRouting goes by what is known here while the directory is away", async () => {
  const { takers, state, routing } = world({ holder: A });
  state.isDirectoryUp = false;
  assert.equal((await takers()).length, 3);
  assert.equal(await routing.holder("lobby", "ann"), undefined);
  assert.equal(await routing.pinnedTo("lobby"), undefined);
  const served = world({ known: room("region:us", [C], B) });
  assert.deepEqual(await served.takers(), [C]);
  assert.equal((await served.routing.holder("lobby", "ann"))?.nodeId, B);
  assert.equal(served.state.asked, 0, "a room that is here is not asked for");
});

Deno.test("JoinRouting.holder() is the node of a session, if it lives and is another one", async () => {
  assert.equal((await world({ holder: A }).routing.holder("lobby", "ann"))?.nodeId, A);
  assert.equal(await world({ holder: SELF }).routing.holder("lobby", "ann"), undefined);
  assert.equal(await world().routing.holder("lobby", "ann"), undefined);
  const dead = "ND_dead" as NodeId;
  assert.equal(await world({ holder: dead }).routing.holder("lobby", "ann"), undefined);
  const { routing, state } = world({ holder: A });
  state.lost = [A];
  assert.equal(await routing.holder("lobby", "ann"), undefined);
});

Deno.test("JoinRouting.serving() is the node of a participant, or says who or what is not there", async () => {
  const of = async (...asked: Parameters<typeof world>) => {
    const served = await world(...asked).routing.serving("lobby", "ann");
    return typeof served === "string" ? served : served.nodeId;
  };
  assert.equal(await of({ holder: A }), A);
  assert.equal(await of({ holder: A, known: room("", [B], B) }), B, "who is seen is not asked for");
  assert.equal(await of({ holder: C, known: room("", [C]) }), C, "who was not heard of yet is");
  assert.equal(await of({ holder: SELF }), "no_participant", "this node knows better");
  assert.equal(await of(), "no_participant");
  assert.equal(await of({ known: room("", []) }), "no_participant");
  assert.equal(await of({ isNowhere: true }), "no_room");
  assert.equal(await of({ holder: "ND_new" as NodeId }), "unreachable");
  const { routing, state } = world({ holder: A });
  state.lost = [A];
  assert.equal(await routing.serving("lobby", "ann"), "unreachable");
  state.lost = [];
  state.isDirectoryUp = false;
  assert.equal(await routing.serving("lobby", "ann"), "unreachable", "nobody can tell");
});

Deno.test("JoinRouting.gathering() names a near node of the room that has room, if that is wanted", async () => {
  const options = { sharing: [A, C], gathersRooms: true };
  assert.equal((await world(options).routing.gathering("lobby"))?.nodeId, A);
  const off = world({ ...options, gathersRooms: false });
  assert.equal(await off.routing.gathering("lobby"), undefined);
  assert.equal(off.state.asked, 0, "nobody is asked who need not be");
  const here = world({ ...options, known: room("", [A]) });
  assert.equal(await here.routing.gathering("lobby"), undefined, "it is here already");
  const far = world({ ...options, sharing: [C] });
  assert.equal(await far.routing.gathering("lobby"), undefined);
  const { routing, nodes } = world(options);
  nodes[0] = nodeRecord(A, load(0.05));
  assert.equal(await routing.gathering("lobby"), undefined, "it is nearly full");
});

Deno.test("JoinRouting.pinnedTo() is silent where this node may serve, or nobody else can", async () => {
  assert.deepEqual(await world({ pin: B }).routing.pinnedTo("lobby"), [B]);
  assert.deepEqual(await world({ pin: "region:us" }).routing.pinnedTo("lobby"), [C]);
  for (const pin of ["", SELF, "region:eu", "region:ap", "ND_dead" as NodeId] as const) {
    assert.equal(await world({ pin }).routing.pinnedTo("lobby"), undefined, pin);
  }
});
