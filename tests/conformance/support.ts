/**
 * What every conformance test starts from: {@linkcode scenario} registers a test under a name of
 * LiveKit's own list, once per signalling flavour where the list says so, and gives it a server of
 * its own on free loopback ports.
 *
 * After each test the server is closed and must have logged no error: whatever a test does to it, a
 * bug of ours fails the test. What it did log, before any scrubbing, must hold no address and no
 * token.
 *
 * @module
 */
import assert from "node:assert/strict";
import { RoomServiceClient } from "livekit-server-sdk";
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import type { Log, Platform } from "../../lib/base/platform.ts";
import { parseConfig } from "../../lib/server/config/config_parsing.ts";
import { createServer } from "../../lib/server/whole_server.ts";
import type { SfuServer } from "../../lib/server/sfu_server.ts";
import { mintToken, type TokenOptions } from "../support/process/access_tokens.ts";
import { EngineTap } from "../support/virtual/engine_tap.ts";
import { reporting } from "../support/process/failure_report.ts";
import type { Flavour, JoinOptions } from "../support/process/join_url.ts";
import { endToEndTest } from "../support/process/e2e_requirements.ts";
import { RoomwireCluster } from "../support/process/roomwire_cluster.ts";
import {
  type RoomwireProcess,
  TEST_KEY,
  TEST_SECRET,
} from "../support/process/roomwire_process.ts";
import { scaledPlatform } from "../support/virtual/scaled_platform.ts";
import { createTestEngine, SPREAD } from "../support/wire/test_engine.ts";
import { until } from "../support/wire/until.ts";
import { WireParticipant } from "../support/wire/wire_participant.ts";
import { scenarioNamed } from "./scenarios.ts";

/** Signalling flavours this server speaks: a scenario marked with `③` runs once for each. */
export const FLAVOURS: readonly Flavour[] = ["v0", "join_request", "v1"];

/** Room of a test that needs only one. */
export const ROOM = "conformance";

const HOST = "127.0.0.1";

/** Claims of a token; the room is {@linkcode ROOM} unless it says otherwise. */
export type TokenFields = Partial<Omit<TokenOptions, "identity">>;

/** Who joins, and how. */
export interface ClientOptions extends JoinOptions {
  /** What the token says besides the identity. */
  readonly token?: TokenFields;
  /** Codecs the client cannot decode. */
  readonly unsupported?: readonly string[];
}

/** A server of its own and clients that end with it. */
export class TestServer implements AsyncDisposable {
  readonly #clients: WireParticipant[] = [];

  private constructor(
    readonly server: SfuServer,
    readonly flavour: Flavour,
    readonly log: RecordingLog,
    readonly http: Deno.HttpServer<Deno.NetAddr>,
    /** The server's clock and timers, among others. */
    readonly platform: Platform,
    readonly tap: EngineTap,
  ) {}

  /**
   * @param config LiveKit's YAML keys, merged over the test configuration.
   * @param lines Gets everything that is logged.
   * @param speed How many of the server's seconds pass in a real one, in which this process has its
   * share of the machine. By default the server has plain real time.
   */
  static async start(
    config: Readonly<Record<string, unknown>> = {},
    flavour: Flavour = "v0",
    lines: string[] = [],
    speed?: number,
  ): Promise<TestServer> {
    const log = new RecordingLog({}, lines);
    const platform = speed === undefined ? denoPlatform(log) : scaledPlatform(speed, log);
    const tap = new EngineTap();
    const server = createServer(
      parseConfig({ keys: { [TEST_KEY]: TEST_SECRET }, rtc: { node_ip: HOST }, ...config }),
      platform,
      {
        createEngine: (options) => {
          const free = [{ hostname: HOST, port: 0 }];
          return tap.wrap(createTestEngine({ ...options, udp: free, tcp: free }, SPREAD));
        },
      },
    );
    await server.listenMedia();
    const http = Deno.serve({ hostname: HOST, port: 0, onListen() {} }, server.handler);
    return new TestServer(server, flavour, log, http, platform, tap);
  }

  /** `ws://…` without a trailing slash. */
  get url(): string {
    return `ws://${HOST}:${this.http.addr.port}`;
  }

  /** `http://…` without a trailing slash. */
  get httpUrl(): string {
    return `http://${HOST}:${this.http.addr.port}`;
  }

  /** The server API as an application uses it, with every grant. */
  get api(): RoomServiceClient {
    return new RoomServiceClient(this.httpUrl, TEST_KEY, TEST_SECRET);
  }

  /** A token for {@linkcode ROOM} that may do everything unless the options say otherwise. */
  token(identity: string, fields: TokenFields = {}): Promise<string> {
    return mintToken({ room: ROOM, ...fields, identity });
  }

  /** A client that has its join response; its connections may still be coming up. */
  async open(identity: string, options: ClientOptions = {}): Promise<WireParticipant> {
    const token = await this.token(identity, options.token);
    const client = await WireParticipant.open(this.url, token, {
      flavour: this.flavour,
      ...options,
    });
    this.#clients.push(client);
    return client;
  }

  /** A client that is ACTIVE, on both sides. */
  async join(identity: string, options: ClientOptions = {}): Promise<WireParticipant> {
    const client = await this.open(identity, options);
    await client.connected();
    const room = options.token?.room ?? ROOM;
    await until(
      `${identity} to be ACTIVE`,
      () => this.server.rooms.get(room)?.byIdentity(client.identity)?.active,
    );
    return client;
  }

  /** Several clients of the same kind, at once. */
  joinAll(identities: readonly string[], options: ClientOptions = {}): Promise<WireParticipant[]> {
    return Promise.all(identities.map((identity) => this.join(identity, options)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.vanish()));
    await this.server.close();
    await this.http.shutdown();
    this.log.assertClean();
  }
}

/** The body of a scenario. */
export type ScenarioBody = (test: TestServer) => Promise<void>;

/** Options of {@linkcode scenario}. */
export interface ScenarioOptions {
  /** LiveKit's YAML keys. */
  readonly config?: Readonly<Record<string, unknown>>;
  /**
   * See {@linkcode TestServer.start}; for scenarios that wait for the server or measure its time.
   */
  readonly speed?: number;
}

/**
 * Registers a scenario against a running server.
 *
 * @param name As in LiveKit's list; an unknown one throws.
 */
export function scenario(name: string, body: ScenarioBody, options: ScenarioOptions = {}): void {
  const { perFlavour } = scenarioNamed(name);
  const flavours = perFlavour ? FLAVOURS : FLAVOURS.slice(0, 1);
  for (const flavour of flavours) {
    Deno.test({
      name: perFlavour ? `${name} (${flavour})` : name,
      // werift's DTLS client, which the test clients use, has timers that cannot be stopped.
      sanitizeOps: false,
      sanitizeResources: false,
      fn: () => {
        const log: string[] = [];
        return reporting(async () => {
          await using test = await TestServer.start(options.config, flavour, log, options.speed);
          await body(test);
        }, () => ({ "the server": log }));
      },
    });
  }
}

/** Registers a scenario that needs no running server, with every sanitizer on. */
export function unitScenario(
  name: string,
  body: (context: Deno.TestContext) => void | Promise<void>,
): void {
  assert.ok(!scenarioNamed(name).perFlavour, `${name} runs against a server, per flavour`);
  Deno.test(name, body);
}

/** An IPv4 address, or the start of every JWT. */
const PRIVATE = /\b\d{1,3}(?:\.\d{1,3}){3}\b|eyJ[\w-]{8}/;

/** Keeps everything that is logged, at every level. */
class RecordingLog implements Log {
  constructor(readonly bindings: object = {}, readonly lines: string[] = []) {}

  child(bindings: Readonly<Record<string, unknown>>): Log {
    return new RecordingLog({ ...this.bindings, ...bindings }, this.lines);
  }

  debug = (message: string, fields?: object) => this.#keep("debug", message, fields);
  info = (message: string, fields?: object) => this.#keep("info", message, fields);
  warn = (message: string, fields?: object) => this.#keep("warn", message, fields);
  error = (message: string, fields?: object) => this.#keep("error", message, fields);

  /** No error was logged, and nothing that must stay private. */
  assertClean(): void {
    const errors = this.lines.filter((line) => line.startsWith("error"));
    assert.deepEqual(errors, [], "the server logged errors");
    assert.deepEqual(this.lines.filter((line) => PRIVATE.test(line)), [], "the log tells too much");
  }

  #keep(level: string, message: string, fields: object = {}): void {
    this.lines.push(`${level} ${message} ${Deno.inspect({ ...this.bindings, ...fields })}`);
  }
}

/** Two nodes, and clients that end with their test. */
class TestNodes implements AsyncDisposable {
  readonly #clients: WireParticipant[] = [];

  constructor(
    readonly cluster: RoomwireCluster,
    readonly flavour: Flavour,
    /** Of this test alone. */
    readonly room: string,
  ) {}

  get nodes(): readonly RoomwireProcess[] {
    return this.cluster.nodes;
  }

  /** The server API of one node, with every grant. */
  api(node: number): RoomServiceClient {
    return new RoomServiceClient(this.nodes[node]!.httpUrl, TEST_KEY, TEST_SECRET);
  }

  /** A client of one node that has its join response; its connections may still be coming up. */
  async open(
    node: number,
    identity: string,
    options: ClientOptions = {},
  ): Promise<WireParticipant> {
    const token = await mintToken({ room: this.room, ...options.token, identity });
    const { url } = this.nodes[node]!;
    const client = await WireParticipant.open(url, token, { flavour: this.flavour, ...options });
    this.#clients.push(client);
    return client;
  }

  /** A client of one node whose connections are up. */
  async join(
    node: number,
    identity: string,
    options: ClientOptions = {},
  ): Promise<WireParticipant> {
    const client = await this.open(node, identity, options);
    return await client.connected();
  }

  /** Resolves once a node knows of somebody, of whom it need not have told its clients yet. */
  async known(node: number, identity: string): Promise<void> {
    await until(`node ${node} to know of ${identity}`, async () => {
      const listed = await this.api(node).listParticipants(this.room);
      return listed.some((info) => info.identity === identity);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.vanish()));
  }
}

/** The nodes of the tests of one file, started on first use. */
let sharedNodes: Promise<RoomwireCluster> | undefined;

const startNodes = () =>
  RoomwireCluster.start({
    regions: ["", ""],
    config: { enable_participant_data_blob: true },
  });

Deno.test.afterAll(async () => {
  await (await sharedNodes?.catch(() => undefined))?.[Symbol.asyncDispose]();
});

/**
 * Registers a scenario against two processes that share a Redis.
 *
 * @param isAlone The nodes are for each run of this test alone: it stops some, or counts what they
 *   do.
 */
export function clusterScenario(
  name: string,
  body: (test: TestNodes) => Promise<void>,
  { isAlone = false }: { readonly isAlone?: boolean } = {},
): void {
  const { perFlavour } = scenarioNamed(name);
  const flavours = perFlavour ? FLAVOURS : FLAVOURS.slice(0, 1);
  for (const flavour of flavours) {
    endToEndTest(perFlavour ? `${name} (${flavour})` : name, ["redis"], async () => {
      await using own = isAlone ? await startNodes() : undefined;
      const cluster = own ?? await (sharedNodes ??= startNodes());
      await using test = new TestNodes(cluster, flavour, `${name} ${flavour}`);
      await body(test);
    });
  }
}
