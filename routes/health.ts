/**
 * `/`: is this node alive, and does it take newcomers? Load balancers and clients ask here.
 *
 * @module
 */
import { plainText, type RouteHandler } from "./http_exchange.ts";

/** Heartbeats older than this mean that the event loop is stuck. */
export const HEALTHY_FOR_MS = 4000;

/** When the node last showed that it is alive. */
export interface Heartbeat {
  /** Milliseconds since the last beat, and its Unix time in milliseconds. */
  readonly last: () => { readonly ageMs: number; readonly wallMs: number };
  /** `false` while it lets those who are here finish; it takes them if absent. */
  readonly takesNewcomers?: () => boolean;
}

/** 200 `OK`, or 406: it leaves, or with the time of the last sign of life. */
export function healthRoute(heartbeat: Heartbeat): RouteHandler {
  return () => {
    if (heartbeat.takesNewcomers?.() === false) return plainText(406, "Not Ready\nShutting Down");
    const { ageMs, wallMs } = heartbeat.last();
    if (ageMs < HEALTHY_FOR_MS) return plainText(200, "OK");
    return plainText(406, `Not Ready\nNode Updated At ${new Date(wallMs).toISOString()}`);
  };
}
