import assert from "node:assert/strict";
import { ChatMessage, DataPacket, UserPacket } from "@livekit/protocol";
import { type RoomWitness, RoomWitnesses } from "../../../../lib/room/context/room_witness.ts";

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

Deno.test("RoomWitnesses: one that throws harms neither the room nor the others, and is told of", () => {
  const errors: unknown[] = [];
  const witnesses = new RoomWitnesses((error) => void errors.push(error));
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
  const witnesses = new RoomWitnesses((error) => assert.fail(String(error)));
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
