/**
 * Clients of the TURN server over UDP, whose sessions are on two real workers: what they send in
 * channels comes to their worker's thread, whichever thread opened the socket.
 */
import assert from "node:assert/strict";
import type { MediaAddress } from "../../lib/base/media_vocabulary.ts";
import type { UpTrackId } from "../../lib/base/ids.ts";
import { createWorkerPool } from "../../lib/engine/worker/worker_pool.ts";
import type { ToWorker } from "../../lib/engine/worker/worker_messages.ts";
import { freeUdpPort, TEST_KEY, TEST_SECRET } from "../support/process/roomwire_process.ts";
import { turnCredentials } from "../../lib/transport/turn/turn_credentials.ts";
import { mustIgnoreNative } from "../support/wire/datagram_peers.ts";
import { MortalWorkers } from "../support/wire/mortal_workers.ts";
import { RelayedWireSocket } from "../support/wire/relayed_socket.ts";
import { SPREAD } from "../support/wire/test_engine.ts";
import { bindingRequest, isSuccessFor } from "../support/wire/stun_requests.ts";
import { until } from "../support/wire/until.ts";
import { audioSection, AudioStream, TransportNumbers } from "../support/wire/wire_media.ts";
import { AUDIO } from "../support/wire/wire_publisher.ts";
import { type Peer, WireRoom } from "../support/wire/wire_room.ts";

const HOST = "127.0.0.1";

/** A pool of two workers with a TURN server, and what was handed to the workers by messages. */
class TurnRoom {
  /** Packets of clients that came to a worker by way of the main thread. */
  passed = 0;
  readonly workers: MortalWorkers;

  constructor(readonly ports: readonly number[], readonly turnPort: number) {
    this.workers = new MortalWorkers(ports);
  }

  open(): Promise<WireRoom> {
    const { ports, turnPort } = this;
    return WireRoom.open(({ udp: _, ...options }) =>
      createWorkerPool({
        ...options,
        native: "auto",
        udpOf: ports.map((port) => [{ hostname: HOST, port }]),
        placement: SPREAD,
        turn: {
          listen: { udp: [{ hostname: HOST, port: turnPort }], streams: [] },
          relayed: () => [HOST],
          allocationsPerParticipant: 0,
          secretOf: (key) => key === TEST_KEY ? TEST_SECRET : undefined,
          isOwn: (address, port) => address === HOST && (port === 0 || ports.includes(port)),
        },
        spawn: (index) => this.#counted(index),
      })
    );
  }

  #counted(index: number) {
    const worker = this.workers.spawn(index);
    const post = worker.postMessage.bind(worker);
    worker.postMessage = (batch: readonly ToWorker[]) => {
      for (const one of batch) {
        if (one.type === "tcp" && one.message.type === "tcp_received") this.passed++;
      }
      post(batch);
    };
    return worker;
  }

  /** Through a channel to the client's own candidate, and a second one to the other worker's. */
  relay(sid: string): (server: MediaAddress) => Promise<RelayedWireSocket> {
    const expiresAt = Math.floor(Date.now() / 1000) + 300;
    const credentials = turnCredentials({ apiKey: TEST_KEY, sid, expiresAt }, TEST_SECRET);
    const access = { server: { hostname: HOST, port: this.turnPort }, ...credentials };
    return (server) => {
      const other = this.ports.find((port) => port !== server.port)!;
      return RelayedWireSocket.open(access, [server, { ...server, port: other }]);
    };
  }
}

/** Whoever speaks, and a packet of it. */
async function speaker(room: WireRoom, turn: TurnRoom, placement: string, upTrack: UpTrackId) {
  let socket: RelayedWireSocket | undefined;
  const open = turn.relay(`PA_${placement}`);
  const openSocket = async (server: MediaAddress) => socket = await open(server);
  const peer = await room.connect({ placement, openSocket });
  room.send({
    type: "set_receive",
    connection: peer.id,
    sections: [audioSection("1", upTrack)],
  });
  const audio = new AudioStream(2000, "1", new TransportNumbers());
  const timer = setInterval(() => void peer.client.sendRtp(audio.packet()), 20);
  return { peer, socket: socket!, stop: () => clearInterval(timer) };
}

/** Waits until so many more packets have come to a listener. */
async function hears(room: WireRoom, peer: Peer, ssrc: number, count: number): Promise<void> {
  const wanted = peer.client.rtpOf(ssrc).length + count;
  await room.until(`${count} packets more`, () => peer.client.rtpOf(ssrc).length >= wanted);
}

/** How many this process has (`man 5 proc_pid_fd`). */
function epollInstances(): number {
  let count = 0;
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      if (Deno.readLinkSync(`/proc/self/fd/${name}`).includes("eventpoll")) count++;
    } catch {
      // Closed meanwhile, as the one of the folder is.
    }
  }
  return count;
}

/** A check of the client's by its second channel is answered. */
function answerInSecondChannel(
  { socket, peer: { local, remote } }: { readonly socket: RelayedWireSocket; readonly peer: Peer },
): Promise<void> {
  const transaction = new Uint8Array(12).fill(3);
  const request = bindingRequest({ server: remote, clientUfrag: local.ufrag, transaction });
  const { promise, resolve } = Promise.withResolvers<void>();
  const { onDatagram } = socket;
  socket.onDatagram = (bytes) =>
    isSuccessFor(bytes, transaction, remote.pwd) ? resolve() : onDatagram(bytes);
  socket.peer = 1;
  void socket.send(request);
  socket.peer = 0;
  return promise;
}

Deno.test({
  name: "what TURN clients send in channels comes to their worker and not through the main thread",
  ignore: mustIgnoreNative(),
  // werift's client keeps timers that cannot be stopped.
  sanitizeOps: false,
  sanitizeResources: false,
  async fn() {
    const ports = [await freeUdpPort(HOST), await freeUdpPort(HOST)];
    const turn = new TurnRoom(ports, await freeUdpPort(HOST));
    await using room = await turn.open();
    const stops: (() => void)[] = [];
    try {
      const ann = await speaker(room, turn, "one", AUDIO);
      stops.push(ann.stop);
      const portOf = ({ id }: Peer) =>
        room.engine.addressesOf(id).find(({ protocol }) => protocol === "udp")!.port;
      const near = await room.connect({ placement: "one", openSocket: turn.relay("PA_near") });
      let far = near;
      // Which worker is the freest depends on what the machine does besides.
      for (let i = 0; portOf(far) === portOf(ann.peer); i++) {
        const openSocket = turn.relay(`PA_far ${i}`);
        far = await room.connect({ placement: `far ${i}`, openSocket });
      }
      const listeners = [near, far];
      for (const [i, peer] of listeners.entries()) room.subscribe(peer, AUDIO, "audio", 5000 + i);
      for (const [i, peer] of listeners.entries()) await hears(room, peer, 5000 + i, 50);
      const before = turn.passed;
      for (const [i, peer] of listeners.entries()) await hears(room, peer, 5000 + i, 100);
      const { passed } = turn;
      assert.ok(passed - before <= 5, `${passed - before} packets passed the main thread`);

      // A channel that its thread was not lent: the main thread hands that on, as ever.
      await answerInSecondChannel(ann);

      const polls = epollInstances();
      turn.workers.kill(portOf(ann.peer), "fail");
      await room.event("connection_failed", ({ connection }) => connection === ann.peer.id);
      ann.stop();
      await until("the worker to be back", () => room.drops.get("media_worker_lost") === 1);
      const again = await speaker(room, turn, "again", "audio-2" as UpTrackId);
      stops.push(again.stop);
      const late = await room.connect({ placement: "again", openSocket: turn.relay("PA_late") });
      room.subscribe(late, "audio-2" as UpTrackId, "audio", 5100);
      await hears(room, late, 5100, 50);
      const passedBefore = turn.passed;
      await hears(room, late, 5100, 50);
      assert.ok(turn.passed - passedBefore <= 5, "nor after a worker was lost");
      assert.equal(epollInstances(), polls, "what the lost worker waited in is closed");
    } finally {
      for (const stop of stops) stop();
    }
  },
});
