import assert from "node:assert/strict";
import { applyMergePatch as onPage } from "../../../../web/admin/merge_patch.js";
import { ordered } from "../../../../web/admin/order.js";
import { participantPath, readRoute, roomPath } from "../../../../web/admin/route.js";
import { Histories, pointsOf } from "../../../../web/admin/sparkline.js";
import { entranceWords, refusalWords } from "../../../../web/admin/words.js";
import { type JsonObject, mergePatch } from "../../../../lib/watch/merge_patch.ts";

Deno.test("the page makes the same of a patch as whoever sent it", () => {
  const before = JSON.parse('{"a": {"b": 1, "c": 2}, "__proto__": {"d": 1}}') as JsonObject;
  const after = JSON.parse('{"a": {"b": 3}, "constructor": {"e": 1}}') as JsonObject;
  assert.deepEqual(onPage(before, mergePatch(before, after)), after);
  assert.equal(({} as Record<string, unknown>).e, undefined);
});

Deno.test("rows are ordered by what is known, and stand still where they are equal", () => {
  const rows = [
    { key: "b", value: 2 },
    { key: "c", value: undefined },
    { key: "a", value: 2 },
    { key: "d", value: 10 },
  ];
  const by = (isDescending: boolean) =>
    ordered(rows, ({ value }) => value, isDescending, ({ key }) => key).map(({ key }) => key).join(
      "",
    );
  assert.equal(by(false), "abdc");
  assert.equal(by(true), "dabc");
  const named = [{ key: "room 10" }, { key: "room 9" }, { key: "Ärzte" }];
  const { key: first } = ordered(named, ({ key }) => key, false, ({ key }) => key)[0]!;
  assert.equal(first, "Ärzte");
  assert.equal(ordered(named, ({ key }) => key, true, ({ key }) => key)[0]!.key, "room 10");
});

Deno.test("addresses name rooms and people, whatever they are called", () => {
  for (const name of ["standup", "a/b", "#?&%", "café ", "..", "<b>", "100%"]) {
    assert.deepEqual(readRoute(roomPath(name)), { page: "room", room: name });
    assert.deepEqual(readRoute(participantPath("r", name)), {
      page: "room",
      room: "r",
      participant: name,
    });
  }
  assert.deepEqual(readRoute(""), { page: "rooms" });
  assert.deepEqual(readRoute("#/nodes"), { page: "nodes" });
  assert.deepEqual(readRoute("#/nonsense"), { page: "rooms" });
  assert.deepEqual(readRoute("#/room/"), { page: "rooms" });
  assert.deepEqual(readRoute("#/room/%E0%A4%A"), { page: "rooms" });
  assert.deepEqual(readRoute("#token=a.b.c"), { page: "rooms", token: "a.b.c" });
});

Deno.test("a line has the last sixty values, the newest at the right and the largest on top", () => {
  assert.equal(pointsOf([0, 10]), "58,19 59,1");
  assert.equal(pointsOf([]), "");
  const histories = new Histories();
  for (let value = 0; value < 100; value++) {
    histories.note(new Map([["a", value], ["b", undefined]]));
  }
  assert.deepEqual([histories.of("a").length, histories.of("a")[0], histories.of("b")[0]], [
    60,
    40,
    0,
  ]);
  histories.note(new Map([["a", 1]]));
  assert.deepEqual(histories.of("b"), [], "who is gone is forgotten");
});

Deno.test("refusals are told in words", () => {
  assert.equal(
    refusalWords("Ann could not be muted", {}),
    "Ann could not be muted: the server does not answer.",
  );
  assert.match(refusalWords("It failed", { status: 401 }), /sign in again/);
  assert.match(refusalWords("It failed", { status: 401, body: { msg: "" } }), /not allow it/);
  const body = { msg: "remote unmute not enabled" };
  assert.match(refusalWords("It failed", { status: 412, body }), /remote unmute not enabled\.$/);
  assert.match(refusalWords("It failed", { status: 500, body: { msg: 1 } }), /try again/);
  assert.match(entranceWords("password", 401), /not the password/);
  assert.match(entranceWords("token", 403), /roomAdmin/);
  assert.match(entranceWords("password", 403), /HTTPS/);
  assert.match(entranceWords("password", 429), /Too many/);
});
