/**
 * Media over real sockets goes where its client is: copies of checks do not move it, and a client
 * that moves takes it along.
 *
 * @module
 */
import assert from "node:assert/strict";
import { datagramKind } from "../../lib/wire/datagram_kind.ts";
import { bindingRequest } from "../support/wire/stun_requests.ts";
import { assertDense, AUDIO, publisher, sequenceNumbers } from "../support/wire/wire_publisher.ts";
import { roomTest } from "../support/wire/room_tests.ts";
import type { Peer } from "../support/wire/wire_room.ts";
import { openWireSocket } from "../support/wire/wire_socket.ts";
import { pause } from "../support/wire/until.ts";

const SSRC = 5000;
const OTHER_SSRC = 6000;
/** Audio packets come this often, ms. */
const INTERVAL_MS = 10;
const TOP_PRIORITY = 0xffff_ffff;

/** Two checks as the client would send them, from a socket that is not its own. */
function forge(peer: Peer): Uint8Array[] {
  return [1, 2].map((mark) =>
    bindingRequest({
      server: peer.remote,
      clientUfrag: peer.local.ufrag,
      transaction: crypto.getRandomValues(new Uint8Array(12)).fill(mark, 0, 1),
      useCandidate: true,
      priority: TOP_PRIORITY,
    })
  );
}

roomTest("MediaEngine does not move a stream for checks that somebody else sent", async (room) => {
  const from = await publisher(room);
  const to = await room.connect();
  const bystander = await room.connect();
  room.subscribe(to, AUDIO, "audio", SSRC);
  room.subscribe(bystander, AUDIO, "audio", OTHER_SSRC);
  await from.client.sendRtp(from.audio.packet());
  await room.until("the first packet", () => to.client.rtpOf(SSRC).length === 1);
  await room.until("the other's", () => bystander.client.rtpOf(OTHER_SSRC).length === 1);
  const server = room.engine.addressesOf(to.id).find(({ protocol }) => protocol === "udp")!;
  const stranger = await openWireSocket(server);
  const got: Uint8Array[] = [];
  stranger.onDatagram = (bytes) => got.push(bytes);
  let forged = 0;
  const packets = 200;
  for (let i = 0; i < packets; i++) {
    if (i % 20 === 10) {
      for (const bytes of forge(to)) {
        forged += bytes.length;
        await stranger.send(bytes);
      }
    }
    await from.client.sendRtp(from.audio.packet());
    await pause(INTERVAL_MS);
  }
  // Nothing is lost on the way to its client, and nobody else notices.
  await room.until("every packet", () => to.client.rtpOf(SSRC).length === packets + 1);
  await room.until("the other's", () => bystander.client.rtpOf(OTHER_SSRC).length === packets + 1);
  assertDense(sequenceNumbers(to.client.rtpOf(SSRC)), "during the attack");
  assert.deepEqual([...new Set(got.map((bytes) => datagramKind(bytes, bytes.length)))], ["stun"]);
  const bytes = got.reduce((sum, { length }) => sum + length, 0);
  assert.ok(bytes < 3 * forged, `${bytes} bytes for ${forged}`);
  stranger.close();
});

roomTest("MediaEngine takes a stream along with a client that moves", async (room) => {
  const from = await publisher(room);
  const to = await room.connect();
  room.subscribe(to, AUDIO, "audio", SSRC);
  let isMoving = true;
  const sending = (async () => {
    let sent = 0;
    for (; isMoving || sent < 40; sent++) {
      await from.client.sendRtp(from.audio.packet());
      await pause(INTERVAL_MS);
    }
    return sent;
  })();
  await room.until("packets before", () => to.client.rtpOf(SSRC).length > 10);
  const before = to.client.rtpOf(SSRC).length;
  await to.client.migrate();
  await room.until("packets after", () => to.client.rtpOf(SSRC).length > before + 20);
  isMoving = false;
  const sent = await sending;
  await pause(10 * INTERVAL_MS);
  const missing = sent - to.client.rtpOf(SSRC).length;
  assert.ok(missing <= 10, `${missing} packets of ${INTERVAL_MS} ms missing`);
});

roomTest(
  "MediaEngine sends to a client that answers no checks, once it shook hands",
  async (room) => {
    const from = await publisher(room);
    const to = await room.connect({ ignoresChecks: true });
    room.subscribe(to, AUDIO, "audio", SSRC);
    await from.client.sendRtp(from.audio.packet());
    await room.until("a packet", () => to.client.rtpOf(SSRC).length === 1);
  },
);
