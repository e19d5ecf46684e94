import assert from "node:assert/strict";
import { DataPacket, UserPacket } from "@livekit/protocol";
import { silentLog } from "../../../../lib/base/platform.ts";
import type { NodePorts } from "../../../../lib/room/context/node_ports.ts";
import { World } from "../../../support/virtual/scripted_client.ts";

function portsWithLog() {
  const told: string[] = [];
  const ports: NodePorts = {
    placement: {
      place: (room, identity) => {
        told.push(`place ${identity} in ${room}`);
        return Promise.resolve({ here: identity !== "far" });
      },
      released: (room) => void told.push(`released ${room}`),
    },
    remoteMembers: {
      open: ({ name }) => {
        told.push(`open ${name}`);
        return {
          changed: ({ identity, active }) => void told.push(`${identity} ${active}`),
          left: ({ identity }) => void told.push(`${identity} left`),
          close: () => void told.push(`close ${name}`),
        };
      },
    },
    dataBridge: {
      deliver: (room, { kind, destinationIdentities }) =>
        void told.push(`${kind} data of ${room} to ${[...destinationIdentities]}`),
    },
  };
  return { told, world: new World({}, true, 0, silentLog, ports) };
}

Deno.test("Room tells other nodes of its members and data, from its opening to its end", async () => {
  const { told, world } = portsWithLog();
  const ann = await world.joined("ann");
  const user = new UserPacket({ payload: new Uint8Array([1]) });
  const packet = new DataPacket({
    destinationIdentities: ["bob"],
    value: { case: "user", value: user },
  });
  world.rooms.get("lobby")!.sendData(packet, "reliable");
  await ann.sendData("_lossy", packet.toBinary());
  world.rooms.delete("lobby");
  assert.deepEqual(told.filter((line, i) => line !== told[i - 1]), [
    "open lobby",
    "ann false",
    "ann true",
    "reliable data of lobby to bob",
    "lossy data of lobby to bob",
    "ann left",
    "close lobby",
    "released lobby",
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

Deno.test("SignalService.place() refuses whom another node serves", async () => {
  const { told, world } = portsWithLog();
  assert.deepEqual(await world.service.place(world.parameters("ann")), { ok: true });
  assert.deepEqual(await world.service.place(world.parameters("far")), {
    ok: false,
    status: 503,
    body: "room is served by another node",
  });
  assert.deepEqual(told, ["place ann in lobby", "place far in lobby"]);
});
