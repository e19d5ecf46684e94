import assert from "node:assert/strict";
import { columnsOf } from "../../../../lib/server/top/terminal_text.ts";
import { readKeys } from "../../../../lib/server/top/terminal_keys.ts";
import {
  shortBytes,
  shortRate,
  shortShare,
  shortTime,
} from "../../../../lib/server/top/short_figures.ts";
import { pageLength, topScreen, topText } from "../../../../lib/server/top/top_screen.ts";
import { topTable } from "../../../../lib/server/top/top_tables.ts";
import {
  orderedRows,
  pressed,
  questionOf,
  sortedBy,
  type TopView,
  viewOf,
} from "../../../../lib/server/top/top_view.ts";
import type { ClusterFigures, RoomFigures } from "../../../../lib/watch/figures.ts";

const HOUR_MS = 3_600_000;
const LIFE = { source: "sfu.example", isLive: true };
const SIZE = { columns: 100, rows: 12 };
/** Styles, which take no columns. */
// deno-lint-ignore no-control-regex
const STYLE = /\x1b\[\d*m/g;

function room(name: string, participants: number, more: Partial<RoomFigures> = {}): RoomFigures {
  return {
    name,
    createdAtMs: 0,
    isLocked: false,
    isRecorded: false,
    participants,
    publishers: 1,
    tracks: 2,
    subscriptions: 3,
    nodes: { ND_a: participants },
    ...more,
  };
}

const STATE: ClusterFigures = {
  atMs: 2 * HOUR_MS,
  self: "ND_a",
  nodes: {
    ND_a: {
      region: "eu",
      state: "serving",
      version: "0.1.0",
      startedAtMs: HOUR_MS,
      cpu: 0.125,
      memoryBytes: 86_000_000,
      rooms: 2,
      participants: 12,
      tracks: 4,
      inBps: 1_200_000,
      outBps: 25_000_000,
      links: { ND_b: { isUp: false, queuedBytes: 0 } },
    },
    ND_b: {
      region: "us",
      state: "silent",
      startedAtMs: 0,
      cpu: 0,
      rooms: 0,
      participants: 1,
      tracks: 0,
    },
  },
  rooms: {
    RM_1: room("standup", 2, { inBps: 1_200_000, quality: "poor", isLocked: true }),
    RM_2: room("board", 10, { quality: "excellent" }),
  },
  roomCount: 2,
  participants: {
    PA_1: {
      identity: "ann",
      name: "Ann",
      node: "ND_a",
      state: "active",
      kind: "standard",
      joinedAtMs: 0,
      isHidden: false,
      isForwarded: false,
      client: "js",
      quality: "good",
      rttMs: 41,
      inLoss: 0.013,
      estimateBps: 3_000_000,
      subscriptions: 1,
      tracks: {
        TR_1: {
          kind: "video",
          source: "camera",
          name: "",
          isMuted: false,
          codec: "vp8",
          width: 1280,
          height: 720,
          inBps: 1_200_000,
          layers: { 0: { inBps: 200_000 }, 1: { inBps: 1_000_000 } },
        },
      },
    },
  },
  participantCount: 1,
  received: { TR_9: { identity: "bob", source: "microphone", kind: "audio", outBps: 32_000 } },
};

const plain = (view: TopView, size = SIZE) =>
  topScreen(STATE, view, LIFE, size, "plain").map((line) => line.trimEnd());

Deno.test("the first screen has sums, and rooms with most people on top", () => {
  const [title, sums, warning, header, first, second] = plain(viewOf("rooms"));
  assert.match(title!, /^roomwire top {2}sfu\.example {2}02:00:00 UTC {2}rooms$/);
  assert.equal(sums, "nodes 2 (1 silent)  rooms 2  people 13  in 1.2M  out 25.0M");
  assert.equal(warning, "");
  assert.match(header!, /^ROOM +PEOPLE↓ QUALITY +IN +OUT +TRACKS +SUBS +AGE +STATE/);
  assert.match(first!, /^board +10 excellent +- +- +2 +3 +2h00/);
  assert.match(second!, /^standup +2 poor +1\.2M +- +2 +3 +2h00 +locked/);
});

Deno.test("each line is as wide as the terminal, and there are as many as it has", () => {
  const hostile = room("\u001b[2J\u202e李さん 👍\n".repeat(20), 1);
  const state = { ...STATE, rooms: { ...STATE.rooms, RM_3: hostile } };
  for (const page of ["rooms", "room", "participant", "nodes"] as const) {
    for (const style of ["plain", "colours", "no-colours"] as const) {
      for (const size of [{ columns: 20, rows: 3 }, { columns: 80, rows: 24 }, SIZE]) {
        const view = viewOf(page, { room: "standup\u001b", identity: "ann" });
        const lines = topScreen(state, view, LIFE, size, style);
        assert.equal(lines.length, size.rows);
        for (const line of lines) {
          const bare = line.replace(STYLE, "");
          assert.equal(columnsOf(bare), size.columns, `${page}: ${JSON.stringify(line)}`);
          assert.ok(!/[\p{Cc}\p{Cf}]/u.test(bare), JSON.stringify(line));
        }
      }
    }
  }
});

Deno.test("without a state there is a word, and while it is away another", () => {
  const away = { ...LIFE, isLive: false, warning: "not encrypted" };
  const lines = topScreen(undefined, viewOf("rooms"), away, SIZE, "plain");
  assert.match(lines[0]!, /reconnecting/);
  assert.match(lines[2]!, /^not encrypted/);
  assert.match(lines.join("\n"), /Waiting…/);
});

Deno.test("what is wrong is red, and only where colours are", () => {
  const standup = (style: "colours" | "no-colours") =>
    topScreen(STATE, viewOf("rooms"), LIFE, SIZE, style).find((line) => line.includes("standup"))!;
  assert.ok(standup("colours").includes("\u001b[31mpoor"));
  assert.ok(!standup("no-colours").includes("\u001b[31m"));
});

Deno.test("one participant has its tracks, their layers and what it receives", () => {
  const lines = plain(viewOf("participant", { room: "standup", identity: "ann" }));
  assert.match(lines[0]!, /standup \/ ann$/);
  assert.deepEqual(lines.slice(4, 8).map((line) => line.split(/ {2,}/).slice(0, 3).join("|")), [
    "camera|sends|1.2M",
    "|layer 0|sends",
    "|layer 1|sends",
    "microphone of bob|receives|32k",
  ]);
  assert.match(lines[4]!, /vp8 +1280x720/);
});

Deno.test("a pipe gets everything once, without any sequence", () => {
  const text = topText(STATE, [viewOf("nodes"), viewOf("rooms")], LIFE);
  assert.match(text, /^roomwire top/);
  assert.match(text, /ND_a eu +serving +13% +86M/);
  assert.match(text, /board +10 excellent/);
  assert.ok(!/[^\P{Cc}\n]/u.test(text));
  for (const line of text.split("\n")) assert.equal(line, line.trimEnd());
});

/** What keys make of a view of the rooms, one after the other. */
function press(view: TopView, ...keys: string[]): TopView | undefined {
  let now: TopView | undefined = view;
  for (const key of keys) {
    if (now === undefined) return undefined;
    const table = topTable(STATE, now.page, now.identity);
    now = pressed(now, key, table, orderedRows(table, now.order), pageLength(SIZE));
  }
  return now;
}

Deno.test("keys choose, open and go back", () => {
  const rooms = viewOf("rooms");
  assert.equal(press(rooms, "q"), undefined);
  assert.equal(press(rooms, "ctrl-c"), undefined);
  assert.equal(press(rooms, "down")!.chosen, "RM_1");
  assert.equal(press(rooms, "down", "down", "down")!.chosen, "RM_1", "the last one");
  assert.equal(press(rooms, "end", "home")!.chosen, "RM_2");
  assert.equal(press(rooms, "page-down")!.chosen, "RM_1");
  const opened = press(rooms, "down", "enter")!;
  assert.deepEqual([opened.page, opened.room], ["room", "standup"]);
  const person = press(opened, "enter")!;
  assert.deepEqual([person.page, person.room, person.identity], ["participant", "standup", "ann"]);
  assert.deepEqual(questionOf(person), { room: "standup", participant: "ann" });
  assert.deepEqual(press(person, "escape")!.page, "room");
  assert.deepEqual(press(person, "left", "backspace")!.page, "rooms");
  assert.deepEqual(press(person, "n")!.page, "nodes");
  assert.deepEqual(press(rooms, "unknown"), rooms);
});

Deno.test("keys sort by the column beside, and the other way round", () => {
  const rooms = viewOf("rooms");
  assert.deepEqual(press(rooms, "<")!.order, { column: 0, isDescending: false });
  assert.deepEqual(press(rooms, "<", "<")!.order.column, 9, "round the end");
  assert.deepEqual(press(rooms, ">", ">")!.order, { column: 3, isDescending: true });
  assert.deepEqual(press(rooms, "i")!.order, { column: 1, isDescending: false });
  const table = topTable(STATE, "rooms", undefined);
  const byIn = sortedBy(rooms, table, "in")!;
  const names = orderedRows(table, byIn.order).map((row) => (row as RoomFigures).name);
  assert.deepEqual(names, ["standup", "board"], "what is not known comes last");
  assert.equal(sortedBy(rooms, table, "nonsense"), undefined);
});

Deno.test("a name is typed, looked for, and left", () => {
  const rooms = viewOf("rooms");
  const typing = press(rooms, "/", "q", "é", "x", "backspace")!;
  assert.deepEqual([typing.find, typing.isFinding], ["qé", true]);
  assert.deepEqual(questionOf(typing), { findRoom: "qé" });
  assert.deepEqual(press(typing, "enter")!.isFinding, false);
  assert.deepEqual(press(typing, "enter", "escape")!.find, "");
  assert.deepEqual(press(typing, "escape")!.find, "");
  assert.equal(press(typing, "ctrl-c"), undefined);
  const long = press(rooms, "/", ..."x".repeat(200))!;
  assert.equal(long.find.length, 64);
  assert.deepEqual(questionOf(press(viewOf("room", { room: "r" }), "/", "a")!), {
    room: "r",
    findParticipant: "a",
  });
});

Deno.test("what a terminal sends are keys, and nothing else is", () => {
  assert.deepEqual(readKeys("\u001b[A\u001bOB\u001b[5~q\r\u007f\u0003é👍\u001b"), [
    "up",
    "down",
    "page-up",
    "q",
    "enter",
    "backspace",
    "ctrl-c",
    "é",
    "👍",
    "escape",
  ]);
  assert.deepEqual(readKeys("\u001b[200~\u0001\u001b[1;5A"), []);
});

Deno.test("figures are short", () => {
  assert.deepEqual([undefined, 0, 999_000, 1.5e6, 2.5e9].map(shortRate), [
    "-",
    "0k",
    "999k",
    "1.5M",
    "2.5G",
  ]);
  assert.deepEqual([undefined, 0, 0.001, 0.5].map(shortShare), ["-", "0%", "0.1%", "50%"]);
  assert.deepEqual([undefined, 86e6, 2.1e9].map(shortBytes), ["-", "86M", "2.1G"]);
  assert.deepEqual([-1, 59_000, 60_000, HOUR_MS, 49 * HOUR_MS].map(shortTime), [
    "0s",
    "59s",
    "1m",
    "1h00",
    "2d",
  ]);
});
