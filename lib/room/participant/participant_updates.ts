/**
 * When participants hear of each other, and that they never hear it out of order.
 *
 * {@linkcode ParticipantUpdateQueue} holds back what is not urgent (changes of those who publish
 * nothing) until the next flush; {@linkcode UpdateFilter} keeps one receiver from seeing an older
 * version after a newer one. Both are pure.
 *
 * @module
 */
import {
  DisconnectReason,
  ParticipantInfo,
  ParticipantInfo_State,
  ParticipantUpdate,
} from "@livekit/protocol";
import type { SignalMessage } from "../context/signal_message.ts";
import { protobufBytes } from "../../wire/protobuf_writer.ts";

/** How often the batch of held-back updates is sent, ms. */
export const UPDATE_BATCH_INTERVAL_MS = 3_000;
/** From this protocol on clients tell sessions of one identity apart themselves. */
const PROTOCOL_IDENTITY_RECONNECT = 12;
/** Participants whose last sent version one receiver remembers. */
const REMEMBERED_VERSIONS = 128;
/** Newer than every version of somebody who is there. */
const GONE = Infinity;

/** One update on its way. */
export interface QueuedUpdate {
  readonly info: ParticipantInfo;
  /** Made up by the server to end an older session of the same identity. */
  readonly synthesizedDisconnect: boolean;
}

/** Updates of one room, at most one per identity. */
export class ParticipantUpdateQueue {
  readonly #held = new Map<string, QueuedUpdate>();

  get size(): number {
    return this.#held.size;
  }

  /**
   * Takes an update and returns what must go out now, in order.
   *
   * @param current The participant that holds this identity in the room now, if any.
   */
  push(
    info: ParticipantInfo,
    immediate: boolean,
    current: ParticipantInfo | undefined,
  ): QueuedUpdate[] {
    const held = this.#held.get(info.identity);
    const out: QueuedUpdate[] = [];
    let send = immediate || info.isPublisher;
    if (held === undefined) {
      if (current !== undefined && compareSessions(current, info) > 0) return [];
    } else if (held.info.sid === info.sid) {
      if (info.version < held.info.version) return [];
    } else if (compareSessions(held.info, info) < 0) {
      send = true;
      const gone = held.info.clone();
      gone.state = ParticipantInfo_State.DISCONNECTED;
      out.push({ info: gone, synthesizedDisconnect: true });
    } else {
      return [];
    }
    const update: QueuedUpdate = { info, synthesizedDisconnect: false };
    if (send) {
      this.#held.delete(info.identity);
      out.push(update);
    } else {
      this.#held.set(info.identity, update);
    }
    return out;
  }

  /** What is held back of one session, which is no longer. */
  take(identity: string, sid: string): QueuedUpdate | undefined {
    const held = this.#held.get(identity);
    if (held?.info.sid !== sid) return undefined;
    this.#held.delete(identity);
    return held;
  }

  /** Everything held back, emptying the queue. */
  flush(): QueuedUpdate[] {
    const all = [...this.#held.values()];
    this.#held.clear();
    return all;
  }
}

/** Orders two sessions by when they joined, then by sid; negative if `a` is the older. */
function compareSessions(a: ParticipantInfo, b: ParticipantInfo): number {
  const aMs = a.joinedAtMs !== 0n ? a.joinedAtMs : a.joinedAt * 1000n;
  const bMs = b.joinedAtMs !== 0n ? b.joinedAtMs : b.joinedAt * 1000n;
  if (aMs !== bMs) return aMs < bMs ? -1 : 1;
  return a.sid < b.sid ? -1 : a.sid > b.sid ? 1 : 0;
}

/** What one receiver has been told, so that nothing stale reaches it. */
export class UpdateFilter {
  /** Versions by participant sid; {@linkcode GONE} from its end on. Insertion order is age. */
  readonly #sent = new Map<string, number>();

  constructor(readonly protocol: number) {}

  /** Whether `update` is news to this receiver; if so it counts as sent. */
  accept(update: QueuedUpdate): boolean {
    const { info } = update;
    const suppressed = update.synthesizedDisconnect ||
      info.state === ParticipantInfo_State.DISCONNECTED &&
        info.disconnectReason === DisconnectReason.DUPLICATE_IDENTITY;
    if (suppressed && this.protocol >= PROTOCOL_IDENTITY_RECONNECT) return false;
    const last = this.#sent.get(info.sid);
    if (last !== undefined) {
      if (last === GONE || info.version < last) return false;
      const ends = info.state === ParticipantInfo_State.DISCONNECTED;
      if (info.version === last && !ends) return false;
    }
    this.remember(info);
    return true;
  }

  /** Whether this receiver has been told this version of `sid`, or that it is gone. */
  knows(sid: string, version: number): boolean {
    const last = this.#sent.get(sid);
    return last !== undefined && last >= version;
  }

  /** Starts anew with `sid`. */
  forget(sid: string): void {
    this.#sent.delete(sid);
  }

  /** Records an info that was sent by other means, as in the join response. */
  remember(info: ParticipantInfo): void {
    this.#sent.delete(info.sid);
    const isGone = info.state === ParticipantInfo_State.DISCONNECTED;
    this.#sent.set(info.sid, isGone ? GONE : info.version);
    if (this.#sent.size <= REMEMBERED_VERSIONS) return;
    for (const oldest of this.#sent.keys()) {
      this.#sent.delete(oldest);
      break;
    }
  }
}

/** An info and its bytes go together. */
const encoded = new WeakMap<ParticipantInfo, Uint8Array>();

/**
 * The protobuf form of `info`, made once however many are told; not to be written to.
 *
 * Contract: an info is not changed any more once it was encoded.
 */
export function encodedInfo(info: ParticipantInfo): Uint8Array {
  const known = encoded.get(info);
  if (known !== undefined) return known;
  const bytes = protobufBytes(info);
  encoded.set(info, bytes);
  return bytes;
}

/** Splits `infos` so that no batch of several is larger than `targetBytes` when encoded. */
export function inBatches(
  infos: readonly ParticipantInfo[],
  targetBytes: number,
): ParticipantInfo[][] {
  if (infos.length < 2) return infos.map((info) => [info]);
  const batches: ParticipantInfo[][] = [];
  let size = 0;
  for (const info of infos) {
    const length = encodedInfo(info).length;
    const last = batches.at(-1);
    if (last === undefined || size + length > targetBytes) {
      batches.push([info]);
      size = length;
    } else {
      last.push(info);
      size += length;
    }
  }
  return batches;
}

/** Updates of one participant are the same for everybody. */
const updates = new WeakMap<ParticipantInfo, SignalMessage>();

/** Tells `infos`, none of which is changed later, in messages of about `targetBytes`. */
export function updateMessages(
  infos: readonly ParticipantInfo[],
  targetBytes: number,
): readonly SignalMessage[] {
  return inBatches(infos, targetBytes).map(updateMessage);
}

function updateMessage(participants: readonly ParticipantInfo[]): SignalMessage {
  const single = participants.length === 1 ? participants[0] : undefined;
  const known = single && updates.get(single);
  if (known !== undefined) return known;
  // Given to the constructor, each part would be looked at.
  const value = new ParticipantUpdate();
  value.participants = [...participants];
  const message: SignalMessage = { case: "update", value };
  if (single !== undefined) updates.set(single, message);
  return message;
}
