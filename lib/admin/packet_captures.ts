/**
 * Packet captures: what one participant sends and receives, as a file for Wireshark, or for a test
 * that plays it to the forwarding plane again.
 *
 * Contract: nobody is captured unless an operator allows it (`packet_capture.enabled`). A capture
 * has no addresses, keys, pictures or sounds in it, and ends by itself, after its time, its bytes
 * or with the participant's connections; of a participant there is one at a time. Whoever reads it
 * too slowly loses packets of it, which it says, and holds up nobody.
 *
 * @module
 */
import type { ConnectionId } from "../base/ids.ts";
import type { Platform } from "../base/platform.ts";
import type { CaptureEvent, CaptureLimits } from "../engine/messages/capture_messages.ts";
import type { EngineRouter } from "../room/context/engine_router.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import type { Session } from "../room/participant/session.ts";
import { capturedPackets } from "../wire/captured_packets.ts";
import { pcapngDatagram, pcapngHeader } from "../wire/pcapng.ts";
import { AdminFailure, participantNotFound, roomNotFound } from "./admin_failure.ts";

/** Captures at one time: each costs the media plane a copy of every header. */
const MAX_RUNNING = 4;
/** What may wait for whoever reads it, bytes. */
const MAX_QUEUED_BYTES = 4 * 1024 * 1024;
/** What is longer is no datagram. */
const LONGEST_NOTE = 60_000;
/** Of descriptions, however often they change. */
const MAX_NOTES_BYTES = 4 * 1024 * 1024;
/** The media plane ends a capture itself; this is for one that is gone, ms. */
const GRACE_MS = 2_000;
/** What stands in the file for our sockets and the client's. */
const FIRST_SERVER_PORT = 5004;
const FIRST_CLIENT_PORT = 50_000;
/** Discard (RFC 863): nobody takes what is said there for media. */
const NOTES_PORT = 9;

/** How much an operator allows. */
export interface CaptureRules {
  readonly maxMs: number;
  readonly maxBytes: number;
}

/** Whom, and no more than what is allowed. */
export interface CaptureRequest {
  readonly room: string;
  readonly identity: string;
  readonly ms?: number | undefined;
  readonly bytes?: number | undefined;
}

/** What captures need of the server. */
export interface PacketCapturesWorld {
  readonly rooms: Pick<LocalRooms, "get">;
  readonly router: EngineRouter;
  readonly platform: Pick<Platform, "clock" | "timers" | "log">;
  /** Absent: nobody may be captured. */
  readonly rules: CaptureRules | undefined;
  /** What writes the files. */
  readonly application: string;
}

/** The captures of one node. */
export class PacketCaptures {
  readonly #world: PacketCapturesWorld;
  #running = 0;
  /** Those of whom the media plane may still tell something. */
  readonly #captured = new Set<string>();

  constructor(world: PacketCapturesWorld) {
    this.#world = world;
  }

  /** The file, as it comes; whoever cancels it ends the capture. */
  start(request: CaptureRequest): ReadableStream<Uint8Array<ArrayBuffer>> | AdminFailure {
    const { rules, rooms, platform: { log } } = this.#world;
    if (rules === undefined) {
      const off = "packet captures are off: set packet_capture.enabled";
      return new AdminFailure("failed_precondition", off);
    }
    const room = rooms.get(request.room);
    if (room === undefined) return roomNotFound();
    const session = room.session(request.identity);
    if (session === undefined) return participantNotFound();
    const { sid } = session;
    if (this.#captured.has(sid)) {
      return new AdminFailure("failed_precondition", "this participant is captured already");
    }
    if (this.#running >= MAX_RUNNING) {
      return new AdminFailure("resource_exhausted", `${MAX_RUNNING} captures run already`);
    }
    const { maxMs, maxBytes } = rules;
    const limits = {
      maxMs: Math.min(request.ms ?? maxMs, maxMs),
      maxBytes: Math.min(request.bytes ?? maxBytes, maxBytes),
    };
    this.#running++;
    this.#captured.add(sid);
    // Somebody is looked at, which is to be seen later.
    log.warn("packet capture begins", { room: room.name, participant: sid, ...limits });
    const capture = new Capture(this.#world, session, limits, {
      ended: () => {
        this.#running--;
        log.info("packet capture ends", { room: room.name, participant: sid });
      },
      settled: () => void this.#captured.delete(sid),
    });
    return capture.file;
  }
}

/** Bytes that are no packet, in a datagram between ports of their own. */
export function captureNote(
  interfaceId: number,
  bytes: Uint8Array,
  wallMs: number,
): Uint8Array<ArrayBuffer> {
  const ports = { serverPort: NOTES_PORT, clientPort: NOTES_PORT };
  const { length } = bytes;
  return pcapngDatagram({
    interfaceId,
    isSent: true,
    timeUs: wallMs * 1000,
    ...ports,
    length,
    bytes,
  });
}

/** Who is told of a capture's end. */
interface CaptureHost {
  /** Its file is whole. */
  readonly ended: () => void;
  /** The media plane tells nothing of it any more. */
  readonly settled: () => void;
}

/** One file that is being written. */
class Capture {
  readonly file: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #world: PacketCapturesWorld;
  readonly #open = new Map<ConnectionId, number>();
  readonly #host: CaptureHost;
  #cancelEnd: () => void;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #missed = 0;
  #notesLeft = MAX_NOTES_BYTES;
  #isOver = false;

  constructor(
    world: PacketCapturesWorld,
    session: Session,
    limits: CaptureLimits,
    host: CaptureHost,
  ) {
    this.#world = world;
    this.#host = host;
    const connections = [...new Set([session.publisher.id, session.subscriber.id])];
    const names = connections.length === 1 ? ["connection"] : ["publisher", "subscriber"];
    this.file = new ReadableStream({
      start: (controller) => void (this.#controller = controller),
      cancel: () => this.#end(),
    }, { highWaterMark: MAX_QUEUED_BYTES, size: (bytes) => bytes!.length });
    const about = { participant: session.sid, ...limits };
    this.#controller.enqueue(pcapngHeader(world.application, JSON.stringify(about), names));
    const { router, platform: { timers } } = world;
    const maxBytes = Math.ceil(limits.maxBytes / connections.length);
    for (const [index, connection] of connections.entries()) {
      this.#open.set(connection, index);
      router.watchCapture(connection, (event) => this.#hear(index, event));
      const part = { maxBytes, maxMs: limits.maxMs };
      router.send({ type: "capture_packets", connection, limits: part });
    }
    this.#cancelEnd = timers.after(limits.maxMs + GRACE_MS, () => this.#end());
  }

  #hear(index: number, event: CaptureEvent): void {
    switch (event.type) {
      case "capture_described":
        // Each in a datagram of its own: a description may be longer than one.
        for (const receives of event.receives) this.#note(index, { receives });
        for (const sends of event.sends) this.#note(index, { sends });
        return;
      case "captured":
        return this.#write(index, event.packets);
      case "capture_ended":
        this.#note(index, { ended: event.reason });
        this.#close(event.connection);
        if (this.#open.size > 0) return;
        this.#end();
        this.#settle();
    }
  }

  #write(interfaceId: number, packets: Uint8Array): void {
    if (this.#isOver) return;
    const serverPort = FIRST_SERVER_PORT + 2 * interfaceId;
    const clientPort = FIRST_CLIENT_PORT + 2 * interfaceId;
    for (const { isSent, timeUs, length, bytes } of capturedPackets(packets)) {
      if (this.#controller.desiredSize! <= 0) {
        this.#missed++;
        continue;
      }
      if (this.#missed > 0) this.#note(interfaceId, { missed: this.#missed });
      this.#missed = 0;
      const ports = { serverPort, clientPort };
      this.#controller.enqueue(
        pcapngDatagram({ interfaceId, isSent, timeUs, ...ports, length, bytes }),
      );
    }
  }

  /** Something about the packets that follow, as JSON in a datagram between ports of its own. */
  #note(interfaceId: number, note: Readonly<Record<string, unknown>>): void {
    const bytes = new TextEncoder().encode(JSON.stringify(note));
    if (this.#isOver || bytes.length > Math.min(this.#notesLeft, LONGEST_NOTE)) return;
    this.#notesLeft -= bytes.length;
    this.#controller.enqueue(
      captureNote(interfaceId, bytes, this.#world.platform.clock.wallMs()),
    );
  }

  #close(connection: ConnectionId): void {
    if (!this.#open.delete(connection)) return;
    this.#world.router.unwatchCapture(connection);
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const { router, platform: { timers } } = this.#world;
    this.#cancelEnd();
    // What comes until it has stopped is still ours, and nobody else's.
    this.#cancelEnd = timers.after(GRACE_MS, () => this.#settle());
    try {
      this.#controller.close();
    } catch {
      // Whoever reads it has cancelled it.
    }
    this.#host.ended();
    for (const connection of [...this.#open.keys()]) {
      router.send({ type: "capture_packets", connection });
    }
  }

  #settle(): void {
    this.#cancelEnd();
    for (const connection of [...this.#open.keys()]) this.#close(connection);
    this.#host.settled();
  }
}
