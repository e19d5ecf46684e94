/**
 * Data packets through the whole media engine over real sockets, with werift's SCTP as the client.
 */
import assert from "node:assert/strict";
import type { DataKind } from "../../lib/base/media_vocabulary.ts";
import { roomTest } from "../support/wire/room_tests.ts";
import { userPacket, userText } from "../support/wire/user_packet.ts";
import type { Peer, WireRoom } from "../support/wire/wire_room.ts";

/** A message of the server itself, to everybody. */
function say(room: WireRoom, kind: DataKind, text: string): void {
  room.send({ type: "send_room_data", room: 1, kind, bytes: userPacket(text) });
}

/** Waits for what came, from participants and the server, on one of a peer's channels. */
async function texts(room: WireRoom, { client }: Peer, label: string, count: number) {
  const came = () => client.channels!.messages.filter((message) => message.label === label);
  await room.until(`${count} messages on ${label}`, () => came().length === count);
  return came().map(({ bytes }) => userText(bytes));
}

for (const protocol of ["udp", "tcp"] as const) {
  roomTest(
    `MediaEngine carries messages from one client to the others, in order, over ${protocol}`,
    async (room) => {
      const sender = await room.connect({ protocol, dataChannels: "accept" });
      const receivers = [];
      for (let i = 0; i < 2; i++) {
        receivers.push(await room.connect({ protocol, dataChannels: "create" }));
      }
      const bystander = await room.connect({ protocol, dataChannels: "create" });
      for (const peer of [sender, ...receivers]) room.joinData(peer);
      room.joinData(bystander, { room: 2 });
      const { channels } = sender.client;
      channels!.open("_reliable", { ordered: true });
      channels!.open("_lossy", { ordered: false, maxRetransmits: 0 });
      for (const label of ["_reliable", "_lossy"]) {
        await room.event("data_channel_open", (event) => event.label === label);
        for (const { client } of [sender, ...receivers, bystander]) {
          await room.until(`${label} at a client`, () => client.channels!.isOpen(label));
        }
      }
      const large = "large ".repeat(3_000); // many SCTP packets
      for (let i = 0; i < 20; i++) channels!.send("_reliable", userPacket(`message ${i}`));
      channels!.send("_reliable", userPacket(large));
      channels!.send("_lossy", userPacket("quick"));
      const expected = [...Array.from({ length: 20 }, (_, i) => `message ${i}`), large];
      for (const receiver of receivers) {
        assert.deepEqual(await texts(room, receiver, "_reliable", 21), expected);
        assert.deepEqual(await texts(room, receiver, "_lossy", 1), ["quick"]);
      }
      say(room, "reliable", "from the server");
      for (const receiver of receivers) {
        const all = await texts(room, receiver, "_reliable", 22);
        assert.equal(all.at(-1), "from the server");
      }
      assert.deepEqual(await texts(room, sender, "_reliable", 1), ["from the server"]);
      assert.deepEqual(bystander.client.channels!.messages, []);
      assert.ok(!room.events.some(({ type }) => type === "data_sent"), "nobody was told of it");
    },
  );
}

roomTest("MediaEngine keeps reliable data for a channel that is not open yet", async (room) => {
  const peer = await room.connect({ dataChannels: "accept" });
  room.joinData(peer);
  say(room, "reliable", "early");
  say(room, "lossy", "too early");
  const { drops } = await room.stats();
  assert.equal(drops.data_lossy_not_open, 1);
  peer.client.channels!.open("_reliable", { ordered: true });
  assert.deepEqual(await texts(room, peer, "_reliable", 1), ["early"]);
});

roomTest(
  "MediaEngine tells once that a connection's data channels have ended, and keeps it",
  async (room) => {
    const peer = await room.connect({ dataChannels: "accept" });
    room.joinData(peer);
    peer.client.channels!.open("_reliable", { ordered: true });
    await room.event("data_channel_open");
    await peer.client.channels!.close();
    const { connection } = await room.event("data_channels_failed");
    assert.equal(connection, peer.id);
    say(room, "reliable", "to nobody");
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
