/** What observers hear of rooms, and that they can harm nobody. */
import assert from "node:assert/strict";
import { ClientInfo, DisconnectReason, ParticipantInfo, Room, TrackInfo } from "@livekit/protocol";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import { silentLog } from "../../../../lib/base/platform.ts";
import { RoomEvents, type RoomObserver } from "../../../../lib/room/context/room_events.ts";

class Guest {
  active = false;
  elsewhere = false;
  readonly init = { clientInfo: new ClientInfo({ protocol: 16 }) };
  constructor(readonly identity: string) {}
  info(): ParticipantInfo {
    return new ParticipantInfo({ identity: this.identity });
  }
}

function recorder(heard: string[]): RoomObserver {
  return {
    roomStarted: () => heard.push("started"),
    roomFinished: (_, reason) => heard.push(`finished ${DisconnectReason[reason]}`),
    participantConnecting: (_, { identity }, { protocol }) =>
      heard.push(`${identity} connecting ${protocol}`),
    participantJoined: (_, { identity }) => heard.push(`${identity} joined`),
    participantLeft: (_, { identity }) => heard.push(`${identity} left`),
    participantConnectionAborted: (_, { identity }) => heard.push(`${identity} aborted`),
    trackPublished: (_, { identity }, { sid }) => heard.push(`${identity} published ${sid}`),
    trackUnpublished: (_, { identity }, { sid }) => heard.push(`${identity} unpublished ${sid}`),
  };
}

function roomWith(...observers: RoomObserver[]) {
  const counters = new DropCounters();
  const events = new RoomEvents(observers, () => new Room(), silentLog, counters);
  return { events, counters };
}

Deno.test("RoomEvents tells those who joined that left from those who never did", () => {
  const heard: string[] = [];
  const { events } = roomWith(recorder(heard));
  const [ann, bob] = [new Guest("ann"), new Guest("bob")];
  events.started();
  events.entered(ann);
  events.entered(bob);
  events.joined(ann);
  events.published(ann, new TrackInfo({ sid: "TR_1" }));
  events.unpublished(ann, new TrackInfo({ sid: "TR_1" }));
  events.gone(ann);
  events.gone(bob);
  events.finished(DisconnectReason.ROOM_CLOSED);
  assert.deepEqual(heard, [
    "started",
    "ann connecting 16",
    "bob connecting 16",
    "ann joined",
    "ann published TR_1",
    "ann unpublished TR_1",
    "ann left",
    "bob aborted",
    "finished ROOM_CLOSED",
  ]);
});

Deno.test("RoomEvents lets somebody who comes ACTIVE from another room join at once, and once", () => {
  const heard: string[] = [];
  const { events } = roomWith(recorder(heard));
  const ann = new Guest("ann");
  ann.active = true;
  events.entered(ann);
  events.joined(ann);
  assert.deepEqual(heard, ["ann connecting 16", "ann joined"]);
});

Deno.test("RoomEvents: an observer that throws harms neither the room nor the other observers", () => {
  const heard: string[] = [];
  const broken: RoomObserver = {
    roomStarted() {
      throw new Error("observer");
    },
    participantJoined() {
      throw new Error("observer");
    },
  };
  const { events, counters } = roomWith(broken, recorder(heard), broken);
  events.started();
  events.joined(new Guest("ann"));
  assert.deepEqual(heard, ["started", "ann joined"]);
  assert.equal(counters.get("room_observer_bug"), 4);
});

Deno.test("RoomEvents gives each observer values of its own", () => {
  const seen: string[] = [];
  const vandal: RoomObserver = {
    trackPublished: (_, publisher, track) => {
      publisher.identity = "vandal";
      track.sid = "vandal";
    },
  };
  const watcher: RoomObserver = {
    trackPublished: (_, publisher, track) => seen.push(publisher.identity, track.sid),
  };
  const track = new TrackInfo({ sid: "TR_1" });
  roomWith(vandal, watcher).events.published(new Guest("ann"), track);
  assert.deepEqual(seen, ["ann", "TR_1"]);
  assert.equal(track.sid, "TR_1");
});

Deno.test("RoomEvents lists no tracks of somebody who has left", () => {
  const tracks: number[] = [];
  const note = (_: Room, participant: ParticipantInfo) => tracks.push(participant.tracks.length);
  const { events } = roomWith({ participantJoined: note, participantLeft: note });
  const ann = new Guest("ann");
  const { info } = ann;
  ann.info = () => new ParticipantInfo({ ...info.call(ann), tracks: [new TrackInfo()] });
  events.joined(ann);
  events.gone(ann);
  assert.deepEqual(tracks, [1, 0]);
});

Deno.test("RoomEvents builds nothing for events that nobody wants", () => {
  let built = 0;
  const events = new RoomEvents([{}], () => (built++, new Room()), silentLog, new DropCounters());
  events.started();
  events.entered(new Guest("ann"));
  assert.equal(built, 0);
});

Deno.test("RoomEvents leaves it to another node to tell of those whom it serves", () => {
  const heard: string[] = [];
  const { events } = roomWith(recorder(heard));
  const ann = new Guest("ann");
  ann.elsewhere = true;
  ann.active = true;
  events.entered(ann);
  events.published(ann, new TrackInfo({ sid: "TR_1" }));
  events.unpublished(ann, new TrackInfo({ sid: "TR_1" }));
  events.gone(ann);
  assert.deepEqual(heard, []);
});
