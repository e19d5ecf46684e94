/**
 * Access tokens for tests, signed by the real server SDK so that our verifier never checks our own
 * signer.
 *
 * @module
 */
import { AccessToken, type VideoGrant } from "livekit-server-sdk";
import { TEST_KEY, TEST_SECRET } from "./roomwire_process.ts";

export interface TokenOptions {
  readonly identity: string;
  readonly room: string;
  readonly name?: string;
  readonly metadata?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  /** Merged over `{ roomJoin: true, room }`. */
  readonly grant?: VideoGrant;
}

/** A token that joins `room` and may do everything unless `grant` says otherwise. */
export async function mintToken(options: TokenOptions): Promise<string> {
  const token = new AccessToken(TEST_KEY, TEST_SECRET, {
    identity: options.identity,
    ttl: "10m",
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.metadata === undefined ? {} : { metadata: options.metadata }),
    ...(options.attributes === undefined ? {} : { attributes: { ...options.attributes } }),
  });
  token.addGrant({ roomJoin: true, room: options.room, ...options.grant });
  return await token.toJwt();
}
