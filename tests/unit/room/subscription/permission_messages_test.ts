import assert from "node:assert/strict";
import { permissionMessage } from "../../../../lib/room/subscription/permission_messages.ts";
import type { PublishedTrack } from "../../../../lib/room/registry/registry_messages.ts";

const track = { sid: "TR_a" } as PublishedTrack;

Deno.test("permissionMessage() is one message for everybody who is told the same", () => {
  const message = permissionMessage({ publisherSid: "PA_a", track }, true);
  assert.equal(permissionMessage({ publisherSid: "PA_a", track }, true), message);
});

Deno.test("permissionMessage() says another permission, publisher or track in another message", () => {
  for (
    const [publisherSid, named, allowed] of [
      ["PA_a", track, true],
      ["PA_a", track, false],
      ["PA_b", track, false],
      ["PA_a", { sid: "TR_b" } as PublishedTrack, true],
      ["PA_a", track, true],
    ] as const
  ) {
    const message = permissionMessage({ publisherSid, track: named }, allowed);
    assert.equal(message.case, "subscriptionPermissionUpdate");
    const { participantSid, trackSid, allowed: told } = message.value as {
      participantSid: string;
      trackSid: string;
      allowed: boolean;
    };
    assert.deepEqual([participantSid, trackSid, told], [publisherSid, named.sid, allowed]);
  }
});
