/**
 * All RTMP connections of a node: how many there may be, how long each may take, and how much of it
 * is read at a time.
 *
 * Contract: a connection that publishes nothing in time, falls silent, or does not read what it is
 * told, is ended; after {@linkcode RtmpConnections.close} there is none.
 *
 * @module
 */
import type { Cancel } from "../base/platform.ts";
import { addressBlock } from "../wire/ip_address.ts";
import { RtmpPublishing, type RtmpWorld } from "./rtmp_publishing.ts";
import { RtmpSession } from "./rtmp_session.ts";

/** A connection's two directions. */
export interface RtmpSocket {
  /** Where it comes from; empty if that is not known. */
  readonly address: string;
  /** Bytes put into `into`; `null` at the end. */
  read(into: Uint8Array): Promise<number | null>;
  write(bytes: Uint8Array): Promise<number>;
  /** Both directions; again: nothing. */
  close(): void;
}

/** How many there may be; 0 is no limit. */
export interface RtmpLimits {
  readonly connections: number;
  readonly perAddress: number;
}

/** From the first byte to the first picture or sound, ms. */
const PUBLISH_WITHIN_MS = 10_000;
/** Without a byte, ms: encoders send something all the time. */
const SILENCE_MS = 15_000;
const LOOK_EVERY_MS = 1_000;
const PAUSE_MS = 100;
const READ_BYTES = 65_536;
/** In the long run a connection brings no more than this, bytes a second: 80 Mbit/s. */
const MAX_BYTES_PER_SECOND = 10_000_000;
/** What it may bring at once. */
const BURST_BYTES = 4_000_000;
/** Before it may publish: a handshake and some commands are a tenth of that. */
const MAX_BYTES_BEFORE = 65_536;
/** Who keeps the thread for so long, ms, leaves it to others for so many times as long. */
const LONG_MS = 5;
const OTHERS_SHARE = 4;
/** What waits to be read by a peer: everything that is ever said to one has less. */
const MAX_UNREAD_BYTES = 65_536;

/** The connections. */
export class RtmpConnections {
  readonly #all = new Set<RtmpConnection>();
  readonly #byAddress = new Map<string, number>();
  #isClosed = false;

  constructor(readonly world: RtmpWorld, readonly limits: RtmpLimits) {}

  /** How many there are. */
  get size(): number {
    return this.#all.size;
  }

  /** Serves a connection until it ends; never rejects. */
  async serve(socket: RtmpSocket): Promise<void> {
    const { counters } = this.world;
    const block = addressBlock(socket.address) ?? "";
    const ofAddress = this.#byAddress.get(block) ?? 0;
    const { connections, perAddress } = this.limits;
    const isTooMany = connections > 0 && this.#all.size >= connections ||
      perAddress > 0 && ofAddress >= perAddress;
    if (isTooMany || this.#isClosed) {
      counters.count("rtmp_connection_refused");
      return socket.close();
    }
    this.#byAddress.set(block, ofAddress + 1);
    const connection = new RtmpConnection(this.world, socket);
    this.#all.add(connection);
    try {
      await connection.run();
    } finally {
      this.#all.delete(connection);
      const left = this.#byAddress.get(block)! - 1;
      if (left > 0) this.#byAddress.set(block, left);
      else this.#byAddress.delete(block);
    }
  }

  /** Resolves a little later: after a connection could not be taken. */
  pause(): Promise<void> {
    return new Promise((resolve) => this.world.platform.timers.after(PAUSE_MS, resolve));
  }

  /** Ends all. */
  close(): void {
    this.#isClosed = true;
    for (const connection of [...this.#all]) connection.end("the server is closing");
  }
}

class RtmpConnection {
  readonly #world: RtmpWorld;
  readonly #socket: RtmpSocket;
  readonly #session: RtmpSession;
  readonly #publishing: RtmpPublishing;
  readonly #startedAt: number;
  #heardAt: number;
  #hasMedia = false;
  #received = 0;
  #allowance = BURST_BYTES;
  #unread = 0;
  #writing: Promise<unknown> = Promise.resolve();
  #cancelLook: Cancel = () => {};
  #isOver = false;

  constructor(world: RtmpWorld, socket: RtmpSocket) {
    this.#world = world;
    this.#socket = socket;
    this.#startedAt = this.#heardAt = world.platform.clock.now();
    this.#publishing = new RtmpPublishing(world, {
      address: socket.address,
      accept: () => this.#session.accept(),
      refuse: (words) => this.#session.refuse(words),
    });
    const publishing = this.#publishing;
    this.#session = new RtmpSession({
      write: (bytes) => this.#write(bytes),
      end: () => this.#endSoon(),
      publish: (key) => {
        publishing.begin(key).catch((error) => {
          world.platform.log.error("a stream key could not be looked for", { error });
          this.end("internal error");
        });
      },
      metadata: (values) => publishing.metadata(values),
      media: (kind, payload, timestamp) => {
        this.#hasMedia = true;
        publishing.media(kind, payload, timestamp);
      },
      stopped: () => publishing.stopped(),
    });
  }

  async run(): Promise<void> {
    const { clock, log } = this.#world.platform;
    const buffer = new Uint8Array(READ_BYTES);
    this.#look();
    try {
      while (!this.#isOver) {
        const before = clock.now();
        const count = await this.#socket.read(buffer);
        if (count === null) break;
        const now = this.#heardAt = clock.now();
        const beganUs = clock.nowUs();
        this.#session.receive(buffer.subarray(0, count));
        this.#received += count;
        if (!this.#session.isPublishing && this.#received > MAX_BYTES_BEFORE) break;
        await this.#pace(count, now - before, (clock.nowUs() - beganUs) / 1000);
      }
    } catch (error) {
      // A reset is an end like any other.
      if (!this.#isOver) log.debug("an RTMP connection broke", { error: String(error) });
    } finally {
      this.#over();
    }
  }

  /** Tells it why, as far as it listens. */
  end(words: string): void {
    this.#session.refuse(words);
    this.#endSoon();
  }

  /** Nobody takes more than its share of the thread for long. */
  async #pace(count: number, elapsedMs: number, spentMs: number): Promise<void> {
    if (spentMs >= LONG_MS) await this.#wait(spentMs * OTHERS_SHARE);
    const earned = elapsedMs * MAX_BYTES_PER_SECOND / 1000;
    this.#allowance = Math.min(BURST_BYTES, this.#allowance + earned) - count;
    if (this.#allowance >= 0) return;
    const waitMs = Math.ceil(-this.#allowance * 1000 / MAX_BYTES_PER_SECOND);
    await this.#wait(waitMs);
    this.#allowance += waitMs * MAX_BYTES_PER_SECOND / 1000;
  }

  #wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.platform.timers.after(ms, resolve));
  }

  #write(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#isOver) return;
    this.#unread += bytes.length;
    if (this.#unread > MAX_UNREAD_BYTES) {
      this.#world.counters.count("rtmp_slow_reader");
      return this.#over();
    }
    this.#writing = this.#writing.then(() => this.#writeAll(bytes)).catch(() => this.#over());
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length && !this.#isOver;) {
      at += await this.#socket.write(bytes.subarray(at));
    }
    this.#unread -= bytes.length;
  }

  /** What was said last is given the time of a look to leave. */
  #endSoon(): void {
    this.#cancelLook();
    const cancel = this.#world.platform.timers.after(LOOK_EVERY_MS, () => this.#over());
    this.#cancelLook = cancel;
    void this.#writing.then(() => this.#over());
  }

  #look(): void {
    this.#cancelLook = this.#world.platform.timers.after(LOOK_EVERY_MS, () => {
      const now = this.#world.platform.clock.now();
      const isLate = !this.#hasMedia && now - this.#startedAt >= PUBLISH_WITHIN_MS;
      if (isLate || now - this.#heardAt >= SILENCE_MS) {
        this.#world.counters.count("rtmp_too_slow");
        return this.#over();
      }
      this.#publishing.tick();
      if (!this.#isOver) this.#look();
    });
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelLook();
    this.#session.closed();
    this.#socket.close();
  }
}
