/**
 * The first message of a session: what a client is told about the room, itself and the server.
 *
 * Pure. Every field an SDK reads is filled.
 *
 * @module
 */
import {
  ClientConfigSetting,
  ClientConfiguration,
  Codec,
  DisabledCodecs,
  ICEServer,
  JoinResponse,
  type ParticipantInfo,
  ReconnectResponse,
  type Room as RoomInfo,
  ServerInfo,
  ServerInfo_Edition,
} from "@livekit/protocol";

import { type IcePreference, offersTls, preferredServers } from "../room/context/ice_preference.ts";

/** Seconds between a client's pings, and without any answer until it gives up. */
const PING_INTERVAL_S = 5;
const PING_TIMEOUT_S = 15;
/** The protocol this server speaks, and the agent protocol beside it. */
export const CURRENT_PROTOCOL = 17;
const AGENT_PROTOCOL = 1;

const NO_SERVERS: ServerIdentity["iceServers"] = [];

/** What is the same for every client of a process. */
export interface ServerIdentity {
  readonly version: string;
  readonly region: string;
  readonly nodeId: string;
  readonly iceServers: readonly Pick<ICEServer, "urls" | "username" | "credential">[];
  /** Codecs that may be published, with RTX. */
  readonly publishCodecs: readonly { readonly mime: string; readonly fmtp: string }[];
}

/** What a client is told of how it had better behave. */
export interface ClientFacts {
  /** What does not work in this client. */
  readonly disabledCodecs?: readonly { readonly mime: string }[];
  /** What this client cannot be let send besides. */
  readonly disabledPublishCodecs?: readonly { readonly mime: string }[];
  /** Over what it is to reach us; anything if absent. */
  readonly icePreference?: IcePreference;
  /** Servers with credentials for this client, before those that are for everybody. */
  readonly turnServers?: ServerIdentity["iceServers"];
}

/** What is particular to one join. */
export interface JoinFacts extends ClientFacts {
  readonly room: RoomInfo;
  readonly participant: ParticipantInfo;
  readonly others: readonly ParticipantInfo[];
  readonly subscriberPrimary: boolean;
  readonly canPublish: boolean;
  readonly sifTrailer: Uint8Array;
}

/** What is particular to one resume. */
export interface ResumeFacts extends ClientFacts {
  /** The last reliable packet that came from the client. */
  readonly lastMessageSeq: number;
}

/** Composes the `join` message. Its parts are not to be changed: others are told of them, too. */
export function joinResponse(server: ServerIdentity, facts: JoinFacts): JoinResponse {
  // Given to the constructor, each part of each part would be looked at.
  return Object.assign(new JoinResponse(), {
    room: facts.room,
    participant: facts.participant,
    otherParticipants: [...facts.others],
    serverVersion: server.version,
    serverRegion: server.region,
    serverInfo: partsOf(server).info,
    iceServers: iceServers(server, facts),
    subscriberPrimary: facts.subscriberPrimary,
    pingInterval: PING_INTERVAL_S,
    pingTimeout: PING_TIMEOUT_S,
    sifTrailer: facts.sifTrailer.slice(),
    enabledPublishCodecs: publishCodecs(server, facts),
    // A client that had trouble is not to send before it knows that its connection works.
    fastPublish: facts.canPublish && (facts.icePreference ?? "none") === "none",
    ...clientConfiguration(server, facts),
  });
}

/** Composes the `reconnect` message of a resumed session. */
export function reconnectResponse(
  server: ServerIdentity,
  facts: ResumeFacts,
): ReconnectResponse {
  return new ReconnectResponse({
    iceServers: iceServers(server, facts),
    serverInfo: partsOf(server).info,
    lastMessageSeq: facts.lastMessageSeq,
    ...clientConfiguration(server, facts),
  });
}

/** What clients and agent workers are told of the server. */
export function serverInfo(
  server: Pick<ServerIdentity, "version" | "region" | "nodeId">,
): ServerInfo {
  return new ServerInfo({
    edition: ServerInfo_Edition.Standard,
    version: server.version,
    protocol: CURRENT_PROTOCOL,
    region: server.region,
    nodeId: server.nodeId,
    agentProtocol: AGENT_PROTOCOL,
  });
}

/** What most clients of a process are told alike: made once, and so encoded once. */
interface SharedParts {
  readonly info: ServerInfo;
  readonly iceServers: readonly ICEServer[];
  /** In the order in which clients are told of them. */
  readonly publishCodecs: readonly Codec[];
}

const sharedParts = new WeakMap<ServerIdentity, SharedParts>();

function partsOf(server: ServerIdentity): SharedParts {
  let parts = sharedParts.get(server);
  if (parts === undefined) {
    parts = {
      info: serverInfo(server),
      iceServers: toIceServers(server.iceServers),
      publishCodecs: server.publishCodecs
        .filter(({ mime }) => mime.toLowerCase() !== "video/rtx")
        .toSorted((a, b) => rank(a.mime) - rank(b.mime))
        .map(({ mime, fmtp }) => new Codec({ mime, fmtpLine: fmtp })),
    };
    sharedParts.set(server, parts);
  }
  return parts;
}

function iceServers(
  server: ServerIdentity,
  { icePreference = "none", turnServers = NO_SERVERS }: ClientFacts,
): ICEServer[] {
  const all = turnServers.length === 0 ? server.iceServers : [...turnServers, ...server.iceServers];
  const preferred = preferredServers(all, icePreference);
  return preferred === server.iceServers
    ? [...partsOf(server).iceServers]
    : toIceServers(preferred);
}

function toIceServers(servers: ServerIdentity["iceServers"]): ICEServer[] {
  return servers.map(({ urls, username, credential }) =>
    new ICEServer({ urls: [...urls], username, credential })
  );
}

/** Absent for clients that need to be told nothing. */
function clientConfiguration(
  { iceServers }: Pick<ServerIdentity, "iceServers">,
  facts: ClientFacts,
): { readonly clientConfiguration?: ClientConfiguration } {
  const { disabledCodecs = [], disabledPublishCodecs = [], icePreference } = facts;
  const { turnServers = NO_SERVERS } = facts;
  if (disabledCodecs.length + disabledPublishCodecs.length === 0 && icePreference !== "tls") {
    return {};
  }
  const configuration = new ClientConfiguration();
  if (disabledCodecs.length + disabledPublishCodecs.length > 0) {
    configuration.disabledCodecs = new DisabledCodecs({
      codecs: disabledCodecs.map(({ mime }) => new Codec({ mime })),
      publish: disabledPublishCodecs.map(({ mime }) => new Codec({ mime })),
    });
  }
  if (icePreference === "tls" && (offersTls(turnServers) || offersTls(iceServers))) {
    configuration.forceRelay = ClientConfigSetting.ENABLED;
  }
  return configuration.equals(new ClientConfiguration()) ? {} : {
    clientConfiguration: configuration,
  };
}

function publishCodecs(server: ServerIdentity, facts: JoinFacts): Codec[] {
  const { disabledCodecs = [], disabledPublishCodecs = [] } = facts;
  const all = partsOf(server).publishCodecs;
  if (disabledCodecs.length + disabledPublishCodecs.length === 0) return [...all];
  const disabled = new Set(
    [...disabledCodecs, ...disabledPublishCodecs].map(({ mime }) => mime.toLowerCase()),
  );
  return all.filter(({ mime }) => !disabled.has(mime.toLowerCase()));
}

/** VP8 first, then H264, then other video, then audio: clients take the first they can. */
function rank(mime: string): number {
  const name = mime.toLowerCase();
  if (name === "video/vp8") return 0;
  if (name === "video/h264") return 1;
  return name.startsWith("video/") ? 2 : 3;
}
