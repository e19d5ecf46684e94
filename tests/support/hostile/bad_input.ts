/**
 * Ways to knock at a server with what may be wrong: tokens with any claims, the doors to
 * signalling, and Twirp; each gives the exact answer.
 *
 * @module
 */
import {
  JoinRequest,
  ParticipantInfo_State,
  WrappedJoinRequest,
  WrappedJoinRequest_Compression as Compression,
} from "@livekit/protocol";
import { SignJWT } from "jose";
import { ROOM, TestServer } from "../../conformance/support.ts";
import { Bystanders } from "./bystanders.ts";
import { reporting } from "../process/failure_report.ts";
import { rawRequest } from "../process/raw_request.ts";
import { TEST_KEY, TEST_SECRET } from "../process/roomwire_process.ts";
import type { WireParticipant } from "../wire/wire_participant.ts";

/** The grant to join {@linkcode ROOM}. */
export const JOIN = { roomJoin: true, room: ROOM };

/** Twirp's answer where a grant is missing. */
export const DENIED = [401, { code: "unauthenticated", msg: "permissions denied" }] as const;

/** What takes time is mostly that updates are sent in batches; see {@linkcode TestServer.start}. */
const SPEED = 4;

/** A server with bystanders, who must be unharmed afterwards. werift's client keeps timers. */
export function badInputTest(
  name: string,
  body: (test: TestServer, bystanders: Bystanders) => Promise<void>,
  config: Readonly<Record<string, unknown>> = {},
): void {
  Deno.test({
    name,
    sanitizeOps: false,
    sanitizeResources: false,
    fn: () => {
      const log: string[] = [];
      return reporting(async () => {
        await using test = await TestServer.start(config, "v0", log, SPEED);
        await test.api.createRoom({ name: ROOM });
        const bystanders = await Bystanders.in(test);
        await body(test, bystanders);
        await bystanders.assertUnharmed();
      }, () => ({ "the server": log }));
    },
  });
}

/** Signs these claims over those of a good token; `undefined` leaves one out. */
export function sign(
  claims: Readonly<Record<string, unknown>> = {},
  { secret = TEST_SECRET, alg = "HS256" } = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ iss: TEST_KEY, sub: "mallory", exp: now + 600, video: JOIN, ...claims })
    .setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));
}

export const urlBase64 = (bytes: Uint8Array) => {
  const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replaceAll("+", "-").replaceAll("/", "_");
};

export const wrapped = (joinRequest: Uint8Array, compression = Compression.NONE) =>
  urlBase64(
    new WrappedJoinRequest({ joinRequest: joinRequest as Uint8Array<ArrayBuffer>, compression })
      .toBinary(),
  );

const GOOD_REQUEST = `join_request=${
  encodeURIComponent(wrapped(new JoinRequest({ clientInfo: { protocol: 16 } }).toBinary()))
}`;

/** The four ways to join or to ask about it, as paths; `v1` demands a join request. */
export const DOORS = [
  { path: "/rtc", upgrade: true, query: "" },
  { path: "/rtc/v1", upgrade: true, query: GOOD_REQUEST },
  { path: "/rtc/validate", upgrade: false, query: "" },
  { path: "/rtc/v1/validate", upgrade: false, query: GOOD_REQUEST },
] as const;

/** Status and body behind a door. */
export function knock(
  { httpUrl }: TestServer,
  { path, upgrade, query }: { path: string; upgrade: boolean; query: string },
  token: string,
): Promise<readonly [number, string]> {
  const authorization = token === "" ? {} : { "Authorization": `Bearer ${token}` };
  return rawRequest(`${httpUrl}${path}?${query}`, { upgrade, headers: authorization });
}

/** Status and body of a Twirp call. */
export async function twirp(
  { httpUrl }: TestServer,
  method: string,
  token: string,
  body: unknown,
  type = "application/json",
): Promise<readonly [number, unknown]> {
  const response = await fetch(`${httpUrl}/twirp/livekit.${method}`, {
    method: "POST",
    headers: { "Content-Type": type, ...(token && { "Authorization": `Bearer ${token}` }) },
    body: typeof body === "string" || body instanceof Uint8Array
      ? body as Uint8Array<ArrayBuffer>
      : JSON.stringify(body),
  });
  const answer = await response.text();
  const json = response.headers.get("Content-Type") === "application/json";
  return [response.status, json ? JSON.parse(answer) : answer];
}

/** A third one in the room, whom the bystanders have taken notice of. */
export async function malloryIn(
  test: TestServer,
  bystanders: Bystanders,
): Promise<WireParticipant> {
  const grant = { canUpdateOwnMetadata: true };
  const mallory = await test.join("mallory", { token: { grant } });
  const isActive = ({ state }: { state: ParticipantInfo_State }) =>
    state === ParticipantInfo_State.ACTIVE;
  for (const one of [bystanders.carol, bystanders.dave]) await one.remote("mallory", isActive);
  await bystanders.settle();
  return mallory;
}
