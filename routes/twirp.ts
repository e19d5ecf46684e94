/**
 * Twirp over HTTP (specification version 7): `POST /twirp/livekit.<Service>/<Method>` with protobuf or
 * JSON, answered in kind.
 *
 * A service is a list of methods; a method gets its decoded request and the caller's verified token,
 * and gives its answer or a {@linkcode TwirpError}. A method that throws has a bug: its caller gets
 * `internal` and nobody else notices.
 *
 * @module
 */
import type { AnyMessage, Message, MessageType } from "@bufbuild/protobuf";
import type { DropCounters } from "../lib/base/drop_counters.ts";
import type { Log, Timers } from "../lib/base/platform.ts";
import type { AccessToken } from "../lib/signalling/access_token.ts";
import { bodyTooLarge, readBody } from "./body_limit.ts";
import type { HttpExchange, RouteHandler } from "./http_exchange.ts";
import { type TwirpCode, TwirpError } from "./twirp_error.ts";
import { readTwirpJson, writeTwirpJson } from "./twirp_json.ts";

/** What a method knows besides its request. */
export interface TwirpCall {
  /** Absent if the request carried none; methods check grants themselves. */
  readonly token: AccessToken | undefined;
  /** `X-Livekit-Request-Id`: the same for every attempt of one call; empty if absent. */
  readonly requestId: string;
}

/** A method's answer. */
export type TwirpReply = AnyMessage | TwirpError;

/** One method; make it with {@linkcode twirpMethod}. */
export interface TwirpMethod {
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
  readonly timers: Timers;
  readonly log: Log;
  readonly counters: DropCounters;
  /** A call begins (`method` is empty if there is no such); what it gives is told how it ended. */
  readonly observe?: (
    service: string,
    method: string,
  ) => (status: number, code: TwirpCode | "") => void;
}

/** Ties a request type to the function that answers it. */
export function twirpMethod<I extends Message<I>>(
  input: MessageType<I>,
  run: (request: I, call: TwirpCall) => TwirpReply | Promise<TwirpReply>,
): TwirpMethod {
  // The transport only hands `run` what `input` decoded, so the types cannot disagree.
  return { input, run } as unknown as TwirpMethod;
}

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
  const ended = options.observe?.(service.name, Object.hasOwn(service.methods, name) ? name : "");
  const answered = await answer(service, exchange, options);
  const failed = answered instanceof TwirpError;
  const response = failed ? answered.toResponse() : answered;
  ended?.(response.status, failed ? answered.code : "");
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
  const json = encoding === "application/json";
  const body = await readBody(request, options.maxBodyBytes);
  if (body === undefined) return bodyTooLarge();
  const message = json ? readJsonBody(method, body) : readProtobuf(method, body);
  if (message === undefined) {
    const kind = json ? "json" : "protobuf";
    return new TwirpError("malformed", `the ${kind} request could not be decoded`);
  }
  const reply = await runInTime(service.name, name, method, message, exchange, options);
  if (reply instanceof TwirpError) return reply;
  return new Response(json ? writeTwirpJson(reply) : new Uint8Array(reply.toBinary()), {
    headers: { "Content-Type": encoding },
  });
}

/** Runs the method, at most as long as the caller says it will wait. */
async function runInTime(
  service: string,
  name: string,
  method: TwirpMethod,
  message: AnyMessage,
  { request, token }: HttpExchange,
  { timers, log, counters }: TwirpOptions,
): Promise<TwirpReply> {
  const requestId = request.headers.get("X-Livekit-Request-Id") ?? "";
  const run = async (): Promise<TwirpReply> => {
    try {
      return await method.run(message, { token, requestId });
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

function readJsonBody(method: TwirpMethod, body: Uint8Array): AnyMessage | undefined {
  try {
    return readTwirpJson(method.input, new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

function readProtobuf(method: TwirpMethod, body: Uint8Array): AnyMessage | undefined {
  try {
    return method.input.fromBinary(body);
  } catch {
    return undefined;
  }
}

function badRoute({ request, path }: HttpExchange, msg: string): TwirpError {
  const meta = { twirp_invalid_route: `${request.method} ${path}` };
  return new TwirpError("bad_route", msg, meta);
}
