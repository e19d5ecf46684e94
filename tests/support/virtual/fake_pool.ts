/**
 * A pool over engines that only remember what they were told, and can be lost.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import { SfuError } from "../../../lib/base/errors.ts";
import type { ConnectionId, DownTrackId, UpTrackId } from "../../../lib/base/ids.ts";
import type { EngineCommand } from "../../../lib/engine/messages/engine_messages.ts";
import type { MediaEvent } from "../../../lib/engine/messages/media_messages.ts";
import { EnginePool } from "../../../lib/engine/pool/engine_pool.ts";
import type { EngineLoad } from "../../../lib/engine/pool/placement.ts";
import type { PooledEngine } from "../../../lib/engine/pool/pooled_engine.ts";
import type { TcpFromSession, TcpToSession } from "../../../lib/transport/tcp/tcp_handover.ts";
import { FakeEngine } from "./fake_engine.ts";
import { SPREAD } from "../wire/test_engine.ts";
import { audioSection, sendSection } from "../wire/wire_media.ts";
import { EVERYTHING } from "../wire/wire_room.ts";
import { VirtualPlatform } from "./virtual_platform.ts";

/**
 * An engine that keeps its commands and does nothing; the test may refuse its start and lose it.
 */
export class FakePooledEngine extends FakeEngine implements PooledEngine {
  onLoad: (load: EngineLoad) => void = () => {};
  onLost: (reason: string) => void = () => {};
  onTcp: (message: TcpFromSession) => void = () => {};
  override onEvent: (event: MediaEvent) => void = () => {};
  readonly frames: TcpToSession[] = [];
  isClosed = false;

  constructor(platform: VirtualPlatform, readonly refusal: SfuError | undefined) {
    super(platform);
  }

  override start(): ReturnType<FakeEngine["start"]> {
    return this.refusal === undefined ? super.start() : Promise.reject(this.refusal);
  }

  override emit(event: MediaEvent): void {
    this.onEvent(structuredClone(event));
  }

  sendTcp(message: TcpToSession): void {
    this.frames.push(message);
  }

  override close(): Promise<void> {
    this.isClosed = true;
    return super.close();
  }
}

/** A pool over {@linkcode FakePooledEngine}s, with everything it told. */
export class FakePool {
  readonly platform = new VirtualPlatform();
  readonly drops = new DropCounters();
  /** The engine in each place now. */
  readonly engines: FakePooledEngine[] = [];
  readonly events: MediaEvent[] = [];
  readonly taken: number[] = [];
  /** What the next engines say when they are to start. */
  refusal: SfuError | undefined;
  readonly pool: EnginePool;

  constructor(size: number, placement = SPREAD) {
    this.pool = new EnginePool({
      platform: this.platform,
      size,
      createEngine: (index) =>
        this.engines[index] = new FakePooledEngine(this.platform, this.refusal),
      addressTaken: (index) => this.taken.push(index),
      createTcp: () => ({
        start: () => Promise.resolve([]),
        addresses: (hosts) =>
          hosts.map((hostname) => ({ protocol: "tcp" as const, hostname, port: 7881 })),
        receive() {},
        engineLost() {},
        close: () => Promise.resolve(),
      }),
      createRing: () => new SharedArrayBuffer(0),
      drops: this.drops,
      placement,
    });
    this.pool.onEvent = (event) => this.events.push(event);
  }

  /** A pool whose engines have started. */
  static async started(size: number, placement = SPREAD): Promise<FakePool> {
    const fake = new FakePool(size, placement);
    await fake.pool.start();
    return fake;
  }

  /** The engine that was told to open a connection, by index; -1 if none was. */
  homeOf(id: ConnectionId): number {
    return this.engines.findIndex((engine) =>
      engine.of("open_connection").some(({ connection }) => connection === id)
    );
  }
}

/** The `n`th connection and down-track of a test. */
export const connection = (n: number) => `C${n}` as ConnectionId;
export const downTrack = (n: number) => `D${n}` as DownTrackId;

/** Opens a connection. @param placement The room it is of, if it is of one. */
export function openConnection(id: ConnectionId, placement?: string): EngineCommand {
  const local = { ufrag: `ufrag-${id}`, pwd: "p".repeat(24) };
  return {
    type: "open_connection",
    connection: id,
    local,
    dataChannels: "accept",
    ...(placement === undefined ? {} : { placement }),
  };
}

/** Says that a connection receives tracks of voice. */
export function receiveAudio(id: ConnectionId, ...upTracks: UpTrackId[]): EngineCommand {
  const sections = upTracks.map((track) => audioSection("0", track));
  return { type: "set_receive", connection: id, sections };
}

/** Has a track of voice sent on a connection. */
export function addAudio(to: ConnectionId, down: DownTrackId, up: UpTrackId): EngineCommand {
  return {
    type: "add_down_track",
    connection: to,
    downTrack: down,
    upTrack: up,
    section: sendSection("s", "audio", 5000),
    target: EVERYTHING,
  };
}
