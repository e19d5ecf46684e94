/**
 * What every directory of a cluster does, as a table of tests for all of its twins. Each begins
 * with a directory of its own, with nobody in it, and whose leases do not end while it runs unless
 * the test ends them.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { NodeId, ParticipantSid, RoomSid } from "../../../lib/base/ids.ts";
import type {
  Claim,
  Closing,
  ClusterDirectory,
  EnterAnswer,
  EnterRequest,
  NodeRecord,
  RoomSeed,
} from "../../../lib/cluster/directory/cluster_directory.ts";

export const A = "ND_a" as NodeId;
export const B = "ND_b" as NodeId;
export const C = "ND_c" as NodeId;

/** Of a room that is neither lost nor served by others. */
export function closingOf(answer: Closing | "lost" | undefined): Closing {
  assert.ok(typeof answer === "object");
  return answer;
}

/** A node of region `eu` that has nothing to do. */
export function nodeRecord(nodeId: NodeId, more: Partial<NodeRecord> = {}): NodeRecord {
  return {
    nodeId,
    region: "eu",
    link: `ws://${nodeId}.test/cluster`,
    clientAddress: "",
    protocol: { min: 1, max: 1 },
    state: "serving",
    load: { cpu: 0.25, participants: 0, rooms: 0, tracks: 0, headroom: 0.75 },
    agents: [],
    startedAtMs: 1_000,
    ...more,
  };
}

/** A room without limits. */
export function roomSeed(sid: string, more: Partial<RoomSeed> = {}): RoomSeed {
  return {
    sid: sid as RoomSid,
    createdAtMs: 5_000,
    plan: `{"metadata":"é"}`,
    maxParticipants: 0,
    locked: false,
    pin: "",
    lingerMs: 20_000,
    ...more,
  };
}

/** Asks to let somebody in who takes a place, into a room that is made if there is none. */
export function joining(
  room: string,
  node: NodeId,
  identity: string,
  sid: string,
  more: Partial<EnterRequest> = {},
): EnterRequest {
  const claim = { identity, sid: sid as ParticipantSid, counted: true };
  return { room, node, region: "eu", create: roomSeed(`RM_${room}`), claim, ...more };
}

type Entered = Extract<EnterAnswer, { ok: true }>;

/** The answer to somebody who must be let in. */
export async function entered(answer: Promise<EnterAnswer>): Promise<Entered> {
  const value = await answer;
  assert.ok(value.ok, JSON.stringify(value));
  return value;
}

/** The claim of an answer, as others see it. */
function claimOf({ claim }: Entered, node: NodeId, identity: string, sid: string): Claim {
  return { identity, node, sid: sid as ParticipantSid, number: claim!.number };
}

async function isIn(directory: ClusterDirectory, room: string): Promise<readonly string[]> {
  return (await directory.claims(room)).map(({ identity, node }) => `${identity}@${node}`);
}

/** Name of a test and what it asks of the directory. */
export const DIRECTORY_TESTS: Readonly<
  Record<string, (directory: ClusterDirectory) => Promise<void>>
> = {
  "the first to enter makes the room, the next finds it as it is": async (directory) => {
    const first = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    assert.equal(first.created, true);
    assert.deepEqual(first.record, {
      ...roomSeed("RM_r"),
      name: "r",
      creator: A,
      version: 1,
      writer: A,
    });
    assert.deepEqual(first.nodes, [A]);
    const create = roomSeed("RM_other", { plan: "{}" });
    const second = await entered(directory.enter(joining("r", B, "bob", "PA_2", { create })));
    assert.equal(second.created, false);
    assert.deepEqual(second.record, first.record);
    assert.deepEqual(second.nodes, [A, B]);
    assert.equal(second.claim!.former, undefined);
    assert.ok(second.claim!.number > first.claim!.number);
    assert.deepEqual(await directory.find("r"), {
      record: first.record,
      nodes: [A, B],
      claims: 2,
      counted: 2,
    });
  },

  "a node that knows who serves a room is told only if it does not serve it yet": async (
    directory,
  ) => {
    const knowing = (node: NodeId, who: string, sid: string) =>
      entered(directory.enter({ ...joining("r", node, who, sid), knowsNodes: true }));
    await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    assert.deepEqual((await knowing(B, "bob", "PA_2")).nodes, [A, B], "it was not among them");
    const again = await knowing(B, "eve", "PA_3");
    assert.deepEqual(again.nodes, []);
    assert.ok(again.claim !== undefined && again.record.sid === "RM_r");
    assert.deepEqual((await entered(directory.enter(joining("r", B, "fay", "PA_4")))).nodes, [
      A,
      B,
    ]);
    await directory.bury({ room: "r", dead: B, by: A });
    assert.deepEqual((await knowing(B, "gil", "PA_5")).nodes, [A, B], "it is new again");
  },

  "a dead node's claims end in rooms of many nodes, and no others": async (directory) => {
    for (const [i, node] of [A, B, C, A, B, A].entries()) {
      await entered(directory.enter(joining("r", node, `p${i}`, `PA_${i}`)));
    }
    // Somebody moves from the dead node to another, and somebody to it; one comes back to it.
    await entered(directory.enter(joining("r", B, "p0", "PA_10")));
    const moved = await entered(directory.enter(joining("r", A, "p1", "PA_11")));
    await entered(directory.enter(joining("r", A, "p3", "PA_12")));
    const gone = (await directory.claims("r")).find(({ identity }) => identity === "p5")!;
    await directory.release({ room: "r", identity: "p5", number: gone.number });
    const burial = (await directory.bury({ room: "r", dead: A, by: B }))!;
    const freed = burial.freed.map(({ identity, sid }) => `${identity} ${sid}`).toSorted();
    assert.deepEqual(freed, ["p0 PA_0", "p1 PA_11", "p3 PA_12"]);
    assert.equal(
      burial.freed.find(({ identity }) => identity === "p1")!.number,
      moved.claim!.number,
    );
    assert.deepEqual(await isIn(directory, "r"), [`p0@${B}`, `p2@${C}`, `p4@${B}`]);
    assert.equal((await directory.find("r"))!.counted, 3);
    assert.deepEqual((await directory.bury({ room: "r", dead: A, by: C }))!.freed, []);
  },

  "who was still to join when a node died is told apart from who was there": async (directory) => {
    const joinsLater = (node: NodeId, identity: string, sid: string) => {
      const request = joining("r", node, identity, sid);
      return { ...request, claim: { ...request.claim!, joinsLater: true } };
    };
    const enter = async (...args: Parameters<typeof joinsLater>) =>
      (await entered(directory.enter(joinsLater(...args)))).claim!.number;
    const names = (claims: readonly Claim[] | undefined) =>
      (claims ?? []).map(({ identity, sid }) => `${identity} ${sid}`).toSorted();
    const ann = await enter(A, "ann", "PA_1");
    await enter(A, "bob", "PA_2");
    const cat = await enter(A, "cat", "PA_3");
    await entered(directory.enter(joining("r", A, "dan", "PA_4")));
    const eve = await enter(B, "eve", "PA_5");
    await directory.joined({ room: "r", number: ann });
    // The answer to a question may have been lost, and what was told is told again.
    assert.equal(await enter(A, "ann", "PA_1"), ann);
    await directory.joined({ room: "r", number: ann });
    await directory.joined({ room: "none", number: ann });
    await directory.release({ room: "r", identity: "cat", number: cat });
    await directory.joined({ room: "r", number: cat });
    // Somebody comes back to the node before she has joined, somebody goes to another one.
    await enter(A, "bob", "PA_6");
    await enter(A, "eve", "PA_7");
    const burial = (await directory.bury({ room: "r", dead: A, by: B }))!;
    assert.deepEqual(names(burial.freed), ["ann PA_1", "dan PA_4"]);
    assert.deepEqual(names(burial.unjoined), ["bob PA_6", "eve PA_7"]);
    assert.deepEqual(await directory.bury({ room: "r", dead: A, by: B }), burial);
    await directory.joined({ room: "r", number: eve });
    const other = (await directory.bury({ room: "r", dead: B, by: A }))!;
    assert.deepEqual(names(other.freed), ["eve PA_5"]);
    assert.equal(other.unjoined, undefined);
  },

  "a room that is not there is not made unless it may be": async (directory) => {
    const { create: _, ...request } = joining("r", A, "ann", "PA_1");
    assert.deepEqual(await directory.enter(request), { ok: false, reason: "not_found" });
    assert.equal(await directory.find("r"), undefined);
    assert.deepEqual(await directory.claims("r"), []);
    assert.equal(await directory.claim("r", "ann"), undefined);
    assert.deepEqual(await directory.roomsOf(A), []);
    assert.deepEqual(await directory.list(), []);
  },

  "a room can be entered by a node with nobody": async (directory) => {
    const request = { room: "r", node: A, region: "eu", create: roomSeed("RM_r") };
    const answer = await entered(directory.enter(request));
    assert.equal(answer.claim, undefined);
    assert.equal((await directory.find("r"))!.claims, 0);
  },

  "who asks again with the same sids gets the same answer": async (directory) => {
    await directory.enter(joining("r", B, "ann", "PA_0"));
    await directory.remove("r", "q");
    const first = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    assert.deepEqual(await directory.enter(joining("r", A, "ann", "PA_1")), first);
    const newer = await entered(directory.enter(joining("r", B, "ann", "PA_2")));
    assert.deepEqual(newer.claim!.former, claimOf(first, A, "ann", "PA_1"));
    assert.deepEqual(await directory.enter(joining("r", B, "ann", "PA_2")), newer);
  },

  "the newest claim of an identity replaces the one before": async (directory) => {
    const first = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const former = claimOf(first, A, "ann", "PA_1");
    assert.deepEqual(await directory.claim("r", "ann"), former);
    const second = await entered(directory.enter(joining("r", B, "ann", "PA_2")));
    assert.deepEqual(second.claim!.former, former);
    const latter = claimOf(second, B, "ann", "PA_2");
    assert.deepEqual(await directory.claim("r", "ann"), latter);
    // What the former node says when it has evicted its session changes nothing.
    assert.equal(await directory.release({ room: "r", ...former }), false);
    assert.deepEqual(await directory.claims("r"), [{ ...latter, counted: true }]);
    assert.equal(await directory.release({ room: "r", ...latter }), true);
    assert.equal(await directory.release({ room: "r", ...latter }), false);
    assert.deepEqual(await directory.claims("r"), []);
  },

  "a full room takes who is in it, and who takes no place": async (directory) => {
    const create = roomSeed("RM_r", { maxParticipants: 2 });
    const join = (node: NodeId, identity: string, sid: string, counted = true) => {
      const claim = { identity, sid: sid as ParticipantSid, counted };
      return directory.enter({ ...joining("r", node, identity, sid, { create }), claim });
    };
    await entered(join(A, "agent", "PA_0", false));
    await entered(join(A, "ann", "PA_1"));
    const { claim } = await entered(join(B, "bob", "PA_2"));
    assert.deepEqual(await join(C, "cat", "PA_3"), { ok: false, reason: "room_full" });
    assert.deepEqual((await directory.find("r"))!.nodes, [A, B]);
    assert.deepEqual(await directory.roomsOf(C), []);
    await entered(join(C, "recorder", "PA_4", false));
    await entered(join(C, "ann", "PA_5"));
    assert.equal((await directory.find("r"))!.claims, 4);
    assert.equal((await directory.find("r"))!.counted, 2);
    await directory.release({ room: "r", identity: "bob", number: claim!.number });
    await entered(join(C, "cat", "PA_6"));
    // A place that is given up for none is free, and the other way round.
    await entered(join(A, "cat", "PA_7", false));
    await entered(join(A, "dan", "PA_8"));
    assert.deepEqual(await join(A, "eve", "PA_9"), { ok: false, reason: "room_full" });
  },

  "places of those whose node died are free before it is buried": async (directory) => {
    const create = roomSeed("RM_r", { maxParticipants: 1 });
    await directory.heartbeat(nodeRecord(A));
    await directory.heartbeat(nodeRecord(B));
    await entered(directory.enter(joining("r", A, "ann", "PA_1", { create })));
    const bob = joining("r", B, "bob", "PA_2", { create });
    assert.deepEqual(await directory.enter(bob), { ok: false, reason: "room_full" });
    await directory.withdraw(A);
    await entered(directory.enter(bob));
    const cat = joining("r", B, "cat", "PA_3", { create });
    assert.deepEqual(await directory.enter(cat), { ok: false, reason: "room_full" });
  },

  "a locked room takes who is in it, and who takes no place": async (directory) => {
    await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const { record } = (await directory.find("r"))!;
    const { sid, version } = record;
    await directory.update({ room: "r", node: A, sid, version, change: { locked: true } });
    const bob = joining("r", B, "bob", "PA_2");
    assert.deepEqual(await directory.enter(bob), { ok: false, reason: "room_locked" });
    await entered(directory.enter({ ...bob, claim: { ...bob.claim!, counted: false } }));
    const owner = joining("r", B, "owner", "PA_4");
    await entered(directory.enter({ ...owner, claim: { ...owner.claim!, passesLock: true } }));
    await entered(directory.enter(joining("r", B, "ann", "PA_3")));
  },

  "a pin holds while a node that it names lives and serves": async (directory) => {
    await directory.heartbeat(nodeRecord(A));
    await directory.heartbeat(nodeRecord(B, { region: "us" }));
    await directory.heartbeat(nodeRecord(C, { region: "us" }));
    const here = joining("r", A, "ann", "PA_1", { create: roomSeed("RM_r", { pin: "region:us" }) });
    assert.deepEqual(await directory.enter(here), {
      ok: false,
      reason: "elsewhere",
      nodes: [B, C],
    });
    assert.equal(await directory.find("r"), undefined);
    await entered(directory.enter({ ...here, node: C, region: "us" }));
    await directory.heartbeat(nodeRecord(C, { region: "us", state: "draining" }));
    assert.deepEqual(await directory.enter(here), { ok: false, reason: "elsewhere", nodes: [B] });
    const { sid, version } = (await directory.find("r"))!.record;
    await directory.update({ room: "r", node: C, sid, version, change: { pin: B } });
    assert.deepEqual(await directory.enter(here), { ok: false, reason: "elsewhere", nodes: [B] });
    await directory.withdraw(B);
    await entered(directory.enter(here));
  },

  "the last to leave keeps the room until its time is over": async (directory) => {
    const { record } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    await entered(directory.enter(joining("r", B, "bob", "PA_2")));
    assert.equal(await directory.leave({ room: "r", node: A }), undefined);
    assert.deepEqual(await directory.roomsOf(A), []);
    const closing = closingOf(await directory.leave({ room: "r", node: B }));
    assert.equal(closing.keeper, B);
    assert.deepEqual(await directory.leave({ room: "r", node: B }), closing);
    assert.deepEqual(await directory.roomsOf(B), ["r"]);
    assert.deepEqual((await directory.find("r"))!.nodes, []);
    const others = [{ ...closing, keeper: A }, { ...closing, number: closing.number - 1 }];
    for (const other of others) assert.equal(await directory.close("r", other), undefined);
    assert.deepEqual(await directory.close("r", closing), record);
    // The answer may have been lost.
    assert.deepEqual(await directory.close("r", closing), record);
    assert.equal(await directory.find("r"), undefined);
    assert.deepEqual(await directory.claims("r"), []);
    assert.deepEqual(await directory.roomsOf(B), []);
    assert.deepEqual(await directory.list(), []);
    assert.equal(await directory.leave({ room: "r", node: B }), undefined);
  },

  "who enters cancels the closing": async (directory) => {
    await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const closing = closingOf(await directory.leave({ room: "r", node: A }));
    await entered(directory.enter(joining("r", B, "bob", "PA_2")));
    assert.equal(await directory.close("r", closing), undefined);
    assert.deepEqual(await directory.roomsOf(A), []);
    const next = closingOf(await directory.leave({ room: "r", node: B }));
    assert.ok(next.number > closing.number);
    assert.equal(await directory.close("r", closing), undefined);
    assert.ok(await directory.close("r", next));
  },

  "a keeper that serves the room again is not forgotten for an old closing": async (directory) => {
    await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const closing = closingOf(await directory.leave({ room: "r", node: A }));
    await entered(directory.enter(joining("r", A, "ann", "PA_2")));
    assert.equal(await directory.close("r", closing), undefined);
    assert.deepEqual(await directory.roomsOf(A), ["r"]);
  },

  "numbers of a room that is made anew are larger than all before": async (directory) => {
    const first = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    await directory.remove("r", "q");
    const create = roomSeed("RM_2");
    const second = await entered(directory.enter(joining("r", A, "ann", "PA_2", { create })));
    assert.equal(second.created, true);
    assert.ok(second.claim!.number > first.claim!.number);
    assert.equal(second.claim!.former, undefined);
  },

  "settings are changed by compare-and-set": async (directory) => {
    const { record } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const { sid, version } = record;
    const request = { room: "r", node: B, sid, version, change: { plan: `["ü"]`, lingerMs: 0 } };
    const next = { ...record, ...request.change, version: 2, writer: B };
    assert.deepEqual(await directory.update(request), { ok: true, record: next });
    assert.deepEqual(await directory.update(request), { ok: true, record: next });
    assert.deepEqual(await directory.update({ ...request, change: { locked: true } }), {
      ok: false,
      reason: "conflict",
      record: next,
    });
    assert.deepEqual(await directory.update({ ...request, node: A }), {
      ok: false,
      reason: "conflict",
      record: next,
    });
    const other = { ...request, sid: "RM_other" as RoomSid, version: 2 };
    assert.deepEqual(await directory.update(other), { ok: false, reason: "not_found" });
    const all = { maxParticipants: 7, locked: true, pin: B, plan: "", lingerMs: 1 } as const;
    const last = await directory.update({ room: "r", node: A, sid, version: 2, change: all });
    assert.deepEqual(last, { ok: true, record: { ...next, ...all, version: 3, writer: A } });
    assert.deepEqual((await directory.find("r"))!.record, {
      ...next,
      ...all,
      version: 3,
      writer: A,
    });
  },

  "a room is removed once, with everybody": async (directory) => {
    await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    await entered(directory.enter(joining("r", B, "bob", "PA_2")));
    const before = await directory.find("r");
    assert.deepEqual(await directory.remove("r", "q1"), before);
    assert.equal(await directory.remove("r", "q2"), undefined);
    assert.deepEqual(await directory.remove("r", "q1"), before);
    assert.deepEqual([await directory.roomsOf(A), await directory.roomsOf(B)], [[], []]);
    assert.equal(await directory.claim("r", "ann"), undefined);
    assert.equal(await directory.leave({ room: "r", node: A }), undefined);
  },

  "rooms are listed by name, all or those asked for": async (directory) => {
    const names = ["b", "a", "é{x}", "", "a\nb", "\u{1f600}", "*", "{"];
    for (const name of names) await entered(directory.enter(joining(name, A, "ann", "PA_1")));
    const listed = await directory.list();
    assert.deepEqual(listed.map(({ record }) => record.name), [...names].sort());
    assert.deepEqual(listed[1], await directory.find([...names].sort()[1]!));
    assert.deepEqual(
      (await directory.list(["b", "none", "", "b"])).map(({ record }) => record.name),
      ["", "b"],
    );
    assert.deepEqual(await directory.list([]), []);
    assert.deepEqual(await directory.roomsOf(A), [...names].sort());
  },

  "nodes are those with a lease": async (directory) => {
    assert.deepEqual(await directory.nodes(), []);
    const b = nodeRecord(B, {
      region: "",
      agents: [{ namespace: "", agentName: "é", deployment: "", jobType: 1, headroom: 0.5 }],
    });
    assert.deepEqual(await directory.heartbeat(b), {
      known: false,
      isNew: true,
      bury: [],
    });
    assert.deepEqual(await directory.heartbeat(nodeRecord(A)), {
      known: false,
      isNew: true,
      bury: [],
    });
    assert.deepEqual(await directory.heartbeat(b), { known: true, isNew: false, bury: [] });
    assert.deepEqual(await directory.nodes(), [nodeRecord(A), b]);
    const draining = nodeRecord(A, { state: "draining" });
    assert.deepEqual(await directory.heartbeat(draining), { known: true, isNew: false, bury: [] });
    await directory.withdraw(B);
    assert.deepEqual(await directory.nodes(), [draining]);
  },

  "a dead node is given to one other to bury, and forgotten": async (directory) => {
    for (const node of [A, B, C]) await directory.heartbeat(nodeRecord(node));
    await entered(directory.enter(joining("shared", A, "ann", "PA_1")));
    await entered(directory.enter(joining("shared", B, "bob", "PA_2")));
    await entered(directory.enter(joining("alone", A, "ann", "PA_3")));
    const ann = (await directory.claim("alone", "ann"))!;
    await directory.withdraw(A);
    assert.deepEqual(await directory.heartbeat(nodeRecord(B)), {
      known: true,
      isNew: false,
      bury: [A],
    });
    assert.deepEqual(await directory.heartbeat(nodeRecord(C)), {
      known: true,
      isNew: false,
      bury: [],
    });
    assert.deepEqual(await directory.heartbeat(nodeRecord(B)), {
      known: true,
      isNew: false,
      bury: [A],
    });
    assert.deepEqual(await directory.roomsOf(A), ["alone", "shared"]);

    const shared = (await directory.bury({ room: "shared", dead: A, by: B }))!;
    assert.deepEqual(shared.freed.map(({ identity }) => identity), ["ann"]);
    assert.equal(shared.closing, undefined);
    assert.deepEqual(await isIn(directory, "shared"), [`bob@${B}`]);

    const alone = (await directory.bury({ room: "alone", dead: A, by: B }))!;
    assert.deepEqual(alone.freed, [ann]);
    assert.equal(alone.closing!.keeper, B);
    // The answer may have been lost; who left is told once, by whoever was to tell it.
    assert.deepEqual(await directory.bury({ room: "alone", dead: A, by: B }), alone);
    assert.deepEqual((await directory.bury({ room: "alone", dead: A, by: C }))!.freed, []);
    assert.deepEqual(await directory.roomsOf(A), []);
    assert.deepEqual(await directory.roomsOf(B), ["alone", "shared"]);
    assert.equal(await directory.forget(A), true);
    assert.deepEqual(await directory.heartbeat(nodeRecord(C)), {
      known: true,
      isNew: false,
      bury: [],
    });
    assert.deepEqual(await directory.close("alone", alone.closing!), alone.record);
    assert.deepEqual(await directory.bury({ room: "alone", dead: A, by: B }), alone);
    assert.equal(await directory.bury({ room: "alone", dead: A, by: C }), undefined);
  },

  "a room that is taken over and removed is nobody's, its former keeper's neither": async (
    directory,
  ) => {
    const { claim } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    await directory.release({ room: "r", identity: "ann", number: claim!.number });
    closingOf(await directory.leave({ room: "r", node: A }));
    await directory.enter({ room: "r", node: B, region: "here" });
    await directory.remove("r", "RQ_1");
    assert.deepEqual(await directory.roomsOf(A), []);
  },

  "a keeper that dies hands its rooms to who buries it": async (directory) => {
    await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const closing = closingOf(await directory.leave({ room: "r", node: A }));
    const burial = (await directory.bury({ room: "r", dead: A, by: B }))!;
    assert.equal(burial.closing!.keeper, B);
    assert.equal(await directory.close("r", closing), undefined);
    assert.ok(await directory.close("r", burial.closing!));
  },

  "a node that comes back is told that it was without a lease": async (directory) => {
    await directory.heartbeat(nodeRecord(A));
    await directory.withdraw(A);
    assert.deepEqual(await directory.heartbeat(nodeRecord(A)), {
      known: false,
      isNew: false,
      bury: [],
    });
    assert.equal(await directory.forget(A), false);
    assert.equal((await directory.heartbeat(nodeRecord(A))).known, true);
    assert.equal(await directory.forget(C), true);
  },

  "what a node asserts is put right": async (directory) => {
    const { record } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const bob = await entered(directory.enter(joining("r", A, "bob", "PA_2")));
    const cat = await entered(directory.enter(joining("r", A, "cat", "PA_3")));
    const newer = await entered(directory.enter(joining("r", B, "bob", "PA_4")));
    const later = await entered(directory.enter(joining("r", A, "dan", "PA_5")));
    // A missed that bob is on B, has let ann go, and has not heard yet that dan is in.
    const claims = [claimOf(bob, A, "bob", "PA_2"), claimOf(cat, A, "cat", "PA_3")]
      .map((claim) => ({ ...claim, counted: false }));
    assert.deepEqual(await directory.assert({ node: A, record, claims }), {
      ok: true,
      record,
      nodes: [A, B],
      newer: [claimOf(newer, B, "bob", "PA_4")],
      beaten: [],
    });
    assert.deepEqual(await isIn(directory, "r"), [`bob@${B}`, `cat@${A}`, `dan@${A}`]);
    assert.deepEqual(await directory.claim("r", "dan"), claimOf(later, A, "dan", "PA_5"));
    assert.equal((await directory.find("r"))!.counted, 2);
  },

  "a directory that lost everything learns it from the nodes": async (directory) => {
    const first = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const second = await entered(directory.enter(joining("r", B, "ann", "PA_2")));
    await directory.remove("r", "q");
    // As one of which nothing is known.
    const record = { ...first.record, sid: "RM_lost" as RoomSid };
    const older = [{ ...claimOf(first, A, "ann", "PA_1"), counted: true }];
    const newer = [{ ...claimOf(second, B, "ann", "PA_2"), counted: true }];
    const a = await directory.assert({ node: A, record, claims: older });
    assert.deepEqual(a, { ok: true, record, nodes: [A], newer: [], beaten: [] });
    const changed = { ...record, plan: "b", version: 2, writer: B };
    const b = await directory.assert({ node: B, record: changed, claims: newer });
    assert.deepEqual(b, {
      ok: true,
      record: changed,
      nodes: [A, B],
      newer: [],
      beaten: [claimOf(first, A, "ann", "PA_1")],
    });
    assert.deepEqual(await isIn(directory, "r"), [`ann@${B}`]);
    assert.deepEqual(await directory.roomsOf(B), ["r"]);
    assert.deepEqual((await directory.list()).map(({ counted }) => counted), [1]);
    const create = roomSeed("RM_2");
    const next = await entered(directory.enter(joining("r", A, "cat", "PA_3", { create })));
    assert.ok(next.claim!.number > second.claim!.number);
    assert.equal(next.created, false);
  },

  "of two versions with one number the one that was told first holds": async (directory) => {
    const { record } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const byB = { ...record, plan: "b", version: 2, writer: B };
    const byA = { ...record, plan: "a", version: 2, writer: A };
    for (const asserted of [byA, byB, byA, record]) {
      const answer = await directory.assert({ node: B, record: asserted, claims: [] });
      assert.ok(answer.ok);
      assert.deepEqual(answer.record, byA, "each hears which it is");
    }
    assert.deepEqual((await directory.find("r"))!.record, byA);
  },

  "a room under the same name is not another's": async (directory) => {
    const { record } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const other = { ...record, sid: "RM_other" as RoomSid, version: 9 };
    assert.deepEqual(await directory.assert({ node: B, record: other, claims: [] }), {
      ok: false,
      record,
    });
    assert.deepEqual((await directory.find("r"))!.nodes, [A]);
    assert.deepEqual(await directory.roomsOf(B), []);
  },

  "a ban is told to each node that begins to serve a room of that name": async (directory) => {
    const ban = { identity: "é\nann", beforeMs: 1_700_000_000_123, knownExpiryMs: 0 };
    assert.equal(await directory.bar({ room: "r", ban, keepMs: 60_000 }), true);
    const short = { ...ban, identity: "bob" };
    assert.equal(await directory.bar({ room: "r", ban: short, keepMs: 0 }), true);
    const later = { ...ban, beforeMs: 1_700_000_000_124, knownExpiryMs: 1_800_000_000_000 };
    assert.equal(await directory.bar({ room: "r", ban: later, keepMs: 60_000 }), true);
    const first = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    assert.deepEqual(first.bans, [later]);
    assert.equal((await entered(directory.enter(joining("r", A, "bob", "PA_2")))).bans, undefined);
    await directory.remove("r", "q");
    const create = roomSeed("RM_2");
    const anew = await entered(directory.enter(joining("r", B, "ann", "PA_3", { create })));
    assert.deepEqual(anew.bans, [later]);
    assert.equal((await entered(directory.enter(joining("s", A, "ann", "PA_4")))).bans, undefined);
  },

  "who was replaced is freed with its node, unless that had released it": async (directory) => {
    const first = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const second = await entered(directory.enter(joining("r", A, "bob", "PA_2")));
    await entered(directory.enter(joining("r", A, "cat", "PA_3")));
    for (const [identity, sid] of [["ann", "PA_4"], ["bob", "PA_5"]] as const) {
      await entered(directory.enter(joining("r", B, identity, sid)));
    }
    // Again within a node, which knows of it.
    await entered(directory.enter(joining("r", B, "bob", "PA_6")));
    const { number } = second.claim!;
    assert.equal(await directory.release({ room: "r", identity: "bob", number }), false);
    const burial = await directory.bury({ room: "r", dead: A, by: B });
    assert.deepEqual(burial?.freed.map(({ sid }) => sid).sort(), ["PA_1", "PA_3"]);
    assert.equal(burial?.freed.find(({ sid }) => sid === "PA_1")?.number, first.claim!.number);
    assert.deepEqual(await isIn(directory, "r"), [`ann@${B}`, `bob@${B}`]);
    assert.deepEqual((await directory.bury({ room: "r", dead: A, by: C }))?.freed, []);
  },

  "a node that asserts tells itself of those who were replaced": async (directory) => {
    const { record, claim } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    await entered(directory.enter(joining("r", A, "bob", "PA_2")));
    for (const [identity, sid] of [["ann", "PA_4"], ["bob", "PA_5"]] as const) {
      await entered(directory.enter(joining("r", B, identity, sid)));
    }
    const ann = { identity: "ann", node: A, sid: "PA_1" as ParticipantSid, counted: true };
    const claims = [{ ...ann, number: claim!.number }];
    await directory.assert({ node: A, record, claims });
    const burial = await directory.bury({ room: "r", dead: A, by: B });
    assert.deepEqual(burial?.freed.map(({ sid }) => sid), ["PA_1"]);
  },

  "a room of which nothing is known is lost, unless it has ended": async (directory) => {
    const { record } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const { sid } = record;
    const lost = { room: "r", node: A, sid: "RM_lost" as RoomSid };
    assert.equal(await directory.leave(lost), "lost");
    const closing = closingOf(await directory.leave({ room: "r", node: A, sid }));
    assert.equal(await directory.close("r", closing, lost.sid), "lost");
    assert.deepEqual(await directory.close("r", closing, sid), record);
    assert.equal(await directory.leave({ room: "r", node: A, sid }), undefined);
    assert.equal(await directory.leave(lost), "lost");
    assert.equal(await directory.close("r", { ...closing, number: 1 }, sid), undefined);
    assert.deepEqual(await directory.assert({ node: B, record, claims: [] }), { ok: false });
    assert.equal(await directory.find("r"), undefined, "it is not made again");
    const other = { ...record, sid: lost.sid };
    assert.equal((await directory.assert({ node: B, record: other, claims: [] })).ok, true);
  },

  "the end of a room that was superseded is told by one": async (directory) => {
    const { record } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const room = { room: "r", sid: record.sid };
    const old = { room: "r", sid: "RM_old" as RoomSid };
    assert.equal(await directory.lastWord({ ...room, node: A }), false, "it is there");
    assert.equal(await directory.lastWord({ ...old, node: B }), true);
    assert.equal(await directory.lastWord({ ...old, node: A }), false);
    assert.equal(await directory.lastWord({ ...old, node: B }), true, "the answer may be lost");
    await directory.remove("r", "q");
    assert.equal(await directory.lastWord({ ...room, node: A }), false, "who deleted it told");
  },

  "an assertion cancels the closing": async (directory) => {
    const { record } = await entered(directory.enter(joining("r", A, "ann", "PA_1")));
    const closing = closingOf(await directory.leave({ room: "r", node: A }));
    await directory.assert({ node: B, record, claims: [] });
    assert.equal(await directory.close("r", closing), undefined);
    assert.deepEqual((await directory.find("r"))!.nodes, [B]);
  },

  "names may be anything": async (directory) => {
    const names = ["__proto__", "a\0b", "'\"\\", "]]", "x".repeat(5_000), "\u2028", "constructor"];
    for (const name of names) {
      await entered(directory.enter(joining(name, A, name, "PA_1")));
      const claim = (await directory.claim(name, name))!;
      assert.equal(claim.identity, name);
      assert.equal((await directory.find(name))!.record.name, name);
      assert.equal(await directory.release({ room: name, ...claim }), true);
      const closing = closingOf(await directory.leave({ room: name, node: A }));
      assert.ok(await directory.close(name, closing));
    }
    assert.deepEqual(await directory.list(), []);
  },

  "a shelf keeps texts by name, and puts them over what they are to replace": async (directory) => {
    const { shelf } = directory;
    assert.equal(await shelf.get("ingress", "a"), undefined);
    assert.equal(await shelf.put("ingress", "a", "one\n\u2028"), true);
    assert.equal(await shelf.put("ingress-key", "a", "other"), true);
    assert.equal(await shelf.get("ingress", "a"), "one\n\u2028");
    assert.equal(await shelf.put("ingress", "a", "no", "two"), false);
    assert.equal(await shelf.put("ingress", "a", "yes", "one"), true);
    assert.equal(await shelf.put("ingress", "b", "no", "two"), false);
    assert.equal(await shelf.put("ingress", "__proto__", "p"), true);
    assert.deepEqual(
      [...await shelf.all("ingress")].sort(),
      [["__proto__", "p"], ["a", "yes"]],
    );
    assert.equal(await shelf.remove("ingress", "a"), true);
    assert.equal(await shelf.remove("ingress", "a"), false);
    assert.deepEqual([...await shelf.all("ingress-key")], [["a", "other"]]);
  },
};
