/**
 * Is this node alive, and does it take newcomers? `/` says both in one, for load balancers and
 * clients; `/livez` and `/readyz` say each, for whoever ends processes that do not live.
 *
 * Contract: whether a node lives depends on nothing but itself: no other node, and no directory.
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
  /** Whether what all nodes know can be asked; it can where there is one node. */
  readonly isDirectoryUp?: () => boolean;
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

/** 200 while the event loop turns; 503 with the time of the last sign of life. */
export function livenessRoute(heartbeat: Heartbeat): RouteHandler {
  return () => alive(heartbeat);
}

/** 200 if everybody may be sent here; 503 with what is against it. */
export function readinessRoute(heartbeat: Heartbeat): RouteHandler {
  return () => {
    if (heartbeat.takesNewcomers?.() === false) return plainText(503, "draining");
    if (heartbeat.isDirectoryUp?.() === false) return plainText(503, "the directory is away");
    return alive(heartbeat);
  };
}

function alive({ last }: Heartbeat): Response {
  const { ageMs, wallMs } = last();
  if (ageMs < HEALTHY_FOR_MS) return plainText(200, "OK");
  return plainText(503, `Node Updated At ${new Date(wallMs).toISOString()}`);
}
