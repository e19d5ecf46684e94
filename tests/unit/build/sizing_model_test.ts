import assert from "node:assert/strict";
import { ASSUMED, FIGURES, size } from "../../../build/site/assets/sizing_model.js";

const ROOT = new URL("../../../", import.meta.url);
const performance = Deno.readTextFileSync(new URL("docs/performance.md", ROOT));
const sizing = Deno.readTextFileSync(new URL("docs/sizing.md", ROOT));

/** The cells of the first row that begins with `name`, behind a heading. */
function row(heading: string, name: string): string[] {
  const chapter = performance.slice(performance.indexOf(`\n${heading}\n`));
  const line = chapter.split("\n")
    .find((text) => text.replace(/ +/g, " ").startsWith(`| ${name}`));
  assert.ok(line !== undefined, `docs/performance.md has no row "${name}" below "${heading}"`);
  return line.split("|").slice(1, -1).map((cell) => cell.trim());
}

const number = (cell: string | undefined) => Number((cell ?? "").replaceAll(",", ""));

Deno.test("the calculator's figures are those of docs/performance.md", () => {
  const now = (name: string) => row("## What things cost now", name)[1]!;
  // Of a range the dear end: who has too little is worse off than who has too much.
  const told = [
    [now("a packet of a meeting of eight"), `to ${FIGURES.smallRoomUs} µs`],
    [now("a packet of video from a whole server"), `${FIGURES.largeRoomUs} µs`],
    [now("somebody who is only there |"), `to ${FIGURES.idleUs} µs`],
    [now("somebody who is only there, in memory"), `${FIGURES.idleKb} of 1,000`],
    [now("a join"), `to ${FIGURES.joinMs} ms`],
    [now("a process with one worker"), `${FIGURES.oneWorkerMb} MB`],
  ] as const;
  assert.deepEqual(told.filter(([cell, text]) => !cell.includes(text)), []);
  const packets = (name: string) => number(row("### At loads that people have", name)[1]);
  assert.equal(FIGURES.videoPackets, packets("`video-1-50`") / 50);
  assert.equal(FIGURES.audioPackets, packets("`audio-10-50`") / 500);
  const memory = (name: string) => Number.parseFloat(row("## Memory", name)[1]!);
  assert.equal(FIGURES.workerMb, Number((memory("two") - memory("one")).toFixed(1)));
});

Deno.test("docs/sizing.md names the calculator's figures and what it assumes", () => {
  const told = [
    `${FIGURES.smallRoomUs} µs`,
    `${FIGURES.largeRoomUs} µs`,
    `${FIGURES.videoPackets} packets/s`,
    `${FIGURES.audioPackets} packets/s`,
    `${FIGURES.idleUs} µs/s, ${FIGURES.idleKb} kB`,
    `${FIGURES.joinMs} ms`,
    `${FIGURES.oneWorkerMb} MB, ${FIGURES.workerMb}`,
    `more than ${ASSUMED.smallRoom} people`,
    `${ASSUMED.smallMbps}, ${ASSUMED.audioMbps} Mbit/s`,
    `${ASSUMED.cameraMbps} Mbit/s`,
  ];
  assert.deepEqual(told.filter((text) => !sizing.includes(text)), []);
});

Deno.test("size() sends nobody what is one's own, and no more than there is", () => {
  const call = { rooms: 1, people: 2, cameras: 2, voices: 0, large: 4, small: 9 };
  const pair = size(call);
  // Each sees the one other, large.
  assert.equal(pair.outMbps, 2 * ASSUMED.largeMbps);
  assert.equal(pair.packetsPerS, 2 * FIGURES.videoPackets);
  const alone = size({ ...call, people: 1, cameras: 1 });
  assert.equal(alone.outMbps, 0);
  assert.equal(alone.inMbps, ASSUMED.cameraMbps);
  const nobody = size({ ...call, people: 0 });
  assert.deepEqual([nobody.people, nobody.packetsPerS, nobody.inMbps], [0, 0, 0]);
});

Deno.test("size() counts one who is seen by many to each of them but oneself", () => {
  const { people, packetsPerS, cores } = size({
    rooms: 1,
    people: 1_001,
    cameras: 1,
    voices: 1,
    large: 1,
    small: 0,
  });
  assert.equal(people, 1_001);
  const expected = 1_000 * (FIGURES.videoPackets + FIGURES.audioPackets);
  assert.ok(Math.abs(packetsPerS - expected) < 1e-6 * expected);
  const seconds = (expected * FIGURES.largeRoomUs + 1_001 * FIGURES.idleUs) / 1e6;
  assert.equal(cores, Math.ceil(seconds / ASSUMED.load));
});

Deno.test("size() grows with each of what it is asked for", () => {
  const call = { rooms: 3, people: 8, cameras: 4, voices: 2, large: 1, small: 2 };
  for (const name of ["rooms", "cameras", "voices", "large", "small"] as const) {
    const more = size({ ...call, [name]: call[name] + 1 });
    assert.ok(more.packetsPerS + more.inMbps > size(call).packetsPerS + size(call).inMbps, name);
  }
  assert.ok(size({ ...call, rooms: 300 }).memoryMb > size(call).memoryMb);
});
