/**
 * What operators see of a {@linkcode World}: its answers, its streams, and one that reads them.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { EngineStats } from "../../../lib/engine/messages/media_messages.ts";
import { ClusterWatch, type WatchPeers } from "../../../lib/watch/cluster_watch.ts";
import type { WatchDrop } from "../../../lib/watch/drop_reasons.ts";
import type { ClusterFigures, WatchQuestion } from "../../../lib/watch/figures.ts";
import { applyMergePatch } from "../../../lib/watch/merge_patch.ts";
import { NodeWatch } from "../../../lib/watch/node_watch.ts";
import { WatchStreams } from "../../../lib/watch/watch_stream.ts";
import { NO_STATS } from "./fake_engine.ts";
import { FakeSocket, type World } from "./scripted_client.ts";

/** Operators of one node. */
export interface OperatorsOfWorld {
  readonly own: NodeWatch;
  readonly watch: ClusterWatch;
  readonly streams: WatchStreams;
  readonly counters: DropCounters<WatchDrop>;
  /** What the media plane says when it is asked, after how long, ms, and how often it was. */
  readonly media: { stats: Partial<EngineStats>; takesMs: number; asked: number };
  /** Somebody who reads, until so many ms from now. */
  open(question?: WatchQuestion, forMs?: number): StreamReader;
}

/** @param peers Other nodes; none for a node that is alone. */
export function operatorsOf(world: World, peers?: WatchPeers): OperatorsOfWorld {
  const { platform, rooms } = world;
  const { nodeId } = rooms.context;
  const media: OperatorsOfWorld["media"] = { stats: {}, takesMs: 0, asked: 0 };
  const own = new NodeWatch({
    clock: platform.clock,
    timers: platform.timers,
    nodeId,
    rooms: () => rooms.all(),
    room: (name) => rooms.get(name),
    stats: () => {
      media.asked++;
      const stats = { ...NO_STATS, ...media.stats };
      if (media.takesMs === 0) return Promise.resolve(stats);
      return new Promise((resolve) => platform.timers.after(media.takesMs, () => resolve(stats)));
    },
    self: () => ({ region: "here", state: "serving", startedAtMs: 0, cpu: 0.5 }),
  });
  const watch = new ClusterWatch({ clock: platform.clock, nodeId, own, peers: () => peers });
  const counters = new DropCounters<WatchDrop>();
  const streams = new WatchStreams({ platform, counters, watch });
  const open = (question?: WatchQuestion, forMs = 3_600_000) => {
    const reader = new StreamReader();
    streams.open(reader.socket, { expiresAt: platform.clock.wallMs() + forMs });
    if (question !== undefined) reader.ask(question);
    return reader;
  };
  return { own, watch, streams, counters, media, open };
}

/** An operator's end of a stream, which makes a state of what it is told. */
class StreamReader {
  readonly socket = new FakeSocket();
  #read = 0;
  #state: unknown;

  ask(question: unknown): void {
    this.socket.onMessage(JSON.stringify(question));
  }

  /** Kinds of the messages, in order. */
  get kinds(): string[] {
    return this.socket.frames.map((frame) => JSON.parse(String(frame)).type);
  }

  /** What it knows now. */
  get state(): ClusterFigures {
    const { frames } = this.socket;
    for (; this.#read < frames.length; this.#read++) {
      const { type, state, patch } = JSON.parse(String(frames[this.#read]));
      this.#state = type === "snapshot" ? state : applyMergePatch(this.#state, patch);
    }
    assert.ok(this.#state !== undefined, "nothing was told");
    return this.#state as ClusterFigures;
  }

  /** The only room it knows of. */
  get room() {
    const [room, ...others] = Object.values(this.state.rooms);
    assert.ok(room !== undefined && others.length === 0, "one room");
    return room;
  }

  /** Whom it knows of in the room it has asked for. */
  participant(identity: string) {
    const all = Object.values(this.state.participants ?? {});
    const found = all.find((participant) => participant.identity === identity);
    assert.ok(found, `${identity} is not shown`);
    return found;
  }
}
