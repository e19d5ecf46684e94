import assert from "node:assert/strict";
import { DataPacket, DisconnectReason, LeaveRequest_Action, UserPacket } from "@livekit/protocol";
import type { NodeId, ParticipantSid, RoomSid } from "../../../../lib/base/ids.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import type {
  Departure,
  Entry,
  NodePorts,
  RoomRecord,
} from "../../../../lib/room/context/node_ports.ts";
import type { RoomObserver } from "../../../../lib/room/context/room_events.ts";
import { World } from "../../../support/virtual/scripted_client.ts";

/** One node's view of rooms that are decided about elsewhere, by whatever the test says. */
function sharedWorld(autoCreateRooms = true) {
  const told: string[] = [];
  const records = new Map<string, RoomRecord>();
  const answers: {
    entry: Entry | undefined;
    departure: Departure;
    rival: string | undefined;
    isLastWord: boolean;
  } = { entry: undefined, departure: "finished", rival: undefined, isLastWord: false };
  let claims = 0;
  const ports: NodePorts = {
    placement: {
      enter: ({ room, plan, newcomer }) => {
        told.push(`enter ${room}${newcomer === undefined ? "" : ` for ${newcomer.identity}`}`);
        if (answers.entry !== undefined) return Promise.resolve(answers.entry);
        const known = records.get(room);
        if (known === undefined && plan === undefined) {
          return Promise.resolve({ ok: false, reason: "not_found" });
        }
        const sid = "RM_shared" as RoomSid;
        const record = known ?? { sid, createdAtMs: 1_000, version: 1, plan: plan! };
        records.set(room, record);
        const number = ++claims;
        const claim = { sid: `PA_${number}` as ParticipantSid, number };
        const claimed = newcomer === undefined ? {} : { claim };
        return Promise.resolve({
          ok: true,
          record,
          created: known === undefined,
          nodes: [],
          ...claimed,
        });
      },
      find: (room) => Promise.resolve(records.has(room) ? ["ND_1" as NodeId] : undefined),
      list: () => Promise.resolve([]),
      joined: (room, { number }) => void told.push(`joined ${number} in ${room}`),
      forgo: (room, identity, { number }) =>
        void told.push(`forgo ${identity} ${number} in ${room}`),
      release: (room, identity, { number }) =>
        void told.push(`release ${identity} ${number} in ${room}`),
      leave: (room, _sid, last) => {
        told.push(`leave ${room} ${last}`);
        return Promise.resolve(answers.departure);
      },
      update: (room, _sid, version, plan) => {
        const now = records.get(room)!;
        const { rival } = answers;
        answers.rival = undefined;
        const metadata = rival ?? plan.metadata;
        const next = { ...now, version: now.version + 1, plan: { ...plan, metadata } };
        if (version === now.version) records.set(room, next);
        return Promise.resolve({
          done: version === now.version && rival === undefined,
          record: records.get(room)!,
        });
      },
      bar() {},
      lastWord: (room) => {
        told.push(`last word ${room}`);
        return Promise.resolve(answers.isLastWord);
      },
      remove: (room) => {
        told.push(`remove ${room}`);
        return Promise.resolve(records.delete(room));
      },
    },
    remoteMembers: {
      carry: () => Promise.resolve(undefined),
      settled: () => Promise.resolve(),
      open: ({ name }) => {
        told.push(`open ${name}`);
        return {
          changed: ({ identity, active }) => void told.push(`${identity} ${active}`),
          left: ({ identity }) => void told.push(`${identity} left`),
          planned: ({ version }) => void told.push(`version ${version}`),
          hasPeers: true,
          deliver: ({ from, kind, identities }) => {
            told.push(`${kind} data of ${from || "the server"} to ${identities}`);
            return true;
          },
          levels() {},
          quality() {},
          speakerSimulated() {},
          barred() {},
          settled: () => Promise.resolve(),
          ended: (reason) => void told.push(`ended ${DisconnectReason[reason]}`),
          meet: (nodes) => {
            told.push(`meet ${nodes}`);
            return Promise.resolve();
          },
          close: () => void told.push(`close ${name}`),
        };
      },
    },
  };
  const observer: RoomObserver = {
    roomStarted: ({ name }) => void told.push(`${name} started`),
    roomFinished: ({ name }, reason) =>
      void told.push(`${name} finished ${DisconnectReason[reason]}`),
  };
  const world = new World({}, autoCreateRooms, 0, silentLog, ports, [observer]);
  /** Joins as a route does. */
  const join = async (identity: string) => {
    const placed = await world.service.place(world.parameters(identity));
    assert.ok(placed.ok);
    assert.ok(world.service.admitSession(placed.join).ok);
    return await world.joined(identity, { claim: placed.join.claim! });
  };
  return { told, world, answers, records, join };
}

Deno.test("Room tells other nodes of its members and data, from its opening to its end", async () => {
  const { told, world, join } = sharedWorld();
  const ann = await join("ann");
  const user = new UserPacket({ payload: new Uint8Array([1]) });
  const packet = new DataPacket({
    destinationIdentities: ["bob"],
    value: { case: "user", value: user },
  });
  world.rooms.get("lobby")!.sendData(packet, "reliable");
  await ann.sendData("_lossy", packet.toBinary());
  assert.ok(await world.rooms.delete("lobby"));
  assert.deepEqual(told.filter((line, i) => line !== told[i - 1]), [
    "enter lobby for ann",
    "open lobby",
    "lobby started",
    "meet ",
    "ann false",
    "joined 1 in lobby",
    "ann true",
    "reliable data of the server to bob",
    "lossy data of PA_1 to bob",
    "remove lobby",
    "ended ROOM_DELETED",
    "ann left",
    "release ann 1 in lobby",
    "close lobby",
    "lobby finished ROOM_DELETED",
  ]);
});

Deno.test("Room has nobody told of data that is alone", async () => {
  const world = new World();
  const ann = await world.joined("ann");
  await ann.openPublisher();
  const told: string[] = [];
  world.engine.onEvent = ({ type }) => void told.push(type);
  const value = new UserPacket({ payload: new Uint8Array([1]) });
  await ann.sendData("_lossy", new DataPacket({ value: { case: "user", value } }).toBinary());
  assert.deepEqual(told, []);
});

Deno.test("SignalService.place() gives the claim under which a participant joins", async () => {
  const { world, join } = sharedWorld();
  const ann = await join("ann");
  assert.equal(ann.participant.sid, "PA_1");
  assert.equal(world.rooms.get("lobby")!.sid, "RM_shared");
  assert.equal(world.rooms.get("lobby")!.info().creationTimeMs, 1_000n);
});

Deno.test("SignalService.place() says in LiveKit's words why a room is not for somebody", async () => {
  const { world, answers } = sharedWorld();
  const refusals: (readonly [Entry & { ok: false }, number, string])[] = [
    [{ ok: false, reason: "elsewhere" }, 503, "room is served by another node"],
    [{ ok: false, reason: "room_full" }, 500, "room has exceeded its max participants"],
    [{ ok: false, reason: "room_locked" }, 403, "room is locked"],
    [{ ok: false, reason: "not_found" }, 404, "requested room does not exist"],
    [{ ok: false, reason: "unavailable" }, 503, "rooms of other nodes cannot be asked for now"],
  ];
  for (const [entry, status, body] of refusals) {
    answers.entry = entry;
    const placed = await world.service.place(world.parameters("ann"));
    const retryAfter = entry.reason === "unavailable" ? { retryAfterS: 1 } : {};
    assert.deepEqual(placed, { ok: false, status, body, ...retryAfter });
  }
  assert.equal(world.rooms.get("lobby"), undefined);
});

Deno.test("SignalService.confirm() knows rooms of other nodes", async () => {
  const { world, records } = sharedWorld(false);
  const ann = world.parameters("ann");
  assert.ok(world.service.admit(ann).ok, "whether the room is there is not known yet");
  assert.equal((await world.service.confirm(ann) as { status?: number }).status, 404);
  const { record } = new World().rooms.create({ name: "lobby" });
  records.set("lobby", record);
  assert.deepEqual(await world.service.confirm(ann), { ok: true });
});

Deno.test("SignalService.admitSession() gives back the claim of whom it refuses", async () => {
  const { told, world } = sharedWorld();
  const placed = await world.service.place(
    world.parameters("ann", { metadata: "x".repeat(70_000) }),
  );
  assert.ok(placed.ok);
  assert.equal(world.service.admitSession(placed.join).ok, false);
  assert.equal(told.at(-1), "forgo ann 1 in lobby");
});

Deno.test("SignalService.place() asks nobody of whom it knows to refuse, nor for ever what comes to nothing", async () => {
  const { told, world, join, answers } = sharedWorld();
  const user = { publish: "x", tokenIdentity: "ann" };
  await join("bob");
  for (let i = 0; i < 10; i++) await world.joined(`ann#${i}`, user);
  const asked = () => told.filter((line) => line.startsWith("enter ")).length;
  const before = asked();
  const capped = await world.service.place(world.parameters("ann#10", user));
  assert.deepEqual([capped.ok, !capped.ok && capped.status, asked() - before], [false, 429, 0]);
  answers.entry = { ok: false, reason: "room_full" };
  const statuses = new Map<number, number>();
  for (let i = 0; i < 1_000; i++) {
    const placed = await world.service.place(world.parameters("eve"));
    assert.ok(!placed.ok);
    statuses.set(placed.status, (statuses.get(placed.status) ?? 0) + 1);
  }
  assert.deepEqual([...statuses.keys()], [500, 429]);
  assert.ok(asked() - before < 200, `${asked() - before} times`);
});

Deno.test("SignalService.open() refuses whom a later claim has replaced, or whose room has ended", async () => {
  const { told, world, join } = sharedWorld();
  const early = await world.service.place(world.parameters("ann"));
  assert.ok(early.ok);
  const ann = await join("ann");
  const late = await world.open("ann", { claim: early.join.claim! });
  assert.equal(late.last("leave").reason, DisconnectReason.DUPLICATE_IDENTITY);
  assert.equal(told.at(-1), "forgo ann 1 in lobby");
  assert.equal(ann.participant.closed, false);
  const bob = await world.service.place(world.parameters("bob"));
  assert.ok(bob.ok);
  await world.rooms.delete("lobby");
  const lost = await world.open("bob", { claim: bob.join.claim! });
  assert.equal(lost.last("leave").reason, DisconnectReason.JOIN_FAILURE);
  assert.equal(told.at(-1), "forgo bob 3 in lobby");
});

Deno.test("Room ends for all only by the word of whoever decides", async () => {
  for (const departure of ["finished", "left", "kept"] as const) {
    const { told, world, answers, join } = sharedWorld();
    answers.departure = departure;
    const ann = await join("ann");
    ann.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
    await world.pass(21_000);
    assert.equal(told.filter((line) => line === "leave lobby finish").length, 1);
    assert.equal(told.includes("lobby finished ROOM_CLOSED"), departure === "finished");
    assert.equal(world.rooms.get("lobby") !== undefined, departure === "kept");
    await world.pass(5_000);
    const asked = told.filter((line) => line === "leave lobby finish").length;
    assert.equal(asked, departure === "kept" ? 2 : 1, "what was not settled is asked again");
  }
});

Deno.test("Room changes its plan on top of what others have made of it", async () => {
  const { world, answers, join } = sharedWorld();
  const ann = await join("ann");
  answers.rival = "theirs";
  const room = world.rooms.get("lobby")!;
  await room.setMetadata("ours");
  await world.settle();
  const seen = ann.all("roomUpdate").map(({ room }) => room!.metadata);
  assert.deepEqual(seen.slice(-2), ["theirs", "ours"]);
  assert.equal(room.record.version, 3);
  room.adopt({ ...room.record, version: 2, plan: { ...room.record.plan, metadata: "old" } });
  assert.equal(room.info().metadata, "ours");
});

for (const isLast of [true, false]) {
  Deno.test(`LocalRooms.enter() gives up a room that is another one, told ${isLast}`, async () => {
    const { told, world, records, answers, join } = sharedWorld();
    answers.isLastWord = isLast;
    const ann = await join("ann");
    const before = world.rooms.get("lobby")!;
    records.set("lobby", { ...before.record, sid: "RM_next" as RoomSid });
    await join("bob");
    assert.ok(before.closed);
    assert.equal(ann.last("leave").action, LeaveRequest_Action.RECONNECT);
    assert.equal(world.rooms.get("lobby")!.sid, "RM_next");
    assert.equal(told.includes("last word lobby"), true);
    const finished = told.filter((line) => line.startsWith("lobby finished"));
    assert.deepEqual(finished, isLast ? ["lobby finished STATE_MISMATCH"] : []);
  });
}

Deno.test("LocalRooms.close() leaves shared rooms to the others", async () => {
  const { told, world, join } = sharedWorld();
  await join("ann");
  world.rooms.close();
  await world.settle();
  assert.equal(told.at(-1), "leave lobby go");
  assert.equal(told.some((line) => line.startsWith("lobby finished")), false);
});
