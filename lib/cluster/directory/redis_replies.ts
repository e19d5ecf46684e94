/**
 * Rooms and claims as the scripts write and answer them (`redis_scripts.ts`).
 *
 * Contract: an answer that is not what a script answers is an `Error`, never a wrong value.
 *
 * @module
 */
import type { NodeId, ParticipantSid, RoomSid } from "../../base/ids.ts";
import type {
  AgentOffer,
  AssertedClaim,
  Claim,
  NodeRecord,
  Pin,
  RoomListing,
  RoomRecord,
  RoomSettings,
} from "./cluster_directory.ts";

/** What Redis answers. */
export type Reply = string | number | null | readonly Reply[];

const SETTINGS = ["plan", "maxParticipants", "locked", "pin", "lingerMs"] as const;
/** The same in Redis. */
const SETTING_FIELDS = {
  plan: "plan",
  maxParticipants: "max",
  locked: "locked",
  pin: "pin",
  lingerMs: "linger",
} as const;
/** Values of a record; the scripts' `FIELDS`. */
const RECORD_LENGTH = 11;

function valueText(value: string | number | boolean): string {
  return typeof value === "boolean" ? value ? "1" : "0" : String(value);
}

/** A record's values, in the order of the scripts. */
export function recordValues(record: RoomRecord): string[] {
  const { name, sid, createdAtMs, creator, version, writer } = record;
  return [
    ...[name, sid, createdAtMs, creator, version, writer],
    ...SETTINGS.map((setting) => record[setting]),
  ].map(valueText);
}

/** Fields and values of a change. */
export function changeValues(change: Partial<RoomSettings>): string[] {
  return SETTINGS.flatMap((setting) => {
    const value = change[setting];
    return value === undefined ? [] : [SETTING_FIELDS[setting], valueText(value)];
  });
}

/** @throws {Error} Unless it is an array. */
export function list(reply: Reply | undefined): readonly Reply[] {
  if (!Array.isArray(reply)) throw new Error("Redis answered something else than a list");
  return reply;
}

/** @throws {Error} Unless it is text. */
export function text(reply: Reply | undefined): string {
  if (typeof reply !== "string") throw new Error("Redis answered something else than text");
  return reply;
}

/** @throws {Error} Unless all of it is text. */
export function texts(reply: Reply | undefined): string[] {
  return list(reply).map(text);
}

/** @throws {Error} Unless it is the text of a number. */
export function number(reply: Reply | undefined): number {
  const value = Number(text(reply));
  if (!Number.isFinite(value)) throw new Error("Redis answered something else than a number");
  return value;
}

/** Ids, in order. */
export function nodeIds(reply: Reply | undefined): NodeId[] {
  return texts(reply).sort() as NodeId[];
}

export function roomRecord(reply: Reply | undefined): RoomRecord {
  const values = texts(reply);
  if (values.length !== RECORD_LENGTH) {
    throw new Error("Redis answered another record than a room's");
  }
  const [name, sid, at, creator, version, writer, plan, max, locked, pin, linger] = values;
  return {
    name: name!,
    sid: sid as RoomSid,
    createdAtMs: number(at),
    creator: creator as NodeId,
    version: number(version),
    writer: writer as NodeId,
    plan: plan!,
    maxParticipants: number(max),
    locked: locked === "1",
    pin: pin as Pin,
    lingerMs: number(linger),
  };
}

export function roomListing(reply: Reply | undefined): RoomListing {
  const [record, nodes, claims, counted] = list(reply);
  return {
    record: roomRecord(record),
    nodes: nodeIds(nodes),
    claims: number(claims),
    counted: number(counted),
  };
}

/** Identity, number, node, sid. */
export function claimOf(reply: Reply | undefined): Claim {
  const [identity, fencing, node, sid] = texts(reply);
  return {
    identity: text(identity),
    node: text(node) as NodeId,
    sid: text(sid) as ParticipantSid,
    number: number(fencing),
  };
}

/** Number, node and sid in lines; what a claim replaced. */
export function formerClaim(identity: string, lines: string): Claim {
  const [fencing, node, sid] = lines.split("\n");
  return claimOf([identity, text(fencing), text(node), text(sid)]);
}

/** A claim as it is kept. */
export function heldClaim(identity: string, value: string): AssertedClaim {
  const [fencing, node, sid, counted] = value.split("\n");
  const claim = claimOf([identity, text(fencing), text(node), text(sid)]);
  return { ...claim, counted: counted === "1" };
}

/**
 * A node's record; `undefined` if it is none. Nodes of another version may say more, or less, and
 * whoever has Redis' password may write there: one that cannot be read hides no other.
 */
export function nodeRecord(reply: Reply): NodeRecord | undefined {
  try {
    const { nodeId, region, link, clientAddress = "", protocol, state, load, agents, startedAtMs } =
      JSON.parse(text(reply));
    const { cpu, participants, rooms, tracks, headroom } = load;
    return {
      nodeId: text(nodeId) as NodeId,
      region: text(region),
      link: text(link),
      clientAddress: text(clientAddress),
      protocol: { min: finite(protocol.min), max: finite(protocol.max) },
      // What is not known to take newcomers is not given any.
      state: state === "serving" ? "serving" : "draining",
      load: {
        cpu: finite(cpu),
        participants: finite(participants),
        rooms: finite(rooms),
        tracks: finite(tracks),
        headroom: finite(headroom),
      },
      agents: list(agents).map((agent) => agentOffer(agent as unknown as AgentOffer)),
      startedAtMs: finite(startedAtMs),
    };
  } catch {
    return undefined;
  }
}

function agentOffer(offer: AgentOffer): AgentOffer {
  const { namespace, agentName, deployment, jobType, headroom } = offer;
  return {
    namespace: text(namespace),
    agentName: text(agentName),
    deployment: text(deployment),
    jobType: finite(jobType),
    headroom: finite(headroom),
  };
}

function finite(value: unknown): number {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new Error("Redis has something else than a number");
  }
  return value;
}
