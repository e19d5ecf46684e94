/**
 * What a client says to a TURN server before anything is relayed (RFC 8656 §7, §12), over whatever
 * carries it.
 *
 * @module
 */
import { createHash } from "node:crypto";
import type { MediaAddress } from "../../../lib/base/media_vocabulary.ts";
import {
  ATTR,
  type Attribute,
  attributesOf,
  errorOf,
  message,
  text,
  word,
  xored,
} from "../virtual/turn_world.ts";

/** Channels have this number and those after it, by their peers' order. */
export const FIRST_CHANNEL = 0x4000;

const ALLOCATE = 0x0003;
const CHANNEL_BIND = 0x0009;
const UDP = word(17 << 24);

/** Of one participant. */
export interface TurnAccount {
  readonly username: string;
  readonly credential: string;
}

/**
 * Allocates, and binds a channel for each peer.
 *
 * @param ask Sends a request; resolves with the answer.
 * @throws {Error} with the code of a refusal.
 */
export async function allocateChannels(
  ask: (request: Uint8Array) => Promise<Uint8Array>,
  { username, credential }: TurnAccount,
  peers: readonly MediaAddress[],
): Promise<void> {
  const key = createHash("md5").update(`${username}:livekit:${credential}`).digest();
  const transport: Attribute = [ATTR.transport, UDP];
  const first = await ask(message(ALLOCATE, transaction(), [transport]));
  const proof: Attribute[] = [
    [ATTR.username, text(username)],
    [ATTR.realm, text("livekit")],
    [ATTR.nonce, attributesOf(first).get(ATTR.nonce)!],
  ];
  const signed = async (type: number, attributes: readonly Attribute[]) => {
    const code = errorOf(await ask(message(type, transaction(), [...attributes, ...proof], key)));
    if (code !== 0) throw new Error(`the relay answers ${code}`);
  };
  await signed(ALLOCATE, [transport]);
  for (const [i, { hostname, port }] of peers.entries()) {
    const channel = word((FIRST_CHANNEL + i) << 16);
    await signed(CHANNEL_BIND, [[ATTR.channel, channel], [ATTR.peer, xored(hostname, port)]]);
  }
}

function transaction(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(12));
}
