/**
 * A room's plan as the directory keeps it: what the room records by itself may name a bucket and
 * its credentials, and is sealed, because others can read a directory, or its copies. Nodes tell
 * each other of it as it is, over links that are sealed themselves.
 *
 * @module
 */
import { RoomEgress } from "@livekit/protocol";
import { readMessage, writeMessage } from "../../base/unknown_fields.ts";
import { planText, readPlan, type RoomPlan } from "../../room/context/room_plan.ts";
import type { TextSeal } from "../../transport/crypto/sealed_text.ts";

/** A plan that was kept, and why not all of it can be read. */
export interface ReadPlan {
  readonly plan: RoomPlan;
  /** In words; absent if there is nothing wrong. */
  readonly why?: string;
}

/** @param room Its name: what is sealed for one room does not open for another. */
export function keptPlanText(plan: RoomPlan, room: string, seal: TextSeal): string {
  const { internal: { egress } } = plan;
  if (egress === undefined) return planText(plan);
  const shown = JSON.parse(
    planText({ ...plan, internal: { ...plan.internal, egress: undefined } }),
  );
  const sealedEgress = seal.seal(JSON.stringify(writeMessage(egress)), room);
  return JSON.stringify({ ...shown, sealedEgress });
}

/**
 * Reads {@linkcode keptPlanText}.
 *
 * @returns `undefined` for anything else; without what the room records if that cannot be opened,
 *   or stands there unsealed: whoever writes into the directory would have what is said in a room
 *   sent to a bucket of their own.
 */
export function readKeptPlan(text: string, room: string, seal: TextSeal): ReadPlan | undefined {
  const read = readPlan(text);
  if (read === undefined) return undefined;
  const { sealedEgress } = JSON.parse(text);
  const plan = { ...read, internal: { ...read.internal, egress: undefined } };
  if (typeof sealedEgress !== "string") {
    const isPlain = read.internal.egress !== undefined;
    return isPlain ? { plan, why: "it is not sealed" } : { plan: read };
  }
  const opened = seal.open(sealedEgress, room);
  if (!opened.ok) return { plan, why: opened.why };
  try {
    const egress = readMessage(RoomEgress, JSON.parse(opened.text));
    return { plan: { ...plan, internal: { ...plan.internal, egress } } };
  } catch {
    return { plan, why: "it is of another version" };
  }
}
