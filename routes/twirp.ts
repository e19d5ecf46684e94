/**
 * Twirp over HTTP (specification version 7): `POST /twirp/livekit.<Service>/<Method>` with protobuf
 * or JSON, answered in kind.
 *
 * A request is looked at in this order: route, grant, size, weight, and then decoded. A service is
 * a list of methods; a method gets its decoded request and the caller's verified token, and gives
 * its answer or a {@linkcode TwirpError}. A method that throws has a bug: its caller gets
 * `internal` and nobody else notices.
 *
 * @module
 */
import type { AnyMessage, Message, MessageType } from "@bufbuild/protobuf";
import type { DropSink } from "../lib/base/drop_counters.ts";
import type { Clock, Log, Timers } from "../lib/base/platform.ts";
import type { ApiTelemetry } from "../lib/room/context/telemetry.ts";
import type { AccessToken } from "../lib/signalling/access_token.ts";
import { decodeMessage } from "../lib/signalling/signal_codec.ts";
import { protobufBytes } from "../lib/wire/protobuf_writer.ts";
import type { RoutesDrop } from "./drop_reasons.ts";
import type { HttpExchange, RouteHandler } from "./http_exchange.ts";
import { type BodyReader, bodyRefused } from "./request_body.ts";
import { TwirpError } from "./twirp_error.ts";
import { writeLongTwirpJson } from "./twirp_json.ts";

/** What a method knows besides its request. */
export interface TwirpCall {
  /** Absent if the request carried none; methods check grants themselves. */
  readonly token: AccessToken | undefined;
  /** `X-Livekit-Request-Id`: the same for every attempt of one call; empty if absent. */
  readonly requestId: string;
  /** How the server was reached: `https://sfu.example.com`. */
  readonly origin: string;
}

/** A method's answer. */
export type TwirpReply = AnyMessage | TwirpError;

/** What is known of a method before its request is read. */
export interface TwirpAccess {
  /** Refuses whoever has no right to call the method, whatever the request says. */
  readonly grant: (token: AccessToken | undefined) => TwirpError | undefined;
  /** Requests that only name things are small; others are as large as the server allows. */
  readonly carries: "names" | "content";
}

/** One method; make it with {@linkcode twirpMethod}. */
export interface TwirpMethod extends TwirpAccess {
  readonly input: MessageType<AnyMessage>;
  readonly run: (request: AnyMessage, call: TwirpCall) => TwirpReply | Promise<TwirpReply>;
}

/** One service: its full name and its methods. */
export interface TwirpService {
  /** For example `livekit.RoomService`. */
  readonly name: string;
  readonly methods: Readonly<Record<string, TwirpMethod>>;
}

/** What the transport needs. */
export interface TwirpOptions {
  /** Bytes; 0 means no limit. */
  readonly maxBodyBytes: number;
  readonly bodies: BodyReader;
  readonly clock: Pick<Clock, "now" | "nowUs">;
  readonly timers: Timers;
  readonly log: Log;
  readonly counters: DropSink<RoutesDrop>;
  readonly telemetry: ApiTelemetry;
}

/** Ties a request type, and who may send one, to the function that answers it. */
export function twirpMethod<I extends Message<I>>(
  input: MessageType<I>,
  access: TwirpAccess,
  run: (request: I, call: TwirpCall) => TwirpReply | Promise<TwirpReply>,
): TwirpMethod {
  // The transport only hands `run` what `input` decoded, so the types cannot disagree.
  return { input, ...access, run } as unknown as TwirpMethod;
}

/** Bytes of a request that names things: rooms, identities, tracks, thousands of them. */
const MAX_NAMES_BYTES = 256 * 1024;

/** An answer is written for so long before others have a turn, µs. */
const HOLD_US = 10_000;

/** The longest `X-Twirp-Timeout-Ms` that is waited for; timers take no longer delay. */
const MAX_TIMEOUT_MS = 0x7fff_ffff;

/** The handlers of all services; gives `undefined` for a path of none of them. */
export function twirpRoutes(
  services: readonly TwirpService[],
  options: TwirpOptions,
): (path: string) => RouteHandler | undefined {
  const byName = new Map(services.map((service) => [service.name, service]));
  return (path) => {
    const [, root, name] = path.split("/", 3);
    const service = root === "twirp" && name !== undefined ? byName.get(name) : undefined;
    return service && ((exchange) => observedAnswer(service, exchange, options));
  };
}

async function observedAnswer(
  service: TwirpService,
  exchange: HttpExchange,
  options: TwirpOptions,
): Promise<Response> {
  const name = methodName(service, exchange.path);
  const method = Object.hasOwn(service.methods, name) ? name : "";
  const startedAt = options.clock.now();
  const answered = await answer(service, exchange, options);
  const failed = answered instanceof TwirpError;
  const response = failed ? answered.toResponse() : answered;
  const ms = options.clock.now() - startedAt;
  options.telemetry.apiCall(
    service.name,
    method,
    response.status,
    failed ? answered.code : "",
    ms,
  );
  return response;
}

function methodName({ name }: TwirpService, path: string): string {
  return path.slice(`/twirp/${name}/`.length);
}

async function answer(
  service: TwirpService,
  exchange: HttpExchange,
  options: TwirpOptions,
): Promise<Response | TwirpError> {
  const { request, path } = exchange;
  if (request.method !== "POST") {
    return badRoute(exchange, `unsupported method "${request.method}" (only POST is allowed)`);
  }
  const name = methodName(service, path);
  const method = Object.hasOwn(service.methods, name) ? service.methods[name] : undefined;
  if (method === undefined) return badRoute(exchange, `no handler for path "${path}"`);
  const contentType = request.headers.get("Content-Type") ?? "";
  const encoding = contentType.split(";", 1)[0]!.trim().toLowerCase();
  if (encoding !== "application/json" && encoding !== "application/protobuf") {
    return badRoute(exchange, `unexpected Content-Type: "${contentType}"`);
  }
  // Whoever may not call this has nothing read, let alone decoded.
  const denied = method.grant(exchange.token);
  if (denied !== undefined) return denied;
  const json = encoding === "application/json";
  const limit = maxBytes(method, options.maxBodyBytes);
  const body = await options.bodies.read(
    request,
    limit,
    (bytes) => readRequest(method, bytes, json),
  );
  if (!body.ok) return bodyRefused(body);
  const message = body.value;
  if (message === undefined) {
    const kind = json ? "json" : "protobuf";
    return new TwirpError("malformed", `the ${kind} request could not be decoded`);
  }
  const reply = await runInTime(service.name, name, method, message, exchange, options);
  if (reply instanceof TwirpError) return reply;
  const text = json ? await writeLongTwirpJson(reply, restsOf(options)) : protobufBytes(reply);
  return new Response(text as BodyInit, { headers: { "Content-Type": encoding } });
}

/** Gives the thread to others when it was held for long enough. */
function restsOf({ clock, timers }: TwirpOptions): () => Promise<void> | undefined {
  let sinceUs = clock.nowUs();
  return () => {
    if (clock.nowUs() - sinceUs < HOLD_US) return undefined;
    return new Promise((resolve) =>
      timers.after(0, () => {
        sinceUs = clock.nowUs();
        resolve();
      })
    );
  };
}

/** Runs the method, at most as long as the caller says it will wait. */
async function runInTime(
  service: string,
  name: string,
  method: TwirpMethod,
  message: AnyMessage,
  { request, token, url: { origin } }: HttpExchange,
  { timers, log, counters }: TwirpOptions,
): Promise<TwirpReply> {
  const requestId = request.headers.get("X-Livekit-Request-Id") ?? "";
  const run = async (): Promise<TwirpReply> => {
    try {
      return await method.run(message, { token, requestId, origin });
    } catch (error) {
      counters.count("twirp_internal_error");
      log.error("server API method failed", { service, method: name, error });
      return new TwirpError("internal", "Internal service panic");
    }
  };
  const timeoutMs = readTimeout(request.headers.get("X-Twirp-Timeout-Ms"));
  if (timeoutMs === undefined) return await run();
  const late = Promise.withResolvers<TwirpReply>();
  const cancel = timers.after(timeoutMs, () => {
    late.resolve(new TwirpError("deadline_exceeded", "context deadline exceeded"));
  });
  try {
    return await Promise.race([run(), late.promise]);
  } finally {
    cancel();
  }
}

function readTimeout(header: string | null): number | undefined {
  if (header === null || !/^\d{1,15}$/.test(header)) return undefined;
  return Math.min(Number(header), MAX_TIMEOUT_MS);
}

function maxBytes({ carries }: TwirpMethod, maxBodyBytes: number): number {
  if (carries === "content") return maxBodyBytes;
  return maxBodyBytes === 0 ? MAX_NAMES_BYTES : Math.min(maxBodyBytes, MAX_NAMES_BYTES);
}

/** `undefined` for what is no such message, or has more parts than any request. */
function readRequest({ input }: TwirpMethod, body: Uint8Array, json: boolean) {
  try {
    const text = json && new TextDecoder("utf-8", { fatal: true }).decode(body);
    return decodeMessage(input, text === false ? body : text);
  } catch {
    return undefined;
  }
}

function badRoute({ request, path }: HttpExchange, msg: string): TwirpError {
  const meta = { twirp_invalid_route: `${request.method} ${path}` };
  return new TwirpError("bad_route", msg, meta);
}
