/**
 * Roomwire's media engine, alone in its process, with the control plane's part played by the calls.
 *
 * @module
 */
import type { ConnectionId, DownTrackId, UpTrackId } from "../../lib/base/ids.ts";
import type { IceCredentials } from "../../lib/base/media_vocabulary.ts";
import type {
  EngineStats,
  MediaEngine,
  MediaEvent,
} from "../../lib/engine/messages/media_messages.ts";
import { audioSection, sendSection, videoSection } from "../../tests/support/wire/wire_media.ts";
import { EVERYTHING } from "../../tests/support/wire/wire_room.ts";
import { answerCalls } from "../bench_child.ts";
import { engineUnderTest } from "./engine_under_test.ts";
import type {
  ClientParameters,
  Endpoint,
  OpenedClient,
  PlannedStream,
  PlannedTrack,
  SfuCalls,
} from "./forwarding_calls.ts";
import { processUsage } from "./process_usage.ts";

/** What clients of data channels agree on. */
const SCTP = { port: 5000, maxMessageSize: 262_144 } as const;

const upTrackId = (ssrc: number) => `up${ssrc}` as UpTrackId;

/** One client's present connection. */
interface Opened {
  readonly client: OpenedClient;
  readonly connection: ConnectionId;
}

let engine: MediaEngine;
/** Of its certificate. */
let ownFingerprint = "";
const opened = new Map<number, Opened>();
let tracks: readonly PlannedTrack[] = [];
let connections = 0;
let downTracks = 0;
let answerStats: (stats: EngineStats) => void = () => {};

function receive(event: MediaEvent): void {
  if (event.type === "stats") answerStats(event.stats);
}

/** A client as its room's data knows it, which may send as much as it likes. */
function joinData({ client, room }: OpenedClient, connection: ConnectionId): void {
  const data = {
    member: client + 1,
    room: room + 1,
    sid: `PA_${client}`,
    identity: `client ${client}`,
    hidden: false,
    agent: false,
    maySend: true,
    active: true,
    raw: false,
    publisher: connection,
    receiver: connection,
    awaited: [],
    bridged: false,
    recorded: false,
    held: false,
    limits: { messagesPerS: 0, bytesPerS: 0 },
  };
  engine.send({ type: "set_data_member", data });
}

function readStats(): Promise<EngineStats> {
  return new Promise((resolve) => {
    answerStats = resolve;
    engine.send({ type: "request_stats", request: 0 });
  });
}

function open(client: OpenedClient, { fingerprint, clientUfrag }: ClientParameters): Endpoint {
  close(client.client);
  const connection = `connection${connections++}` as ConnectionId;
  const remote: IceCredentials = {
    ufrag: connection,
    pwd: `${connection}-password-of-24-chars-or-more`,
  };
  opened.set(client.client, { client, connection });
  engine.send({
    type: "open_connection",
    connection,
    local: remote,
    dataChannels: client.publishes ? "accept" : "create",
    placement: `room${client.room}`,
  });
  engine.send({
    type: "set_remote",
    connection,
    remote: { ufrag: clientUfrag, pwd: "" },
    fingerprints: [{ algorithm: "sha-256", value: fingerprint }],
    ...(client.hasData ? { sctp: SCTP } : {}),
  });
  if (client.hasData) joinData(client, connection);
  const wanted = client.overTcp === true ? "tcp" : "udp";
  const addresses = engine.addressesOf(connection);
  const server = addresses.find(({ protocol }) => protocol === wanted)!;
  return { server, remote, fingerprint: ownFingerprint };
}

function close(client: number): void {
  const connection = opened.get(client)?.connection;
  if (connection !== undefined) {
    engine.send({ type: "close_connection", connection });
    engine.send({ type: "remove_data_member", member: client + 1 });
  }
  opened.delete(client);
}

function publish(client: number): void {
  const connection = opened.get(client)?.connection;
  if (connection === undefined) return;
  const sections = tracks.filter((track) => track.client === client).map(({ mid, kind, ssrc }) =>
    kind === "video" ? videoSection(mid, upTrackId(ssrc), []) : audioSection(mid, upTrackId(ssrc))
  );
  engine.send({ type: "set_receive", connection, sections });
}

function subscribe({ track, client, mid, ssrc }: PlannedStream, kind: "audio" | "video"): number {
  engine.send({
    type: "add_down_track",
    connection: opened.get(client)!.connection,
    downTrack: `down${downTracks++}` as DownTrackId,
    upTrack: upTrackId(tracks[track]!.ssrc),
    section: sendSection(mid, kind, ssrc),
    target: EVERYTHING,
  });
  return ssrc;
}

await answerCalls<SfuCalls>({
  start: async (choice) => {
    engine = engineUnderTest(choice);
    engine.onEvent = receive;
    const ready = await engine.start();
    ownFingerprint = ready.fingerprint.value;
    return { engine: ready.ports };
  },
  open: async ({ clients, ...parameters }) => clients.map((client) => open(client, parameters)),
  publish: async (options) => {
    tracks = options.tracks;
    for (const client of new Set(tracks.map((track) => track.client))) publish(client);
    return {};
  },
  subscribe: async ({ streams }) => ({
    ssrcs: streams.map((stream) => subscribe(stream, stream.kind)),
  }),
  close: async ({ clients }) => {
    clients.forEach(close);
    return {};
  },
  usage: async () => {
    const usage = processUsage();
    const { downTracks, drops, messagesSent } = await readStats();
    const packets = downTracks.reduce((sum, { packets }) => sum + packets, 0);
    return { ...usage, forwarded: packets + messagesSent, drops };
  },
});
