/**
 * The rooms that one link is about: which of ours the other node has, which of its own we have, and
 * the numbers of what is said about them.
 *
 * Contract: each connection begins with a hello for every room of ours that is shared, told when
 * there is room for it, and `synced` after the last; what the other side had before and has not
 * named until then is gone. Between a hello and the next one changes are applied each once and in
 * order, or the room is asked for again.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { NodeId } from "../../base/ids.ts";
import type { PackedValue } from "../../wire/message_pack.ts";
import type { ClusterDrop } from "../drop_reasons.ts";
import { encodeFrame, type LinkFrame } from "./link_frames.ts";
import type { DatagramKind, RoomPeerStream } from "./link_ports.ts";

/** Rooms that the other side may name on one connection. */
export const MAX_ROOMS = 50_000;

/** A room that is open on this node, as its links know it. */
export interface OpenRoom {
  readonly name: string;
  /** Guarded: a throw of the room's owner ends here. */
  readonly stream: RoomPeerStream;
  /** It is shared with `peer` from now on, or not any more. */
  shared(peer: NodeId, isShared: boolean): void;
}

/** What a link does for its rooms. */
export interface LinkRoomsHost {
  readonly peer: NodeId;
  readonly counters: DropSink<ClusterDrop>;
  openRoom(name: string): OpenRoom | undefined;
  /** Sends in order, if there is a connection. */
  send(frame: LinkFrame): void;
  sendDatagram(kind: DatagramKind, message: Uint8Array): boolean;
  /** There are hellos to be said. */
  awaitRoom(): void;
  /** A room more, or less, for which the link is wanted. */
  wanted(by: 1 | -1): void;
}

/** A room of ours that the other side is told about. */
interface SharedHere {
  readonly room: OpenRoom;
  handle: number;
  /** Of the last change; -1 until hello was said over this connection. */
  number: number;
}

/** A room of the other side's. */
interface SharedThere {
  readonly name: string;
  readonly handle: number;
  /** Number of the next change; 0 while a hello is waited for, or nobody here has the room. */
  next: number;
}

/** The rooms of one link. */
export class LinkRooms {
  readonly #host: LinkRoomsHost;
  readonly #here = new Map<string, SharedHere>();
  readonly #hereByHandle = new Map<number, SharedHere>();
  #lastHandle = 0;
  /** Hellos to be said, in order; then `synced`, if it was not said, and who waits for that. */
  readonly #unsaid = new Set<SharedHere>();
  #synced = false;
  #waiting: (() => void)[] = [];
  readonly #there = new Map<number, SharedThere>();
  readonly #thereByName = new Map<string, SharedThere>();
  /** What rooms here have of the other side; `true` while its link is away. */
  readonly #known = new Map<string, boolean>();
  /** Of those, what it has not named over this connection yet; until `synced`. */
  #unheard = new Set<string>();

  constructor(host: LinkRoomsHost) {
    this.#host = host;
  }

  /** Shares a room that is open here. Idempotent. */
  share(room: OpenRoom): void {
    if (this.#here.has(room.name)) return;
    const here: SharedHere = { room, handle: ++this.#lastHandle, number: -1 };
    this.#here.set(room.name, here);
    this.#hereByHandle.set(here.handle, here);
    this.#unsaid.add(here);
    room.shared(this.#host.peer, true);
    this.#host.wanted(1);
    this.#host.awaitRoom();
  }

  /** Ends that, and forgets what the other side has in it; its owner is not told. Idempotent. */
  unshare(name: string): void {
    this.#known.delete(name);
    this.#unheard.delete(name);
    const here = this.#here.get(name);
    if (here !== undefined && here.number >= 0) {
      this.#host.send({ kind: "bye", handle: here.handle });
      // It takes that as the end of both directions.
      this.#forgetThere(this.#thereByName.get(name));
    } else {
      const there = this.#thereByName.get(name);
      if (there !== undefined) there.next = 0;
    }
    this.#removeHere(here);
  }

  /** A room was opened here: if the other side has it, it is shared. */
  opened(room: OpenRoom): void {
    const there = this.#thereByName.get(room.name);
    if (there === undefined) return;
    this.share(room);
    this.#ask(there);
  }

  isShared(name: string): boolean {
    return this.#here.has(name);
  }

  /** What was said of the room to the other side is not so any more. */
  change(name: string, value: PackedValue): void {
    const here = this.#here.get(name);
    // Until hello is said: what is said then holds the change.
    if (here === undefined || here.number < 0) return;
    const { handle } = here;
    this.#host.send({ kind: "change", handle, number: ++here.number, value });
  }

  sendDatagram(name: string, of: DatagramKind, value: PackedValue): void {
    const here = this.#here.get(name);
    if (here === undefined || here.number < 0) return;
    const { handle } = here;
    const message = encodeFrame({ kind: "roomDatagram", of, handle, value });
    if (message !== undefined) this.#host.sendDatagram(of, message);
  }

  /** There is a new connection, in place of the last one or after a while without. */
  up(): void {
    this.#there.clear();
    this.#thereByName.clear();
    this.#hereByHandle.clear();
    this.#unsaid.clear();
    this.#synced = false;
    for (const here of this.#here.values()) {
      here.handle = ++this.#lastHandle;
      here.number = -1;
      this.#hereByHandle.set(here.handle, here);
      this.#unsaid.add(here);
    }
    this.#unheard = new Set(this.#known.keys());
    for (const [name, isAway] of [...this.#known]) {
      if (!isAway) continue;
      this.#known.set(name, false);
      this.#host.openRoom(name)?.stream.onBack(this.#host.peer);
    }
    this.#host.awaitRoom();
  }

  /** The connection is lost. */
  down(): void {
    this.#there.clear();
    this.#thereByName.clear();
    for (const here of this.#here.values()) here.number = -1;
    for (const name of [...this.#known.keys()]) {
      if (!this.#known.has(name)) continue;
      this.#known.set(name, true);
      this.#host.openRoom(name)?.stream.onAway(this.#host.peer);
    }
  }

  /** The other node is given up: everything of its is gone. */
  close(): void {
    for (const name of [...this.#known.keys()]) this.#gone(name);
    for (const here of [...this.#here.values()]) this.#removeHere(here);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Whether hellos are to be said before anything else. */
  get hasUnsaid(): boolean {
    return this.#unsaid.size > 0 || !this.#synced;
  }

  /** Says the next hello, or `synced`; `false` if there is nothing to say. */
  sayNext(): boolean {
    for (const here of this.#unsaid) {
      this.#unsaid.delete(here);
      const { handle, room: { name, stream } } = here;
      const value = stream.snapshot(this.#host.peer);
      here.number = 0;
      this.#host.send({ kind: "hello", handle, name, value });
      return true;
    }
    if (!this.#synced) {
      this.#synced = true;
      this.#host.send({ kind: "synced" });
      return true;
    }
    for (const resolve of this.#waiting.splice(0)) resolve();
    return false;
  }

  /** Resolves when all that is to be said was said. */
  said(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#host.awaitRoom();
    });
  }

  /** @returns Whether the message has a place; if not, the other side is not what it should be. */
  receive(frame: LinkFrame): boolean {
    switch (frame.kind) {
      case "hello":
        return this.#hello(frame.handle, frame.name, frame.value);
      case "change":
        this.#changed(frame.handle, frame.number, frame.value);
        return true;
      case "bye":
        this.#bye(this.#there.get(frame.handle));
        return true;
      case "again":
        this.#again(frame.handle);
        return true;
      case "synced":
        for (const name of this.#unheard) this.#gone(name);
        this.#unheard.clear();
        return true;
      case "data":
        this.#data(frame.room, frame.value);
        return true;
      case "roomDatagram": {
        const there = this.#there.get(frame.handle);
        if (there === undefined || there.next === 0) return true;
        const room = this.#host.openRoom(there.name);
        room?.stream.onDatagram(this.#host.peer, frame.of, frame.value);
        return true;
      }
      default:
        return false;
    }
  }

  #hello(handle: number, name: string, value: PackedValue): boolean {
    this.#forgetThere(this.#thereByName.get(name));
    this.#forgetThere(this.#there.get(handle));
    if (this.#there.size >= MAX_ROOMS) return false;
    const room = this.#host.openRoom(name);
    const there = { name, handle, next: room === undefined ? 0 : 1 };
    this.#there.set(handle, there);
    this.#thereByName.set(name, there);
    this.#unheard.delete(name);
    if (room === undefined) return true;
    this.#known.set(name, false);
    room.stream.onSnapshot(this.#host.peer, value);
    // Its owner may have closed it in that moment.
    if (this.#host.openRoom(name) === room && this.#known.has(name)) this.share(room);
    return true;
  }

  #changed(handle: number, number: number, value: PackedValue): void {
    const there = this.#there.get(handle);
    if (there === undefined || there.next === 0) return;
    if (number !== there.next) {
      this.#host.counters.count("link_change_gap");
      return this.#ask(there);
    }
    there.next++;
    this.#host.openRoom(there.name)?.stream.onChange(this.#host.peer, value);
  }

  #ask(there: SharedThere): void {
    there.next = 0;
    this.#host.send({ kind: "again", handle: there.handle });
  }

  #again(handle: number): void {
    const here = this.#hereByHandle.get(handle);
    if (here === undefined || here.number < 0) return;
    here.number = -1;
    this.#unsaid.add(here);
    this.#host.awaitRoom();
  }

  /** The other side is not in the room any more, and forgets what we have in it. */
  #bye(there: SharedThere | undefined): void {
    if (there === undefined) return;
    this.#forgetThere(there);
    this.#removeHere(this.#here.get(there.name));
    this.#gone(there.name);
  }

  #gone(name: string): void {
    if (!this.#known.delete(name)) return;
    this.#removeHere(this.#here.get(name));
    this.#host.openRoom(name)?.stream.onGone(this.#host.peer);
  }

  #data(name: string, value: PackedValue): void {
    const room = this.#known.has(name) ? this.#host.openRoom(name) : undefined;
    if (room === undefined) this.#host.counters.count("link_data_unwanted");
    else room.stream.onData(this.#host.peer, value);
  }

  #removeHere(here: SharedHere | undefined): void {
    if (here === undefined || !this.#here.delete(here.room.name)) return;
    this.#hereByHandle.delete(here.handle);
    this.#unsaid.delete(here);
    here.room.shared(this.#host.peer, false);
    this.#host.wanted(-1);
  }

  #forgetThere(there: SharedThere | undefined): void {
    if (there === undefined) return;
    this.#there.delete(there.handle);
    this.#thereByName.delete(there.name);
  }
}
