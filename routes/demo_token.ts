/**
 * `POST /demo/api/token`: a token for whoever asks, in development alone. Takes
 * `{"room": "standup", "name": "Ann"}` and gives a {@linkcode DemoToken}.
 *
 * Pages of other origins are refused: a website somebody looks at is not to bring itself into the
 * rooms of a server on the same machine.
 *
 * @module
 */
import { plainText, type RouteHandler } from "./http_exchange.ts";
import { isOfOwnPage } from "./own_page.ts";
import { type BodyReader, bodyRefused } from "./request_body.ts";

/** Who wants in. */
export interface DemoTokenRequest {
  readonly room: string;
  readonly name: string;
}

/** What the page gets. */
export interface DemoToken {
  readonly token: string;
  readonly identity: string;
  /** May mute and remove the others. */
  readonly isHost: boolean;
}

/** What the route is made with. */
export interface DemoTokenOptions {
  readonly bodies: BodyReader;
  /** Characters; 0 means no limit. */
  readonly maxRoomNameLength: number;
  readonly issue: (request: DemoTokenRequest) => Promise<DemoToken>;
}

/** Bytes; two names and JSON around them. */
const MAX_BODY_BYTES = 4096;
/** Characters; what fits on a tile. */
const MAX_NAME_LENGTH = 64;

/** The route. */
export function demoTokenRoute(options: DemoTokenOptions): RouteHandler {
  return async (exchange) => {
    const { request } = exchange;
    if (request.method !== "POST") return plainText(405, "method not allowed", { "Allow": "POST" });
    if (!isOfOwnPage(exchange)) return plainText(403, "ask from the demo page of this server");
    const body = await options.bodies.read(request, MAX_BODY_BYTES, readRequest);
    if (!body.ok) return bodyRefused(body);
    const wanted = body.value;
    const { maxRoomNameLength: max } = options;
    if (wanted === undefined || (max !== 0 && wanted.room.length > max)) {
      return plainText(400, "room and name must be given, and not be too long");
    }
    return Response.json(await options.issue(wanted), { headers: { "Cache-Control": "no-store" } });
  };
}

function readRequest(body: Uint8Array): DemoTokenRequest | undefined {
  try {
    const { room, name } = JSON.parse(new TextDecoder().decode(body));
    if (typeof room !== "string" || typeof name !== "string") return undefined;
    const given = { room: room.trim(), name: name.trim() };
    const fits = given.room !== "" && given.name !== "" && given.name.length <= MAX_NAME_LENGTH;
    return fits ? given : undefined;
  } catch {
    return undefined;
  }
}
