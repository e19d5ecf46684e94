/**
 * A whole control plane over a media plane that only counts, on virtual time: what one join, one
 * publication and one leave cost it in a room where everybody publishes a track and receives all
 * others. Clients count what they are sent and read nothing.
 *
 * Who does not read does not answer offers either: each subscriber's first one stays outstanding,
 * and that it takes its tracks is made known as its answers would. What descriptions cost is
 * measured by itself.
 *
 * @module
 */
import process from "node:process";
import {
  AddTrackRequest,
  SessionDescription,
  SignalRequest,
  TrackSource,
  TrackType,
} from "@livekit/protocol";
import type { DownTrackId } from "../../lib/base/ids.ts";
import type { SendSection } from "../../lib/base/media_vocabulary.ts";
import { codecPolicy, DEFAULT_ENABLED_CODECS } from "../../lib/negotiation/codec_catalog.ts";
import { SubscriberSections } from "../../lib/negotiation/subscriber_offer.ts";
import type { Session } from "../../lib/room/participant/session.ts";
import type { SignalSocket } from "../../lib/signalling/signal_socket.ts";
import type { RemoteDescription } from "../../lib/wire/session_description.ts";
import {
  localParameters,
  publishedCodec,
} from "../../tests/support/virtual/negotiation_fixtures.ts";
import { clientOffer, World } from "../../tests/support/virtual/scripted_client.ts";
import { settle } from "../../tests/support/virtual/virtual_platform.ts";
import { answerCalls } from "../bench_child.ts";
import type { GrowthCalls, RoomCost } from "./control_calls.ts";

const ROOM = "lobby";
/** Everything that waits to be told together has been told after this, ms. */
const TOLD_MS = 5_100;
/** Measured of each; the middle one counts. */
const REPEATS = 7;
/** A room that is not measured: in it V8 compiles what it will. */
const WARM_UP_MEMBERS = 50;

/** Reads nothing. */
class DeafSocket implements SignalSocket {
  bufferedAmount = 0;
  onMessage: (data: Uint8Array | string) => void = () => {};
  onClose: () => void = () => {};

  send(): void {}

  close(): void {}
}

/** One participant, and what the server holds of it. */
interface Member {
  readonly socket: DeafSocket;
  readonly session: Session;
  /** Tracks it was offered and has not accepted. */
  readonly offered: Parameters<Session["subscriber"]["addTrack"]>[0][];
}

/** A room that is made to grow. */
class GrowingRoom {
  readonly #world = new World();
  readonly #members: Member[] = [];
  #joined = 0;
  /** Down-tracks the media plane was told to send. */
  downTracks = 0;

  constructor() {
    // Keeping the commands, as tests want, would be what is measured.
    this.#world.engine.send = ({ type }) => {
      if (type === "add_down_track") this.downTracks++;
    };
  }

  get size(): number {
    return this.#members.length;
  }

  /** One comes in whose connections are not up yet. */
  async open(): Promise<void> {
    const world = this.#world;
    const socket = new DeafSocket();
    const parameters = world.parameters(`member${this.#joined++}`);
    world.service.open(parameters, socket);
    await settle();
    const session = world.rooms.get(ROOM)!.session(parameters.identity)!;
    const member: Member = { socket, session, offered: [] };
    const { subscriber } = session;
    const addTrack = subscriber.addTrack.bind(subscriber);
    subscriber.addTrack = (request) => {
      member.offered.push(request);
      addTrack(request);
    };
    this.#members.push(member);
  }

  /** The connections of the member at `index` come up: from then on it has others' tracks. */
  async connect(index: number): Promise<void> {
    const { engine } = this.#world;
    const { subscriber, publisher } = this.#members[index]!.session;
    for (const connection of [subscriber.id, publisher.id]) {
      engine.emit({ type: "connection_connected", connection, protocol: "udp" });
    }
    for (const label of ["_reliable", "_lossy"]) {
      engine.emit({ type: "data_channel_open", connection: subscriber.id, label });
    }
    // Who is cut off is given more time for its answer.
    engine.emit({ type: "connection_interrupted", connection: subscriber.id });
    await settle();
    this.accept();
  }

  /** The member at `index` publishes a microphone. */
  async publish(index: number): Promise<void> {
    const { socket } = this.#members[index]!;
    const { AUDIO } = TrackType;
    const { MICROPHONE } = TrackSource;
    const value = new AddTrackRequest({ cid: "mic", type: AUDIO, source: MICROPHONE });
    socket.onMessage(new SignalRequest({ message: { case: "addTrack", value } }).toBinary());
    await settle();
    const sdp = clientOffer([{ mid: "1", kind: "audio", cid: "mic" }], "clientUfrag");
    const offer = new SessionDescription({ type: "offer", sdp, id: 1 });
    socket.onMessage(new SignalRequest({ message: { case: "offer", value: offer } }).toBinary());
    await settle();
    this.accept();
  }

  async leave(index: number): Promise<void> {
    const [{ socket }] = this.#members.splice(index, 1) as [Member];
    const leave = new SignalRequest({ message: { case: "leave", value: {} } });
    socket.onMessage(leave.toBinary());
    await settle();
  }

  /** Everybody accepts what it was offered. */
  accept(): void {
    for (const { session, offered } of this.#members) {
      for (const { downTrack, track, codecs } of offered.splice(0)) {
        const section: SendSection = {
          mid: "1",
          kind: track.kind,
          ssrc: 1,
          cname: "",
          codecs,
          extensions: [],
        };
        session.subscriptions.accepted(downTrack, session.subscriber.id, section);
      }
    }
  }

  /** Time passes until everybody has been told everything. */
  async pass(): Promise<void> {
    this.#world.platform.advance(TOLD_MS);
    await settle();
  }
}

function cpuMicros(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

async function costOf(step: () => Promise<void> | void): Promise<number> {
  const startedAt = cpuMicros();
  await step();
  return cpuMicros() - startedAt;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1]!;
}

async function measureRoom(size: number): Promise<Omit<RoomCost, "offerMicros">> {
  const room = new GrowingRoom();
  for (let i = 0; i < size; i++) await room.open();
  for (let i = 0; i < size; i++) await room.publish(i);
  for (let i = 0; i < size; i++) await room.connect(i);
  await room.pass();
  const expected = size * (size - 1);
  if (room.downTracks !== expected) {
    throw new Error(`${room.downTracks} of ${expected} down-tracks`);
  }
  const joins: number[] = [];
  const publications: number[] = [];
  const leaves: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    joins.push(
      await costOf(async () => {
        await room.open();
        await room.connect(size);
        await room.pass();
      }),
    );
    publications.push(await costOf(() => room.publish(size).then(() => room.pass())));
    leaves.push(await costOf(() => room.leave(size).then(() => room.pass())));
  }
  return {
    members: size,
    joinMicros: median(joins),
    publicationMicros: median(publications),
    leaveMicros: median(leaves),
  };
}

/** What a subscriber's new offer costs that adds a track to `count`, and taking in its answer. */
async function measureOffer(count: number): Promise<number> {
  const codecs = [publishedCodec("audio/opus")];
  const sections = new SubscriberSections({
    createsDataChannels: true,
    reuseTransceivers: true,
    codecs: codecPolicy(DEFAULT_ENABLED_CODECS),
  });
  let added = 0;
  const add = () => {
    const name = `${++added}`;
    sections.addTrack({
      downTrack: name as DownTrackId,
      kind: "audio",
      codecs,
      streamId: name,
      trackId: name,
      cname: name,
      ssrc: 2 * added,
      rtxSsrc: 2 * added + 1,
      stereo: false,
    });
  };
  const answer = () => ({
    sections: Array.from({ length: added + 1 }, (_, mid) => ({
      mid: `${mid}`,
      rejected: false,
      direction: "recvonly",
      codecs,
      extensions: [],
    })),
  } as unknown as RemoteDescription);
  while (added < count) add();
  sections.offer(localParameters());
  sections.applyAnswer(answer());
  const costs: number[] = [];
  for (let i = 0; i < REPEATS; i++) {
    const given = (add(), answer());
    costs.push(
      await costOf(() => {
        sections.offer(localParameters());
        sections.applyAnswer(given);
      }),
    );
  }
  return median(costs);
}

let isWarm = false;

async function measure(members: number): Promise<RoomCost> {
  if (!isWarm) {
    isWarm = true;
    await measure(WARM_UP_MEMBERS);
  }
  return { ...await measureRoom(members), offerMicros: await measureOffer(members) };
}

await answerCalls<GrowthCalls>({ measure: ({ members }) => measure(members) });
