/** Which fields each webhook has, and that its signature is one the server SDK believes. */
import assert from "node:assert/strict";
import { ParticipantInfo, Room, TrackInfo, type WebhookEvent } from "@livekit/protocol";
import { WebhookReceiver } from "livekit-server-sdk";
import { SfuError } from "../../../../lib/base/errors.ts";
import { parseConfig } from "../../../../lib/server/config/config_parsing.ts";
import { signWebhook } from "../../../../lib/server/webhooks/webhook_attempt.ts";
import { resourceKey, WebhookEvents } from "../../../../lib/server/webhooks/webhook_events.ts";
import { Webhooks } from "../../../../lib/server/webhooks/webhooks.ts";
import { NO_TELEMETRY } from "../../../../lib/room/context/telemetry.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

const ROOM = new Room({ sid: "RM_1", name: "lobby", numParticipants: 2, metadata: "m" });
const ANN = new ParticipantInfo({ sid: "PA_1", identity: "ann", name: "Ann" });
const TRACK = new TrackInfo({ sid: "TR_1", name: "camera" });

function eventsOf(fullRoomInTrackEvents: boolean): WebhookEvent[] {
  const { clock, random } = new VirtualPlatform();
  const events: WebhookEvent[] = [];
  const observer = new WebhookEvents({
    clock,
    random,
    fullRoomInTrackEvents,
    deliver: (event) => events.push(event),
  });
  observer.roomStarted(ROOM);
  observer.participantJoined(ROOM, ANN);
  observer.trackPublished(ROOM, ANN, TRACK);
  observer.trackUnpublished(ROOM, ANN, TRACK);
  observer.participantLeft(ROOM, ANN);
  observer.participantConnectionAborted(ROOM, ANN);
  observer.roomFinished(ROOM);
  return events;
}

/** What LiveKit puts into events about a track. */
const OF_TRACK = {
  room: { sid: "RM_1", name: "lobby" },
  participant: { sid: "PA_1", identity: "ann" },
  track: TRACK.toJson(),
};
const OF_PARTICIPANT = { room: ROOM.toJson(), participant: ANN.toJson() };

Deno.test("WebhookEvents fills the fields that LiveKit fills", () => {
  const events = eventsOf(false).map((event) => event.toJson() as Record<string, unknown>);
  assert.equal(new Set(events.map(({ id }) => id)).size, 7);
  for (const event of events) {
    assert.match(String(event.id), /^EV_[2-9A-HJ-NP-Za-km-z]{12}$/);
    assert.equal(event.createdAt, "1767225600");
    delete event.id;
    delete event.createdAt;
  }
  assert.deepEqual(events, [
    { event: "room_started", room: ROOM.toJson() },
    { event: "participant_joined", ...OF_PARTICIPANT },
    { event: "track_published", ...OF_TRACK },
    { event: "track_unpublished", ...OF_TRACK },
    { event: "participant_left", ...OF_PARTICIPANT },
    { event: "participant_connection_aborted", ...OF_PARTICIPANT },
    { event: "room_finished", room: ROOM.toJson() },
  ]);
});

Deno.test("WebhookEvents tells of a participant before its tracks, and of none without it", () => {
  const { clock, random } = new VirtualPlatform();
  const told: string[] = [];
  const observer = new WebhookEvents({
    clock,
    random,
    fullRoomInTrackEvents: false,
    deliver: ({ event, participant, track }) => {
      told.push([event, participant?.identity, track?.sid].filter(Boolean).join(" "));
    },
  });
  const bob = new ParticipantInfo({ sid: "PA_2", identity: "bob" });
  const other = new TrackInfo({ sid: "TR_2" });
  observer.participantConnecting(ROOM, ANN);
  observer.participantConnecting(ROOM, bob);
  observer.trackPublished(ROOM, ANN, TRACK);
  observer.trackPublished(ROOM, ANN, other);
  observer.trackPublished(ROOM, bob, TRACK);
  observer.trackUnpublished(ROOM, ANN, other);
  assert.deepEqual(told, []);
  observer.participantJoined(ROOM, ANN);
  observer.trackPublished(ROOM, ANN, other);
  observer.trackUnpublished(ROOM, bob, TRACK);
  observer.participantConnectionAborted(ROOM, bob);
  observer.trackUnpublished(ROOM, ANN, TRACK);
  observer.participantLeft(ROOM, ANN);
  assert.deepEqual(told, [
    "participant_joined ann",
    "track_published ann TR_1",
    "track_published ann TR_2",
    "participant_connection_aborted bob",
    "track_unpublished ann TR_1",
    "participant_left ann",
  ]);
});

Deno.test("WebhookEvents puts the whole room into track events where that is configured", () => {
  const [, , published, unpublished] = eventsOf(true);
  assert.ok(published!.room!.equals(ROOM));
  assert.ok(unpublished!.room!.equals(ROOM));
});

Deno.test("resourceKey() is the room's name for everything that happens in a room", () => {
  assert.deepEqual([...new Set(eventsOf(false).map(resourceKey))], ["lobby"]);
});

Deno.test("signWebhook() makes what the server SDK verifies, for that body and key alone", async () => {
  const [event] = eventsOf(false);
  const body = event!.toJsonString();
  const bytes = new TextEncoder().encode(body);
  const jwt = await signWebhook({ apiKey: "key", secret: "s".repeat(32) }, bytes, Date.now());
  const receiver = new WebhookReceiver("key", "s".repeat(32));
  assert.equal((await receiver.receive(body, jwt)).id, event!.id);
  await assert.rejects(receiver.receive(body.replace("lobby", "other"), jwt), /sha256/);
  await assert.rejects(new WebhookReceiver("key", "t".repeat(32)).receive(body, jwt));
  const old = await signWebhook(
    { apiKey: "key", secret: "s".repeat(32) },
    bytes,
    Date.now() - 10 * 60_000,
  );
  await assert.rejects(receiver.receive(body, old), /exp/);
});

function webhooks(section: Record<string, unknown>): Webhooks {
  const config = parseConfig({ keys: { key: "s".repeat(32) }, webhook: section });
  return new Webhooks(config, new Map(Object.entries(config.keys)), new VirtualPlatform(), {
    fetch: () => Promise.reject(new Error("not expected")),
    telemetry: NO_TELEMETRY,
  });
}

Deno.test("Webhooks refuses to start without the key or with something that is no HTTP URL", () => {
  const refused = (message: RegExp) => (error: unknown) =>
    error instanceof SfuError && error.code === "invalid_config" && message.test(error.message);
  assert.throws(
    () => webhooks({ urls: ["http://x.test"], api_key: "other" }),
    refused(/^webhook\.api_key: /),
  );
  for (const url of ["", "x.test/hook", "ftp://x.test", "http://"]) {
    assert.throws(
      () => webhooks({ urls: ["http://x.test", url], api_key: "key" }),
      refused(/^webhook\.urls\[1\]: /),
    );
  }
  assert.equal(webhooks({ api_key: "key" }).observer, undefined);
  assert.notEqual(webhooks({ urls: ["https://x.test"], api_key: "key" }).observer, undefined);
});
