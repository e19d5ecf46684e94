/**
 * Data packets through the whole media engine over real sockets, with werift's SCTP as the client.
 */
import assert from "node:assert/strict";
import type { ConnectionId } from "../../lib/base/ids.ts";
import type { DataKind } from "../../lib/base/media_vocabulary.ts";
import type { EngineEvent } from "../../lib/engine/messages/engine_messages.ts";
import { roomTest } from "../support/wire/room_tests.ts";
import type { WireRoom } from "../support/wire/wire_room.ts";

type Received = Extract<EngineEvent, { type: "data_received" }>;

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function received(room: WireRoom, connection: ConnectionId): Received[] {
  return room.events.filter((event): event is Received =>
    event.type === "data_received" && event.connection === connection
  );
}

function sendData(
  room: WireRoom,
  connections: readonly ConnectionId[],
  kind: DataKind,
  content: string,
): void {
  room.send({ type: "send_data", connections, kind, bytes: new TextEncoder().encode(content) });
}

for (const protocol of ["udp", "tcp"] as const) {
  roomTest(
    `MediaEngine takes messages of channels the client opens, in order, over ${protocol}`,
    async (room) => {
      const peer = await room.connect({ protocol, dataChannels: "accept" });
      peer.client.channels!.open("_reliable", { ordered: true });
      peer.client.channels!.open("_lossy", { ordered: false, maxRetransmits: 0 });
      for (const label of ["_reliable", "_lossy"]) {
        await room.event("data_channel_open", (event) => event.label === label);
        await room.until(`${label} at the client`, () => peer.client.channels!.isOpen(label));
      }
      const large = "large ".repeat(3_000); // many SCTP packets
      for (let i = 0; i < 20; i++) peer.client.channels!.send("_reliable", `message ${i}`);
      peer.client.channels!.send("_reliable", large);
      peer.client.channels!.send("_lossy", "quick");
      await room.until("all messages", () => received(room, peer.id).length === 22);
      const reliable = received(room, peer.id).filter(({ label }) => label === "_reliable");
      assert.deepEqual(
        reliable.map(({ bytes }) => text(bytes)),
        [...Array.from({ length: 20 }, (_, i) => `message ${i}`), large],
      );
      const lossy = received(room, peer.id).filter(({ label }) => label === "_lossy");
      assert.deepEqual(lossy.map(({ bytes }) => text(bytes)), ["quick"]);
    },
  );

  roomTest(
    `MediaEngine opens both channels and sends one message to several, over ${protocol}`,
    async (room) => {
      const peers = [];
      for (let i = 0; i < 3; i++) {
        peers.push(await room.connect({ protocol, dataChannels: "create" }));
      }
      const bystander = peers[2]!;
      for (const { client } of peers) {
        for (const label of ["_reliable", "_lossy"]) {
          await room.until(`${label} at the client`, () => client.channels!.isOpen(label));
        }
      }
      const addressed = peers.slice(0, 2);
      const ids = addressed.map(({ id }) => id);
      const large = "large ".repeat(3_000);
      for (let i = 0; i < 20; i++) sendData(room, ids, "reliable", `message ${i}`);
      sendData(room, ids, "reliable", large);
      sendData(room, ids, "lossy", "quick");
      for (const { client } of addressed) {
        const messages = client.channels!.messages;
        await room.until("all messages", () => messages.length === 22);
        assert.deepEqual(
          messages.filter(({ label }) => label === "_reliable").map((message) => message.text),
          [...Array.from({ length: 20 }, (_, i) => `message ${i}`), large],
        );
        assert.deepEqual(
          messages.filter(({ label }) => label === "_lossy").map((message) => message.text),
          ["quick"],
        );
      }
      assert.deepEqual(bystander.client.channels!.messages, []);
    },
  );
}

roomTest("MediaEngine counts data for a connection without open channels", async (room) => {
  const peer = await room.connect();
  sendData(room, [peer.id, "ghost" as ConnectionId], "reliable", "nobody");
  sendData(room, [peer.id], "lossy", "listens");
  const { drops } = await room.stats();
  assert.equal(drops.data_not_sent_reliable, 1);
  assert.equal(drops.data_not_sent_lossy, 1);
});

roomTest(
  "MediaEngine tells once that a connection's data channels have ended, and keeps it",
  async (room) => {
    const peer = await room.connect({ dataChannels: "accept" });
    peer.client.channels!.open("_reliable", { ordered: true });
    await room.event("data_channel_open");
    await peer.client.channels!.close();
    const { connection } = await room.event("data_channels_failed");
    assert.equal(connection, peer.id);
    sendData(room, [peer.id], "reliable", "to nobody");
    await room.until(
      "the message to be refused",
      () => room.drops.get("data_not_sent_reliable") > 0,
    );
    assert.equal(
      room.events.filter(({ type }) => type === "data_channels_failed").length,
      1,
    );
    assert.ok(!room.events.some(({ type }) => type === "connection_failed"));
  },
);
