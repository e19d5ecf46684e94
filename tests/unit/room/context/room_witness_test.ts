import assert from "node:assert/strict";
import {
  ChatMessage,
  DataPacket,
  DataStream_Chunk,
  DataStream_Header,
  DataStream_TextHeader,
  UserPacket,
} from "@livekit/protocol";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { CHAT_LIMITS } from "../../../../lib/engine/data/chat_tap.ts";
import type { RoomContext } from "../../../../lib/room/context/room_context.ts";
import { MOST_LEFT, RoomData } from "../../../../lib/room/data/room_data.ts";
import { type RoomWitness, RoomWitnesses } from "../../../../lib/room/context/room_witness.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const CHAT = new DataPacket({
  value: { case: "chatMessage", value: new ChatMessage({ id: "1", message: "hello" }) },
}).toBinary();

function listening() {
  const told: string[] = [];
  const witness: RoomWitness = {
    said: ({ value }) => void told.push(`said ${value.case}`),
    spoke: (changes) => void told.push(`spoke ${changes.length}`),
  };
  return { told, witness };
}

/** One room's data, what it sends on, and whose chats it forgets. */
function roomData() {
  const platform = new VirtualPlatform();
  const sent: { readonly from?: number }[] = [];
  let lastId = 0;
  const router = {
    newDataId: () => ++lastId,
    send: (command: { readonly from?: number }) => sent.push(command),
  };
  const counters = new DropCounters();
  const context = { router, counters } as unknown as RoomContext;
  const link = () => ({ hasPeers: true, deliver: () => true });
  const data = new RoomData("lobby", context, platform, link, () => {});
  const forgotten: number[] = [];
  const forget = data.witnesses.forget.bind(data.witnesses);
  data.witnesses.forget = (number) => {
    forgotten.push(number);
    forget(number);
  };
  return { data, sent, counters, forgotten };
}

Deno.test("RoomWitnesses: one that throws harms neither the room nor the others, and is told of", () => {
  const errors: unknown[] = [];
  const witnesses = new RoomWitnesses((error) => void errors.push(error), () => {});
  const fail = () => {
    throw new Error("a bug");
  };
  const [first, last] = [listening(), listening()];
  witnesses.add(first.witness);
  witnesses.add({ said: fail, spoke: fail });
  witnesses.add(last.witness);
  witnesses.said(CHAT);
  witnesses.spoke([{ sid: "PA_1", active: true }]);
  for (const { told } of [first, last]) assert.deepEqual(told, ["said chatMessage", "spoke 1"]);
  assert.deepEqual(errors.map(String), ["Error: a bug", "Error: a bug"]);
});

Deno.test("RoomWitnesses pass over what is for some, what cannot be read and what is no chat", () => {
  const { told, witness } = listening();
  const witnesses = new RoomWitnesses((error) => assert.fail(String(error)), () => {});
  witnesses.said(CHAT);
  witnesses.add(witness);
  const packet = DataPacket.fromBinary(CHAT);
  packet.destinationIdentities = ["bob"];
  witnesses.said(packet.toBinary());
  witnesses.said(CHAT.subarray(0, CHAT.length - 1));
  const user = new DataPacket({
    value: { case: "user", value: new UserPacket({ payload: Uint8Array.of(1), topic: "game" }) },
  });
  witnesses.said(user.toBinary());
  witnesses.spoke([]);
  assert.deepEqual(told, []);
});

Deno.test("RoomWitnesses hear of who is on another node as much as of who is here, and no more", () => {
  const { told, witness } = listening();
  let dropped = 0;
  const witnesses = new RoomWitnesses((error) => assert.fail(String(error)), () => dropped++);
  witnesses.add(witness);
  const { messagesPerS } = CHAT_LIMITS;
  for (let i = 0; i < 5_000; i++) witnesses.saidAfar(CHAT, 7, 0);
  assert.ok(told.length <= messagesPerS + 1, `${told.length} at once`);
  assert.equal(told.length + dropped, 5_000);
  const before = told.length;
  witnesses.saidAfar(CHAT, 8, 0);
  witnesses.saidAfar(CHAT, 7, 2_000);
  assert.equal(told.length, before + 2, "others, and later");
  witnesses.forget(7);
});

Deno.test("RoomData does not hear every message of a flood that comes from another node", () => {
  const { told, witness } = listening();
  const { data, sent, counters } = roomData();
  data.witnesses.add(witness);
  for (let i = 0; i < 5_000; i++) data.arrived({ from: "PA_far", kind: "reliable", bytes: CHAT });
  assert.equal(sent.length, 5_000);
  assert.equal(told.length + counters.get("room_chat_not_kept"), 5_000);
  assert.ok(told.length <= CHAT_LIMITS.messagesPerS + 1, `${told.length} at once`);
  const before = told.length;
  data.arrived({ from: "", kind: "reliable", bytes: CHAT });
  assert.equal(told.length, before + 1, "the server's own");
  data.remoteLeft("PA_far");
  data.arrived({ from: "PA_far", kind: "reliable", bytes: CHAT });
  assert.equal(told.length, before + 1, "nobody has more for having left");
  for (let i = 0; i < MOST_LEFT; i++) data.remoteLeft(`PA_${i}`);
  data.arrived({ from: "PA_far", kind: "reliable", bytes: CHAT });
  assert.equal(told.length, before + 2, "it was forgotten when others had left after it");
});

for (const hasSpoken of [true, false]) {
  const when = hasSpoken ? "" : ", also of who had said nothing before";
  Deno.test(`RoomData takes what comes after its sender has left for the same sender's${when}`, () => {
    const { told, witness } = listening();
    const { data, sent, forgotten } = roomData();
    data.witnesses.add(witness);
    const arrives = (value: DataPacket["value"]) => {
      const bytes = new DataPacket({ value }).toBinary();
      data.arrived({ from: "PA_far", kind: "reliable", bytes });
    };
    const header = new DataStream_Header({
      streamId: "s",
      topic: "lk.chat",
      contentHeader: { case: "textHeader", value: new DataStream_TextHeader() },
    });
    const chunk = new DataStream_Chunk({ streamId: "s", content: new TextEncoder().encode("hi") });
    if (hasSpoken) arrives({ case: "streamHeader", value: header });
    data.remoteLeft("PA_far");
    if (!hasSpoken) arrives({ case: "streamHeader", value: header });
    arrives({ case: "streamChunk", value: chunk });
    assert.deepEqual(told, ["said streamHeader", "said streamChunk"]);
    const [number, another] = sent.map(({ from }) => from);
    assert.ok(number !== undefined);
    assert.equal(another, number);
    assert.deepEqual(forgotten, []);
    for (let i = 0; i < MOST_LEFT; i++) data.remoteLeft(`PA_${i}`);
    assert.deepEqual(forgotten, [number]);
  });
}
