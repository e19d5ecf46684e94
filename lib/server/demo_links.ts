/**
 * The demo: where it is served, ready links to it, and who gets which token there in development.
 *
 * @module
 */
import { randomId } from "../base/ids.ts";
import type { Platform } from "../base/platform.ts";
import type { ApiKeys } from "../signalling/access_token.ts";
import type { TokenSigner } from "../signalling/token_refresher.ts";
import type { DemoToken, DemoTokenRequest } from "../../routes/demo_token.ts";
import type { DemoRouteOptions } from "../../routes/demo.ts";
import type { BodyReader } from "../../routes/request_body.ts";
import type { Config } from "./config/config_parsing.ts";
import { firstKeySigner } from "./server_keys.ts";
import { type PublicEntry, publicEntry } from "./tls_settings.ts";

const NAMES = ["alice", "bob"] as const;
const ROOM = "standup";
/** Long enough for a day of trying things out. */
const VALID_FOR_MS = 24 * 3_600_000;

/** How many are in a room, and may be; 0 means no limit. */
interface Occupancy {
  readonly numParticipants: number;
  readonly maxParticipants: number;
}

/** What tokens of the demo are made with. */
export interface DemoIssuer {
  readonly bodies: BodyReader;
  readonly platform: Pick<Platform, "clock" | "random">;
  /** Those of this node. */
  readonly rooms: {
    get(name: string): { info(): Occupancy } | undefined;
  };
}

/** Whether there is a demo: in development, and wherever `demo` says so. */
export function servesDemo({ demo, development }: Config): boolean {
  return demo ?? development;
}

/** What the routes of the demo need; nothing where it is not served. */
export function demoOptions(
  config: Config,
  keys: ApiKeys,
  issuer: DemoIssuer,
): DemoRouteOptions | undefined {
  const isServed = servesDemo(config);
  const { development, limit: { max_room_name_length: maxRoomNameLength } } = config;
  if (!isServed) return undefined;
  const { bodies, rooms } = issuer;
  const isFull = (name: string) => {
    const { numParticipants = 0, maxParticipants = 0 } = rooms.get(name)?.info() ?? {};
    return maxParticipants > 0 && numParticipants >= maxParticipants;
  };
  if (!development) return { isFull };
  return {
    isFull,
    tokens: {
      bodies,
      maxRoomNameLength,
      issue: (request) => issueToken(request, issuer, firstKeySigner(keys)),
    },
  };
}

/** Who comes into an empty room is its host. */
async function issueToken(
  { room, name }: DemoTokenRequest,
  { platform: { clock, random }, rooms }: DemoIssuer,
  signToken: TokenSigner,
): Promise<DemoToken> {
  const isHost = (rooms.get(room)?.info().numParticipants ?? 0) === 0;
  const word = name.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "");
  const identity = randomId(random, `${word || "guest"}-`);
  const video = { roomJoin: true, room, canUpdateOwnMetadata: true, roomAdmin: isHost };
  const token = await signToken({ identity, name, video }, clock.wallMs(), VALID_FOR_MS);
  return { token, identity, isHost };
}

/** For two participants of one room, in development: the page gets tokens by itself. */
export function demoLinks(config: Config): readonly string[] {
  const { scheme, port } = publicEntry(config);
  return NAMES.map((name) => `${scheme}://localhost:${port}/demo/${ROOM}#name=${name}`);
}

/**
 * Joins with `token` from a browser on this machine. The token is in the fragment, which browsers
 * do not send, so it reaches no server log; the page takes it out of the address bar.
 */
export function demoLink({ scheme, port }: PublicEntry, token: string, name: string): string {
  return `${scheme}://localhost:${port}/demo#token=${token}&name=${encodeURIComponent(name)}`;
}
