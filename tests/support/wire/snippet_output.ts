/**
 * What the documentation's programs of a participant print: a token for the room "standup", or that
 * they have been in it.
 *
 * @module
 */
import assert from "node:assert/strict";
import { WireParticipant } from "./wire_participant.ts";

const CONNECTED = /^standup\b/;
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * @param url Of the server that the program spoke to, as `ws://…`; a token has to open it.
 * @throws {Error} if it is neither.
 */
export async function assertPrinted(printed: string, url: string): Promise<void> {
  if (!CONNECTED.test(printed.trim())) await assertToken(printed, url);
}

/** @throws {Error} if it is no token, or one that opens no room of the server at `url`. */
export async function assertToken(printed: string, url: string): Promise<void> {
  const text = printed.trim();
  assert.match(text, TOKEN);
  const participant = await WireParticipant.open(url, text);
  await participant.connected();
  await participant.leave();
}
