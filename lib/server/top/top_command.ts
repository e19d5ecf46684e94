/**
 * `roomwire top`: what a server does now, in a terminal. To a pipe, or with `--json`, it is said
 * once.
 *
 * @module
 */
import { SfuError } from "../../base/errors.ts";
import type { Platform } from "../../base/platform.ts";
import { type ApiKeys, signAccessToken } from "../../signalling/access_token.ts";
import type { ClusterFigures } from "../../watch/figures.ts";
import { DEV_KEY } from "../config/config_loading.ts";
import type { Terminal } from "./terminal.ts";
import { readKeys } from "./terminal_keys.ts";
import { harmless, harmlessJson } from "./terminal_text.ts";
import { pageLength, type TopLife, topScreen, type TopStyle, topText } from "./top_screen.ts";
import { type StreamSocket, type TopServer, TopStream } from "./top_stream.ts";
import { topTable } from "./top_tables.ts";
import { orderedRows, pressed, questionOf, sortedBy, type TopView, viewOf } from "./top_view.ts";

/** What the command line says; the rest is asked of the environment, as `lk` does. */
export interface TopRequest {
  readonly url?: string;
  readonly apiKey?: string;
  readonly apiSecret?: string;
  readonly token?: string;
  /** The keys of development mode. */
  readonly dev: boolean;
  readonly room?: string;
  readonly sort?: string;
  readonly json: boolean;
}

/** What the command works with. */
export interface TopWorld {
  readonly platform: Pick<Platform, "clock" | "timers">;
  readonly env: (name: string) => string | undefined;
  readonly write: (text: string) => void;
  /** Takes the terminal; absent where nobody looks at one. */
  readonly openTerminal?: () => Terminal;
  readonly openSocket: (url: string, protocols: readonly string[]) => StreamSocket;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

const DEFAULT_URL = "http://localhost:7880";
/** A stream lasts as long as its token. */
const TOKEN_MS = 12 * 3_600_000;
const TRY_OUT_MS = 5_000;
/** Characters of a refusal that are repeated. */
const MAX_WORDS = 200;
/** Whoever asks once has an answer by then, ms. */
const ONCE_MS = 10_000;

/**
 * Runs until it is ended, or until it is said once.
 *
 * @throws {SfuError} Why nothing can be shown.
 */
export async function runTop(request: TopRequest, world: TopWorld): Promise<void> {
  const { room, json } = request;
  const access = accessOf(request, world.env);
  const first = room === undefined ? viewOf("rooms") : viewOf("room", { room });
  const view = request.sort === undefined ? first : sorted(first, request.sort);
  const server = serverOf(access, world);
  const life = lifeOf(access);
  if (json || world.openTerminal === undefined) {
    const state = await once(server, view, world);
    const pages = [viewOf("nodes"), ...(room === undefined ? [] : [viewOf("rooms")]), view];
    return world.write(
      json
        ? `${harmlessJson(JSON.stringify(state, null, 2))}\n`
        : topText(state, pages, { ...life, isLive: true }),
    );
  }
  using terminal = world.openTerminal();
  await new TopLoop(terminal, server, view, life, world).run();
}

/** How the server is asked. */
interface TopAccess {
  readonly url: URL;
  /** A token, or what makes one. */
  readonly token?: string;
  readonly keys?: ApiKeys;
}

function accessOf(request: TopRequest, env: TopWorld["env"]): TopAccess {
  const given = request.url ?? (request.dev ? DEFAULT_URL : env("LIVEKIT_URL") ?? DEFAULT_URL);
  const text = /^[a-z]+:\/\//i.test(given) ? given : `http://${given}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^(?:https?|wss?):$/.test(url.protocol)) {
    throw new SfuError("invalid_config", `--url: expected an address such as ${DEFAULT_URL}`);
  }
  url.protocol = url.protocol.replace(/^ws/, "http");
  const token = request.token ?? env("LIVEKIT_TOKEN");
  if (token !== undefined && token !== "") return { url, token };
  const apiKey = request.apiKey ?? (request.dev ? DEV_KEY.apiKey : env("LIVEKIT_API_KEY"));
  const secret = request.apiSecret ?? (request.dev ? DEV_KEY.secret : env("LIVEKIT_API_SECRET"));
  if (!apiKey || !secret) {
    throw new SfuError(
      "missing_keys",
      "top needs --api-key and --api-secret, or LIVEKIT_API_KEY and LIVEKIT_API_SECRET, or a " +
        "--token of an operator; --dev takes those of development mode",
    );
  }
  return { url, keys: new Map([[apiKey, secret]]) };
}

function lifeOf({ url }: TopAccess): TopLife {
  const isClear = url.protocol === "http:" && !/^(?:localhost|127\.|\[::1\])/.test(url.hostname);
  const warning = "not encrypted: whoever is on the way reads the token; use https://";
  return { source: url.host, isLive: false, ...(isClear ? { warning } : {}) };
}

/** @throws {SfuError} if there is no such column. */
function sorted(view: TopView, title: string): TopView {
  const nothing: ClusterFigures = { atMs: 0, self: "", nodes: {}, rooms: {}, roomCount: 0 };
  const table = topTable(nothing, view.page, undefined);
  const found = sortedBy(view, table, title);
  if (found !== undefined) return found;
  const titles = table.columns.map((column) => column.title.toLowerCase()).join(", ");
  throw new SfuError("invalid_config", `--sort: expected one of ${titles}`);
}

function serverOf({ url, token, keys }: TopAccess, world: TopWorld): TopServer {
  const stream = new URL("admin/stream", url.pathname.endsWith("/") ? url : `${url}/`);
  const tokenNow = async () => {
    if (token !== undefined) return token;
    const [apiKey, secret] = [...keys!][0]!;
    const video = { roomAdmin: true, roomList: true };
    const claims = { identity: "roomwire-top", video };
    const nowMs = world.platform.clock.wallMs();
    return await signAccessToken({ apiKey, secret }, claims, nowMs, TOKEN_MS);
  };
  return {
    connect: async () => {
      const address = new URL(stream);
      address.protocol = address.protocol.replace(/^http/, "ws");
      const protocols = ["roomwire.admin", `bearer.${await tokenNow()}`];
      return world.openSocket(address.href, protocols);
    },
    refusal: async () => {
      try {
        const headers = { "Authorization": `Bearer ${await tokenNow()}` };
        const signal = AbortSignal.timeout(TRY_OUT_MS);
        const answer = await world.fetch(stream.href, { headers, signal });
        const words = harmless((await answer.text()).trim().slice(0, MAX_WORDS));
        // That no WebSocket was asked for is no refusal.
        return answer.status === 400 ? undefined : { status: answer.status, words };
      } catch {
        return undefined;
      }
    },
  };
}

/** The first state that has rates. */
async function once(server: TopServer, view: TopView, world: TopWorld): Promise<ClusterFigures> {
  const { timers } = world.platform;
  const { promise, resolve, reject } = Promise.withResolvers<ClusterFigures>();
  const stream = new TopStream(server, timers, {
    onState: (state, isChange) => isChange && resolve(state),
    onAway: () => {},
    onRefused: reject,
  }, questionOf(view));
  const cancel = timers.after(ONCE_MS, () => {
    reject(new SfuError("address_not_available", "the server does not answer in time"));
  });
  void stream.open();
  try {
    return await promise;
  } finally {
    cancel();
    stream.close();
  }
}

/** Draws whatever is new, until somebody has had enough. */
class TopLoop {
  readonly #stream: TopStream;
  readonly #style: TopStyle;
  readonly #done = Promise.withResolvers<void>();
  #state: ClusterFigures | undefined;

  constructor(
    readonly terminal: Terminal,
    server: TopServer,
    private view: TopView,
    private life: TopLife,
    { platform: { timers }, env }: TopWorld,
  ) {
    this.#style = env("NO_COLOR") ? "no-colours" : "colours";
    this.#stream = new TopStream(server, timers, {
      onState: (state) => {
        this.#state = state;
        this.#live(true);
      },
      onAway: () => this.#live(false),
      onRefused: (error) => this.#done.reject(error),
    }, questionOf(view));
    terminal.onInput = (text) => readKeys(text).forEach((key) => this.#press(key));
    terminal.onResize = () => this.#draw();
    terminal.onEnd = () => this.#done.resolve();
  }

  async run(): Promise<void> {
    this.#draw();
    void this.#stream.open();
    try {
      await this.#done.promise;
    } finally {
      this.#stream.close();
    }
  }

  #live(isLive: boolean): void {
    this.life = { ...this.life, isLive };
    this.#draw();
  }

  #press(key: string): void {
    const state = this.#state ?? { atMs: 0, self: "", nodes: {}, rooms: {}, roomCount: 0 };
    const table = topTable(state, this.view.page, this.view.identity);
    const rows = orderedRows(table, this.view.order);
    const view = pressed(this.view, key, table, rows, pageLength(this.terminal.size()));
    if (view === undefined) return this.#done.resolve();
    this.view = view;
    this.#stream.ask(questionOf(view));
    this.#draw();
  }

  #draw(): void {
    const size = this.terminal.size();
    this.terminal.draw(topScreen(this.#state, this.view, this.life, size, this.#style));
  }
}
