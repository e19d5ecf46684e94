/**
 * The link to one other node over all its connections: who wants it, which connection it has, and
 * what outlives a connection (rooms, calls, reliable data).
 *
 * Of two connections that were dialled at the same time one is kept, the same at both ends: the
 * node with the smaller id decides, and keeps the first that is complete at its end; the other one
 * takes what the smaller one has dialled whenever it comes.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { NodeId } from "../../base/ids.ts";
import type { Cancel, Platform } from "../../base/platform.ts";
import { type PackedValue } from "../../wire/message_pack.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import { IncomingCalls } from "./incoming_calls.ts";
import { LinkConnection, type LinkEnd } from "./link_connection.ts";
import { LinkDialler } from "./link_dialler.ts";
import { type AnswerCode, type LinkFrame, writeFrame } from "./link_frames.ts";
import type { EstablishedLink, LinkIdentity, NodeIntroduction } from "./link_handshake.ts";
import type { DatagramKind, LinkFacts } from "./link_ports.ts";
import { LinkRooms, type OpenRoom } from "./link_rooms.ts";
import { LINK_CLOSE, type LinkDial, type LinkSocket } from "./link_socket.ts";
import { OutgoingCalls } from "./outgoing_calls.ts";
import { ACK_BYTES, ReliableReceiver, ReliableSender } from "./reliable_data.ts";

/** A link that nobody wants stays for so long, ms. */
export const KEPT_MS = 60_000;
/** A connection that lasted so long was a good one, ms. */
const SETTLED_MS = 2_000;
/** Hellos are given to a connection while less than this waits there before them, bytes. */
const LOW_WATER = 256 * 1024;
/** The method by which a barrier is called; no other begins like this. */
export const BARRIER_METHOD = "#barrier";

/** What all links of a node share. */
export interface NodeLinkHost {
  readonly platform: Platform;
  readonly counters: DropSink<ClusterDrop>;
  readonly identity: LinkIdentity;
  readonly dial: LinkDial;
  /** This node, with a memory of the peer under that number. */
  introduce(incarnation: number): NodeIntroduction;
  openRoom(name: string): OpenRoom | undefined;
  run(
    peer: NodeId,
    method: string,
    payload: PackedValue,
    withinMs: number,
  ): Promise<{ readonly code: AnswerCode; readonly payload: PackedValue }>;
  /** Guarded. */
  onUp(peer: NodeId): void;
  onDown(peer: NodeId): void;
  onDatagram(peer: NodeId, of: DatagramKind, bytes: Uint8Array): void;
  /** The link is closed, and nothing more comes of it. */
  onGone(link: NodeLink): void;
}

/** One link. */
export class NodeLink {
  readonly rooms: LinkRooms;
  /** Names this memory of the peer; see `NodeIntroduction`. */
  readonly incarnation: number;
  readonly #host: NodeLinkHost;
  readonly #dialler: LinkDialler;
  readonly #calls: OutgoingCalls;
  readonly #served: IncomingCalls;
  readonly #sender = new ReliableSender();
  readonly #receiver = new ReliableReceiver();
  #address = "";
  #wants = 0;
  #connection: LinkConnection | undefined;
  /** What is known from the last connection. */
  #last: EstablishedLink | undefined;
  /** Id of the last connection that ended here. */
  #ended = "";
  #cancelIdle: Cancel | undefined;
  #isIdle = false;
  #peerIsIdle = false;
  #isClosed = false;

  constructor(readonly peer: NodeId, host: NodeLinkHost) {
    this.#host = host;
    const { platform, counters, identity, dial } = host;
    this.incarnation = platform.random.uint32();
    this.rooms = new LinkRooms({
      peer,
      counters,
      openRoom: (name) => host.openRoom(name),
      send: (frame) => void this.#connection?.send(frame),
      sendDatagram: (of, message) => this.#connection?.sendDatagram(of, message) ?? false,
      awaitRoom: () => this.#connection?.awaitRoom(),
      wanted: (by) => by > 0 ? this.want() : this.release(),
    });
    this.#calls = new OutgoingCalls(platform, (frame) => {
      if (this.#connection === undefined) return "no_connection";
      return this.#connection.send(frame) ? "sent" : "unsendable";
    });
    this.#served = new IncomingCalls(
      platform.clock,
      (method, payload, withinMs) => this.#run(method, payload, withinMs),
      (message) => this.#connection?.sendEncoded(message),
    );
    this.#dialler = new LinkDialler({
      platform,
      counters,
      identity,
      peer,
      self: () => host.introduce(this.incarnation),
      dial,
      ended: () => this.#ended,
      onEstablished: (link, socket) => this.#up(link, socket),
    });
    this.#awaitIdle();
  }

  get facts(): LinkFacts {
    const connection = this.#connection;
    return {
      isUp: connection !== undefined,
      protocol: this.#last?.version ?? 0,
      rttMs: connection?.rttMs,
      queuedBytes: (connection?.waitingBytes ?? 0) + this.#sender.bytes,
      mediaBytes: connection?.mediaBytes ?? 0,
      secret: this.#last?.secret,
    };
  }

  /** Whether senders of reliable data of that room should wait. */
  isCongested(room: string): boolean {
    return this.#sender.isCongested(room);
  }

  /** Somebody more wants the link. @param address Where its node is, if that is known. */
  want(address?: string): void {
    if (this.#isClosed) return;
    if (address !== undefined) this.#address = address;
    this.#wants++;
    this.#cancelIdle?.();
    this.#cancelIdle = undefined;
    if (this.#isIdle) this.#sayIdle(false);
    if (this.#connection === undefined && this.#address !== "") {
      this.#dialler.begin(this.#addressNow);
    }
  }

  /** Where the peer is dialled from now on. */
  setAddress(address: string): void {
    this.#address = address;
  }

  /** Takes one want back. */
  release(): void {
    if (this.#wants === 0) return;
    this.#wants--;
    if (this.#wants === 0) this.#awaitIdle();
  }

  /** The peer has dialled, and proved itself. `ended` is what has ended at its end. */
  adopt(link: EstablishedLink, ended: string, socket: LinkSocket): void {
    const { node } = this.#host.introduce(this.incarnation);
    const current = this.#connection;
    const isOurs = current !== undefined && current.id !== ended && node < this.peer;
    if (this.#isClosed || isOurs) return socket.close(LINK_CLOSE.double, "double");
    this.#dialler.stop();
    this.#up(link, socket);
  }

  /** See `NodeLinks.call`; the link is wanted until it is settled. */
  async call(method: string, payload: PackedValue, withinMs: number): Promise<PackedValue> {
    this.want();
    try {
      return await this.#calls.call(method, payload, withinMs);
    } finally {
      this.release();
    }
  }

  /** @returns Whether it was taken. */
  sendData(room: string, value: PackedValue): boolean {
    if (!this.rooms.isShared(room) || !this.#sender.push(room, value)) return false;
    if (this.rooms.hasUnsaid) this.#connection?.awaitRoom();
    else this.#sendData();
    return true;
  }

  /** @returns Whether it was taken. */
  sendDatagram(of: DatagramKind, bytes: Uint8Array): boolean {
    const connection = this.#connection;
    if (connection === undefined) return false;
    return connection.sendDatagram(of, writeFrame({ kind: "datagram", of, bytes }));
  }

  /** Ends the link for good: calls fail, and what the peer had in rooms is gone. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#cancelIdle?.();
    this.#dialler.stop();
    const connection = this.#connection;
    this.#connection = undefined;
    connection?.close("closed");
    this.#calls.close();
    this.rooms.close();
    if (connection !== undefined) this.#host.onDown(this.peer);
    this.#host.onGone(this);
  }

  readonly #addressNow = (): string => this.#address;

  #up(link: EstablishedLink, socket: LinkSocket): void {
    const { platform, counters } = this.#host;
    const before = this.#connection;
    if (before !== undefined) {
      this.#ended = before.id;
      before.close("double");
    }
    const isNewMemory = this.#last !== undefined &&
      this.#last.peer.incarnation !== link.peer.incarnation;
    this.#last = link;
    this.#address = link.peer.address;
    this.#peerIsIdle = false;
    const connection = new LinkConnection(link, socket, platform, counters, {
      onFrame: (frame, bytes) => this.#receive(connection, frame, bytes),
      onRoom: () => this.#fill(connection),
      onTick: (now) => this.#tick(connection, now),
      onEnd: (reason) => this.#down(connection, reason),
    });
    this.#connection = connection;
    this.#sender.pause();
    if (isNewMemory) this.#beginAnew();
    connection.send({ kind: "ack", number: this.#receiver.confirm() });
    this.rooms.up();
    this.#calls.resume();
    platform.log.info("node link up", { peer: this.peer, protocol: link.version });
    if (before === undefined) this.#host.onUp(this.peer);
  }

  /** The peer has forgotten what was between us: nothing of it may have its effect twice. */
  #beginAnew(): void {
    this.#served.reset();
    this.#receiver.reset();
    this.#calls.forget();
    this.#drained(this.#sender.forget());
  }

  #drained(rooms: readonly string[]): void {
    for (const name of rooms) {
      if (this.rooms.isShared(name)) this.#host.openRoom(name)?.stream.onDrained(this.peer);
    }
  }

  #down(connection: LinkConnection, reason: LinkEnd): void {
    if (connection !== this.#connection) return;
    const { platform: { clock, log } } = this.#host;
    this.#connection = undefined;
    this.#ended = connection.id;
    if (clock.now() - connection.upAt < SETTLED_MS) this.#dialler.failed();
    this.#sender.pause();
    log.info("node link down", { peer: this.peer, reason });
    this.rooms.down();
    this.#host.onDown(this.peer);
    if (this.#isClosed || this.#connection !== undefined) return;
    if (this.#wants > 0) this.#dialler.beginAgain(this.#addressNow);
    else if (this.#isIdle) this.close();
  }

  #tick(connection: LinkConnection, now: number): void {
    this.#served.sweep(now);
    if (now - connection.upAt >= SETTLED_MS) this.#dialler.settled();
    this.#confirm(0);
  }

  #confirm(atLeastBytes: number): void {
    const number = this.#receiver.due(atLeastBytes);
    if (number !== undefined) this.#connection?.send({ kind: "ack", number });
  }

  /** Gives the connection hellos, and then data, while it has room. */
  #fill(connection: LinkConnection): void {
    while (connection === this.#connection && connection.orderedBytes < LOW_WATER) {
      if (!this.rooms.sayNext()) return this.#sendData();
    }
  }

  /** What is said of rooms, calls and confirmations stand behind one message of data at most. */
  #sendData(): void {
    const connection = this.#connection;
    while (connection !== undefined && connection.orderedBytes === 0) {
      const message = this.#sender.next();
      if (message === undefined) return;
      connection.sendEncoded(message);
    }
  }

  #receive(connection: LinkConnection, frame: LinkFrame, bytes: number): void {
    if (connection !== this.#connection) return;
    switch (frame.kind) {
      case "call":
        return this.#served.receive(frame);
      case "answer":
        return this.#calls.answered(frame.id, frame.code, frame.payload);
      case "data":
        return this.#receiveData(frame, bytes);
      case "ack":
        return this.#acknowledged(frame.number);
      case "datagram":
        return this.#host.onDatagram(this.peer, frame.of, frame.bytes);
      case "idle":
        this.#peerIsIdle = frame.isIdle;
        return this.#closeIfIdle();
      default:
        if (this.rooms.receive(frame)) return;
        this.#host.counters.count("link_frame_unreadable");
        connection.close("protocol");
        this.#down(connection, "protocol");
    }
  }

  #receiveData(frame: Extract<LinkFrame, { readonly kind: "data" }>, bytes: number): void {
    const place = this.#receiver.receive(frame.number, bytes);
    if (place === "after_loss") this.#host.counters.count("link_data_lost");
    if (place === "repeated") this.#host.counters.count("link_data_repeated");
    else this.rooms.receive(frame);
    this.#confirm(ACK_BYTES);
  }

  #acknowledged(number: number): void {
    const drained = this.#sender.confirmed(number);
    if (this.rooms.hasUnsaid) this.#connection?.awaitRoom();
    else this.#sendData();
    this.#drained(drained);
  }

  async #run(
    method: string,
    payload: PackedValue,
    withinMs: number,
  ): Promise<{ readonly code: AnswerCode; readonly payload: PackedValue }> {
    if (method !== BARRIER_METHOD) return this.#host.run(this.peer, method, payload, withinMs);
    await this.rooms.said();
    return { code: "ok", payload: null };
  }

  #awaitIdle(): void {
    if (this.#isClosed) return;
    this.#cancelIdle?.();
    this.#cancelIdle = this.#host.platform.timers.after(KEPT_MS, () => {
      this.#cancelIdle = undefined;
      this.#dialler.stop();
      if (this.#connection === undefined) return this.close();
      this.#sayIdle(true);
      this.#closeIfIdle();
    });
  }

  #sayIdle(isIdle: boolean): void {
    this.#isIdle = isIdle;
    this.#connection?.send({ kind: "idle", isIdle });
  }

  #closeIfIdle(): void {
    if (this.#isIdle && this.#peerIsIdle) this.close();
  }
}
