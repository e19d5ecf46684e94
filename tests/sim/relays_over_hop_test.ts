/**
 * Both ends of a relay on two nodes, on virtual time: the same as in one process, over a network
 * that loses and delays.
 */
import assert from "node:assert/strict";
import { type HopNetwork, HopWorld } from "../support/media/hop_world.ts";
import { EVERYTHING, RelaySide, SECTION, TRACK } from "../support/media/relay_world.ts";
import {
  SimulcastWorld,
  type TimedSubscriber,
  timedSubscriber,
} from "../support/media/simulcast_world.ts";

/** A publisher on one node, whose track is known on another. */
class HopRelay {
  readonly world: SimulcastWorld;
  readonly hop: HopWorld;
  near: RelaySide;
  readonly far: RelaySide;
  remote: TimedSubscriber | undefined;

  constructor(seed: number, layers: number, network: Partial<HopNetwork>) {
    this.world = new SimulcastWorld({ seed, layers });
    this.hop = new HopWorld({ seed, network });
    this.near = this.sideOf(this.hop.near);
    this.far = this.sideOf(this.hop.far);
    this.near.upTracks.set(TRACK, this.world.up);
    this.near.link.send(TRACK, this.world.now);
    this.far.receive(TRACK, SECTION);
    this.hop.connect();
    this.world.run(500);
  }

  sideOf(end: HopWorld["near"]): RelaySide {
    const side = new RelaySide(end.link.channel, () => end.now);
    end.link.setActive(true);
    end.read = () => {
      side.link.drain();
      side.link.tick(end.now);
    };
    end.onEvent = (event) => {
      if (event === "restarted") side.link.renew(end.now);
    };
    return side;
  }

  subscribe(): TimedSubscriber {
    const track = this.far.upTracks.get(TRACK)!;
    this.remote = timedSubscriber(this.world, track, EVERYTHING);
    track.addDownTrack(this.remote.down, this.hop.far.now);
    return this.remote;
  }

  run(ms: number): void {
    for (let i = 0; i < ms; i++) {
      this.world.run(1);
      this.hop.run(1);
      const { now } = this.hop.far;
      if (this.remote !== undefined && now >= this.remote.down.nextWakeAt()) {
        this.remote.down.tick(now);
      }
    }
    assert.deepEqual([...this.near.errors, ...this.far.errors], []);
  }
}

Deno.test("A subscriber on another node gets what one beside the publisher gets", () => {
  for (const loss of [0, 0.05]) {
    const relay = new HopRelay(1, 1, { loss });
    const local = relay.world.subscribe(EVERYTHING);
    const remote = relay.subscribe();
    relay.run(10_000);
    const first = Math.max(local.sink.received[0]!.frame, remote.sink.received[0]!.frame);
    const last = local.sink.received.at(-1)!.frame - 12; // those under way
    const names = ({ sink }: TimedSubscriber) =>
      new Set(
        sink.received.filter(({ frame }) => frame >= first && frame <= last)
          .map(({ frame, index }) => `${frame}/${index}`),
      );
    const wanted = names(local);
    const got = names(remote);
    assert.ok(wanted.size > 250, `${wanted.size} packets`);
    const missing = [...wanted].filter((name) => !got.has(name));
    assert.ok(missing.length <= wanted.size / 1000, `missing: ${missing}`);
  }
});

Deno.test("An engine of another node that begins anew is told everything again", () => {
  const relay = new HopRelay(2, 3, { loss: 0.02 });
  const { sink } = relay.subscribe();
  relay.run(2_000);
  const before = sink.received.length;
  assert.ok(before > 50);
  const { near } = relay.hop;
  relay.near.link.close();
  near.link.close();
  near.link = near.makeLink();
  relay.near = relay.sideOf(near);
  relay.near.upTracks.set(TRACK, relay.world.up);
  relay.near.link.send(TRACK, relay.world.now);
  relay.run(3_000);
  assert.ok(sink.received.length > before + 50, `${sink.received.length - before} since`);
  assert.deepEqual(relay.hop.far.events.filter((event) => event === "restarted"), ["restarted"]);
});
