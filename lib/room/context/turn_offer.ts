/**
 * The port to the TURN servers that a client is told of, whose credentials are its own.
 *
 * @module
 */
import type { IceServerInfo } from "./ice_preference.ts";

/** What there is to offer. */
export interface TurnOffer {
  /** Whether a server among them can be reached over TLS. */
  readonly offersTls: boolean;
  /** For the participant with this sid, from now on. */
  serversFor(sid: string): readonly IceServerInfo[];
}
