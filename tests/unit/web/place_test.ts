import assert from "node:assert/strict";
import { initials, pathOfRoom, readClaims, readPlace } from "../../../web/place.js";

function token(claims: unknown): string {
  const bytes = new TextEncoder().encode(JSON.stringify(claims));
  const body = btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
  return `e30.${body.replaceAll("=", "")}.signature`;
}

const at = (url: string) => readPlace(new URL(url, "http://sfu.example"));

Deno.test("readPlace() takes the room from the path, and the rest from the fragment", () => {
  assert.deepEqual(at("/demo"), { room: "", token: "", name: "" });
  assert.deepEqual(at("/demo/standup#name=Ann%20B"), { room: "standup", token: "", name: "Ann B" });
  assert.equal(at("/demo/caf%C3%A9%20%2F1").room, "café /1");
  assert.equal(at("/demo/%E0%A4%A").room, "", "no text at all");
});

Deno.test("readPlace() believes a token more than the path, and takes one from the query, too", () => {
  const ann = token({ sub: "ann", video: { room: "den" } });
  assert.deepEqual(at(`/demo#token=${ann}&name=Ann`), { room: "den", token: ann, name: "Ann" });
  assert.equal(at(`/demo?token=${ann}`).token, ann);
  assert.equal(at(`/demo/standup#token=${ann}`).room, "den");
  assert.deepEqual(at("/demo/standup#token=nonsense"), {
    room: "standup",
    token: "nonsense",
    name: "",
  });
});

Deno.test("pathOfRoom() gives what readPlace() reads back", () => {
  for (const room of ["", "standup", "a/b?c#d", "ünï 🎈"]) {
    assert.equal(at(pathOfRoom(room)).room, room);
  }
});

Deno.test("readClaims() reads what a page has to know", () => {
  const claims = {
    sub: "ann-1",
    name: "Änne",
    exp: 1_800_000_000,
    video: { room: "den", roomAdmin: true, canPublish: false },
  };
  assert.deepEqual(readClaims(token(claims)), {
    room: "den",
    name: "Änne",
    identity: "ann-1",
    isAdmin: true,
    mayPublish: false,
    mayRename: false,
    expiresAt: 1_800_000_000_000,
  });
  const little = readClaims(token({}));
  assert.deepEqual([little?.mayPublish, little?.isAdmin, little?.expiresAt], [
    true,
    false,
    Infinity,
  ]);
});

Deno.test("readClaims() of what is no token is nothing", () => {
  for (const text of ["", "a", "a.b.c", "a.e30", "..", `a.${btoa("null")}.c`, "a.%%%.c"]) {
    assert.equal(readClaims(text)?.room ?? "", "", text);
  }
});

Deno.test("initials() takes two letters, whole ones", () => {
  assert.equal(initials("ann"), "A");
  assert.equal(initials("Ann Mary Smith"), "AM");
  assert.equal(initials("ann-smith_3"), "AS");
  assert.equal(initials("🎈 party"), "🎈P");
  assert.equal(initials("  "), "");
});
