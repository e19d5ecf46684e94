/**
 * What questions to the directory cost Redis: CPU time of its main thread, and bytes in and out.
 * Measured on Redis 7.0.15 with 50 questions on their way by `directory_cost.ts`
 * (`deno task bench --only=directory`); between runs times differ by 3 µs. Pure.
 *
 * @module
 */

/** One question. */
export interface StepCost {
  readonly us: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Kinds of questions, as the simulation counts them. */
export const STEPS = [
  "heartbeat",
  "nodes",
  "enter",
  "joined",
  "release",
  "leave",
  "close",
  "rooms of a node",
  "bury",
  "forget",
  "assert",
] as const;
export type Step = (typeof STEPS)[number];

const HEARTBEAT: StepCost = { us: 10, bytesIn: 454, bytesOut: 11 };
const HEARTBEAT_WITH_NEWS: StepCost = { us: 14, bytesIn: 457, bytesOut: 11 };
const ENTER_MAKES: StepCost = { us: 46, bytesIn: 452, bytesOut: 294 };
/** In a room that two nodes serve. */
const ENTER: StepCost = { us: 41, bytesIn: 446, bytesOut: 315 };
/** By a node that serves the room already: others are not named. */
export const ENTER_AGAIN: StepCost = { us: 33, bytesIn: 404, bytesOut: 247 };
export const JOINED: StepCost = { us: 2, bytesIn: 85, bytesOut: 4 };
export const RELEASE: StepCost = { us: 16, bytesIn: 175, bytesOut: 12 };
export const LEAVE: StepCost = { us: 13, bytesIn: 151, bytesOut: 5 };
export const LEAVE_LAST: StepCost = { us: 17, bytesIn: 148, bytesOut: 27 };
export const CLOSE: StepCost = { us: 38, bytesIn: 174, bytesOut: 244 };
/** As much as a heartbeat: the same few commands on the same keys; not measured apart. */
export const FORGET: StepCost = { us: 10, bytesIn: 150, bytesOut: 8 };

/** One node more in a room's list: 227 µs and 22,250 bytes out in a room on 1,000 nodes. */
const EACH_NODE: StepCost = { us: 0.19, bytesIn: 0, bytesOut: 22 };
/** All of 1,000 nodes: 2,330 µs and 330,000 bytes out. */
const EACH_RECORD: StepCost = { us: 2.33, bytesIn: 0, bytesOut: 330 };
/** Without any record; the script looks four keys up, as a `leave` does. */
const NODES_ASKED: StepCost = { us: 10, bytesIn: 130, bytesOut: 40 };
/** 32 sets, and what each name in them adds. */
const ROOMS_ASKED: StepCost = { us: 15, bytesIn: 1_814, bytesOut: 128 };
const EACH_ROOM: StepCost = { us: 0.4, bytesIn: 0, bytesOut: 17 };
/** 32 µs for one claim among 5,000, 11,270 µs for 2,500 of them: what was found is kept. */
const BURY: StepCost = { us: 32, bytesIn: 165, bytesOut: 250 };
const EACH_CLAIM_FREED: StepCost = { us: 4.5, bytesIn: 0, bytesOut: 100 };
/** Where all claims of a room are read, as was done before: 16,300 µs in a room of 5,000. */
const EACH_CLAIM_READ: StepCost = { us: 3.2, bytesIn: 0, bytesOut: 0 };
/** 25,000 µs for 2,500 claims among 5,000; 38 for one. */

export function heartbeatCost(hasNews: boolean): StepCost {
  return hasNews ? HEARTBEAT_WITH_NEWS : HEARTBEAT;
}

/** @param nodes That serve the room, the newcomer's among them. */
export function enterCost(makes: boolean, nodes: number): StepCost {
  return makes ? ENTER_MAKES : plus(ENTER, EACH_NODE, Math.max(0, nodes - 2));
}

/** @param records That have changed since they were read last. */
export function nodesCost(records: number): StepCost {
  return plus(NODES_ASKED, EACH_RECORD, records);
}

export function roomsOfCost(rooms: number): StepCost {
  return plus(ROOMS_ASKED, EACH_ROOM, rooms);
}

/** @param freed Claims that end. */
export function buryCost(freed: number): StepCost {
  return plus(BURY, EACH_CLAIM_FREED, freed);
}

/** @param claims In the room, which are all read; `freed` of them end. */
export function buryAmongAllCost(claims: number, freed: number): StepCost {
  const { us, bytesIn, bytesOut } = plus(BURY, EACH_CLAIM_READ, claims);
  return { us, bytesIn, bytesOut: bytesOut + freed * EACH_CLAIM_FREED.bytesOut };
}

function plus(base: StepCost, each: StepCost, times: number): StepCost {
  return {
    us: base.us + each.us * times,
    bytesIn: base.bytesIn + each.bytesIn * times,
    bytesOut: base.bytesOut + each.bytesOut * times,
  };
}
