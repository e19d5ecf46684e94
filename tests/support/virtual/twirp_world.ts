/**
 * Twirp services over a {@linkcode World}: requests in, responses out, without a port.
 *
 * @module
 */
import { NO_TELEMETRY } from "../../../lib/room/context/telemetry.ts";
import type { AccessToken } from "../../../lib/signalling/access_token.ts";
import { twirpRoutes, type TwirpService } from "../../../routes/twirp.ts";
import type { World } from "./scripted_client.ts";
import { testBodies } from "./test_bodies.ts";

/** One call of a method; `path` is the whole one. */
export type TwirpPost = (
  path: string,
  token: AccessToken | undefined,
  body: BodyInit,
  type?: string,
) => Promise<Response>;

/** Calls methods of these services as whoever has a token that was verified. */
export function twirpPost(world: World, services: readonly TwirpService[]): TwirpPost {
  const { platform: { clock, timers, log }, counters } = world;
  const routes = twirpRoutes(services, {
    maxBodyBytes: 0,
    bodies: testBodies(),
    clock,
    timers,
    log,
    counters,
    telemetry: NO_TELEMETRY,
  });
  return async (path, token, body, type = "application/json") => {
    const headers = { "Content-Type": type };
    const request = new Request(`http://sfu.example${path}`, { method: "POST", headers, body });
    const url = new URL(request.url);
    return await routes(path)!({ request, url, path, token, receivedAt: 0, socketAddress: "" });
  };
}
