/**
 * `/replay`: recordings of rooms, watched in a browser, where the configuration serves them.
 * `/replay` and `/replay/<egress id>` are the page, `/replay/assets/` what it loads, `/replay/api/`
 * what it asks, and `/replay/files/` the recordings.
 *
 * A recording is for whoever has a token with `roomRecord`, or with `roomAdmin` of its room, or a
 * link to it, which is signed and expires. Media elements send no tokens: files are for links
 * alone. In development the page of this server may see everything.
 *
 * @module
 */
import type { AccessToken } from "../lib/signalling/access_token.ts";
import type { Clock } from "../lib/base/platform.ts";
import { byteRange } from "./byte_range.ts";
import {
  asItComes,
  type HttpExchange,
  notFound,
  plainText,
  type RouteHandler,
} from "./http_exchange.ts";
import { isOfOwnLocalPage } from "./own_page.ts";
import { type BodyReader, bodyRefused } from "./request_body.ts";
import { pageRoute } from "./page_files.ts";

/** A recording of a room. */
export interface RecordedRoom {
  readonly egressId: string;
  readonly roomName: string;
  /** ISO 8601. */
  readonly beganAt: string;
}

/** One of its files, opened. */
export interface RecordedFile {
  readonly contentType: string;
  /** Bytes now; a recording that runs grows. */
  readonly size: number;
  /** Another one if the bytes are others. */
  readonly tag: string;
  /** Bytes `[from, to)`; closes the file at its end. Call this or `close`, once. */
  read(from: number, to: number): ReadableStream<Uint8Array<ArrayBuffer>>;
  close(): void;
}

/** What keeps recordings cannot be reached; the message is in words, without addresses. */
export class ArchiveAway extends Error {}

/** Recordings that are kept. All calls may reject with {@linkcode ArchiveAway}. */
export interface RecordingArchive {
  /** The newest first. */
  list(): Promise<readonly RecordedRoom[]>;
  find(egressId: string): Promise<RecordedRoom | undefined>;
  /** @param file Its number among those that the journal names, or the journal itself. */
  open(egressId: string, file: number | "journal"): Promise<RecordedFile | undefined>;
}

/** Words that open one recording until they expire. */
export interface ReplayLinks {
  sign(egressId: string, expiresAtMs: number): string;
  opens(link: string, egressId: string, nowMs: number): boolean;
}

/** What the routes are made with. */
export interface ReplayRouteOptions {
  readonly archive: RecordingArchive;
  readonly links: ReplayLinks;
  readonly clock: Pick<Clock, "wallMs">;
  readonly bodies: BodyReader;
  /** The page of this server may see everything, without a token. */
  readonly isOpen: boolean;
}

/** A page that was let in plays for so long before it asks again, ms. */
const PAGE_LINK_MS = 6 * 3_600_000;
/** What a link is good for unless it is said, s, and at most. */
const LINK_S = 24 * 3_600;
const MOST_LINK_S = 90 * 24 * 3_600;
const MAX_BODY_BYTES = 1_024;
/** Storage that is away is asked for again after so long, s. */
const RETRY_S = 10;
const ID = /^EG_[\w]{1,64}$/;
const FILE = /^\/replay\/files\/(EG_[\w]{1,64})\/(?:(journal)|(\d{1,6}))$/;
const PAGE = /^\/replay(?:\/(?:EG_\w{1,64})?)?$/;
/** Scripts and styles of our own alone, and media of this server. */
const CONTENT_SECURITY_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; " +
  "img-src 'self' data:; media-src 'self'; connect-src 'self'; form-action 'none'; " +
  "frame-ancestors 'none'; base-uri 'none'";
const RECORDING = /^\/replay\/api\/recordings\/(EG_[\w]{1,64})$/;
/** What is not said to whoever may not know whether there is such a recording. */
const NOT_FOR_YOU = "there is no such recording, or it is not for you";

/** Finds the handler of `/replay` and everything below. */
export function replayRoutes(
  options: ReplayRouteOptions,
): (path: string) => RouteHandler | undefined {
  const page = pageRoute({
    page: "replay/index.html",
    assets: "/replay/assets/",
    isPage: (path) => PAGE.test(path),
    headers: { "Content-Security-Policy": CONTENT_SECURITY_POLICY },
  });
  return (path) => {
    if (path === "/replay/api/recordings") {
      return (exchange) => unlessAway(listRecordings(exchange, options));
    }
    if (path === "/replay/api/links") return (exchange) => unlessAway(makeLink(exchange, options));
    const [, described] = RECORDING.exec(path) ?? [];
    if (described !== undefined) {
      return (exchange) => unlessAway(describeRecording(exchange, described, options));
    }
    const [, egressId, journal, number] = FILE.exec(path) ?? [];
    if (egressId !== undefined) {
      const file = journal === undefined ? Number(number) : "journal";
      return (exchange) => unlessAway(sendFile(exchange, egressId, file, options));
    }
    return path === "/replay" || path.startsWith("/replay/") ? page : undefined;
  };
}

async function unlessAway(answer: Promise<Response>): Promise<Response> {
  try {
    return await answer;
  } catch (error) {
    if (!(error instanceof ArchiveAway)) throw error;
    const words = `recordings cannot be read now: ${error.message}`;
    return plainText(503, words, { "Retry-After": String(RETRY_S) });
  }
}

async function listRecordings(
  exchange: HttpExchange,
  { archive, isOpen }: ReplayRouteOptions,
): Promise<Response> {
  if (exchange.request.method !== "GET") return onlyGet();
  const seesAll = isOpen && exchange.token === undefined && isOfOwnLocalPage(exchange);
  const { token } = exchange;
  const isAnybody = token?.video?.roomRecord === true || token?.video?.roomAdmin === true;
  if (!seesAll && !isAnybody) return refuse(token, "a token of a host or recorder is needed");
  const all = await archive.list();
  const seen = all.filter((room) => seesAll || maySee(token, room));
  return Response.json({ recordings: seen }, { headers: PRIVATE });
}

async function describeRecording(
  exchange: HttpExchange,
  egressId: string,
  options: ReplayRouteOptions,
): Promise<Response> {
  if (exchange.request.method !== "GET") return onlyGet();
  const { archive, links, clock } = options;
  const link = linkOf(exchange);
  const nowMs = clock.wallMs();
  const hasLink = link !== "" && links.opens(link, egressId, nowMs);
  if (!hasLink && !mayAsk(exchange, options)) return refuse(exchange.token, NOT_FOR_YOU);
  const room = await archive.find(egressId);
  const isSeen = room !== undefined && (hasLink || maySeeHere(exchange, room, options));
  if (!isSeen) return plainText(404, NOT_FOR_YOU);
  const opening = hasLink ? link : links.sign(egressId, nowMs + PAGE_LINK_MS);
  return Response.json({ ...room, link: opening }, { headers: PRIVATE });
}

/** `{"egressId": "EG_…", "validForS": 3600}` → `{"path": "/replay/EG_…#link=…"}`. */
async function makeLink(exchange: HttpExchange, options: ReplayRouteOptions): Promise<Response> {
  const { request, token } = exchange;
  const { archive, links, clock, bodies } = options;
  if (request.method !== "POST") {
    return plainText(405, "method not allowed", { "Allow": "POST" });
  }
  if (!mayAsk(exchange, options)) return refuse(token, NOT_FOR_YOU);
  const body = await bodies.read(request, MAX_BODY_BYTES, readLinkRequest);
  if (!body.ok) return bodyRefused(body);
  if (body.value === undefined) return plainText(400, "egressId must be given");
  const { egressId, validForS } = body.value;
  const room = await archive.find(egressId);
  if (room === undefined || !maySeeHere(exchange, room, options)) {
    return plainText(404, NOT_FOR_YOU);
  }
  const expiresAtMs = clock.wallMs() + validForS * 1_000;
  const link = links.sign(egressId, expiresAtMs);
  return Response.json({
    path: `/replay/${egressId}#link=${link}`,
    expiresAt: new Date(expiresAtMs).toISOString(),
  }, { headers: PRIVATE });
}

async function sendFile(
  exchange: HttpExchange,
  egressId: string,
  which: number | "journal",
  { archive, links, clock }: ReplayRouteOptions,
): Promise<Response> {
  const { request } = exchange;
  if (request.method !== "GET" && request.method !== "HEAD") return onlyGet();
  if (!links.opens(linkOf(exchange), egressId, clock.wallMs())) {
    return plainText(403, "this link is not for that recording, or it has expired");
  }
  const file = await archive.open(egressId, which);
  if (file === undefined) return notFound();
  const { size, tag, contentType } = file;
  const condition = request.headers.get("If-Range");
  const isSame = condition === null || condition === tag;
  const range = isSame ? byteRange(request.headers.get("Range"), size) : undefined;
  const headers: Record<string, string> = {
    ...PRIVATE,
    "Content-Type": contentType,
    "Accept-Ranges": "bytes",
    "ETag": tag,
    "Content-Security-Policy": "default-src 'none'; sandbox",
  };
  if (range === "unsatisfiable") {
    file.close();
    return new Response(null, { status: 416, headers: { "Content-Range": `bytes */${size}` } });
  }
  const { from, to } = range ?? { from: 0, to: size };
  if (range !== undefined) headers["Content-Range"] = `bytes ${from}-${to - 1}/${size}`;
  headers["Content-Length"] = String(to - from);
  const status = range === undefined ? 200 : 206;
  if (request.method === "HEAD") {
    file.close();
    return new Response(null, { status, headers });
  }
  // Whole it may be more than there is memory.
  return asItComes(new Response(file.read(from, to), { status, headers }));
}

/** What nobody else is to keep, and no page to say where it came from. */
const PRIVATE = {
  "Cache-Control": "private, no-cache",
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
};

function linkOf({ url }: HttpExchange): string {
  return url.searchParams.get("link") ?? "";
}

/** Whether somebody may see any recording: the rest is known once it is found. */
function mayAsk(exchange: HttpExchange, { isOpen }: ReplayRouteOptions): boolean {
  const { token } = exchange;
  if (token === undefined) return isOpen && isOfOwnLocalPage(exchange);
  return token.video?.roomRecord === true || token.video?.roomAdmin === true;
}

function maySeeHere(
  exchange: HttpExchange,
  room: RecordedRoom,
  { isOpen }: ReplayRouteOptions,
): boolean {
  const { token } = exchange;
  return token === undefined ? isOpen && isOfOwnLocalPage(exchange) : maySee(token, room);
}

function maySee(token: AccessToken | undefined, { roomName }: RecordedRoom): boolean {
  const grant = token?.video;
  if (grant?.roomRecord === true) return true;
  return grant?.roomAdmin === true && roomName !== "" && grant.room === roomName;
}

function refuse(token: AccessToken | undefined, words: string): Response {
  return plainText(token === undefined ? 401 : 403, words);
}

function onlyGet(): Response {
  return plainText(405, "method not allowed", { "Allow": "GET, HEAD" });
}

function readLinkRequest(
  body: Uint8Array,
): { readonly egressId: string; readonly validForS: number } | undefined {
  try {
    const { egressId, validForS = LINK_S } = JSON.parse(new TextDecoder().decode(body));
    if (typeof egressId !== "string" || !ID.test(egressId)) return undefined;
    if (typeof validForS !== "number" || !(validForS > 0)) return undefined;
    return { egressId, validForS: Math.min(validForS, MOST_LINK_S) };
  } catch {
    return undefined;
  }
}
