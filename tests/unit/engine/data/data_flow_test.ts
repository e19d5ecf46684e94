import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { ConnectionId } from "../../../../lib/base/ids.ts";
import { DataFlow } from "../../../../lib/engine/data/data_flow.ts";
import { FakeEndpoint } from "../../../support/virtual/data_plane_world.ts";

const id = (name: string) => name as ConnectionId;

function flow(...names: string[]) {
  const endpoints = new Map(names.map((name) => [id(name), new FakeEndpoint()]));
  const data = new DataFlow((connection) => endpoints.get(connection), new DropCounters());
  const told: boolean[] = [];
  const writer = { member: 1, holdForReaders: (held: boolean) => void told.push(held) };
  const send = (to: string) => data.sent(writer, { receiver: id(to) }, endpoints.get(id(to))!, 0);
  return { data, told, writer, send, endpoints, at: (name: string) => endpoints.get(id(name))! };
}

Deno.test("DataFlow.sent() holds a writer until every reader it waits for has caught up", () => {
  const { data, told, at, send } = flow("slow", "slower", "fast");
  at("slow").backlogged = at("slower").backlogged = true;
  for (const to of ["fast", "slow", "slower", "slow"]) send(to);
  assert.deepEqual(told, [true]);
  at("slow").backlogged = false;
  data.tick(0);
  assert.deepEqual([told, data.isWaiting], [[true], true]);
  at("slower").backlogged = false;
  data.tick(0);
  assert.deepEqual([told, data.isWaiting], [[true, false], false]);
});

Deno.test("DataFlow.tick() lets a writer go on whose reader is gone", () => {
  const { data, told, at, send, endpoints } = flow("slow");
  at("slow").backlogged = true;
  send("slow");
  data.tick(0);
  assert.deepEqual(told, [true]);
  endpoints.delete(id("slow"));
  data.tick(0);
  assert.deepEqual(told, [true, false]);
});

Deno.test("DataFlow.forget() tells a writer that is gone nothing more", () => {
  const { data, told, writer, at, send } = flow("slow");
  at("slow").backlogged = true;
  send("slow");
  data.forget(writer);
  at("slow").backlogged = false;
  data.tick(0);
  assert.deepEqual(told, [true]);
});
