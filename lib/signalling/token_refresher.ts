/**
 * Sends a participant a fresh token: when its session starts or resumes, every five minutes, and
 * whenever what the token says has changed, so that a reconnecting client is still let in.
 *
 * @module
 */
import type { Cancel, Platform } from "../base/platform.ts";
import type { Participant } from "../room/participant.ts";
import type { TokenClaims, VideoGrant } from "./access_token.ts";
import type { JoinParameters } from "./join_parameters.ts";
import { permissionClaims } from "./permission_claims.ts";

const REFRESH_INTERVAL_MS = 5 * 60_000;
/** A refreshed token lives at least this long, ms. */
const MIN_LIFETIME_MS = 10 * 60_000;

/** Signs `claims` at `nowMs` (Unix) for `validForMs`. */
export type TokenSigner = (
  claims: TokenClaims,
  nowMs: number,
  validForMs: number,
) => Promise<string>;

/** See the module text. */
export class TokenRefresher {
  #cancel: Cancel | undefined;
  /** Of the newest refresh: an older signature that is ready later is not sent. */
  #serial = 0;

  constructor(
    readonly join: JoinParameters,
    readonly participant: Participant,
    readonly sign: TokenSigner,
    readonly platform: Platform,
  ) {}

  /** Sends a token soon, and again every interval until the participant has left. */
  refresh(): void {
    this.#cancel?.();
    const { participant, platform } = this;
    if (participant.closed) return;
    this.#cancel = platform.timers.after(REFRESH_INTERVAL_MS, () => this.refresh());
    const serial = ++this.#serial;
    this.tokenFor(participant.host.name).then(
      (token) => {
        if (serial === this.#serial) participant.send({ case: "refreshToken", value: token });
      },
      (error) => participant.log.error("token could not be signed", { error: String(error) }),
    );
  }

  /** A token as the participant has it, for the room of that name. */
  tokenFor(room: string): Promise<string> {
    const nowMs = this.platform.clock.wallMs();
    const validForMs = Math.max(MIN_LIFETIME_MS, this.join.tokenExpiresAt - nowMs);
    return this.sign(this.#claims(room), nowMs, validForMs);
  }

  /** Ends the interval. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    this.#serial++;
  }

  #claims(room: string): TokenClaims {
    const { join, participant } = this;
    const { profile } = participant;
    const video: VideoGrant = { ...join.grant, room, ...permissionClaims(profile.permission) };
    return {
      identity: join.identity,
      name: profile.name,
      kind: join.kind,
      metadata: profile.metadata,
      attributes: profile.attributes,
      video,
      ...(join.roomConfig === undefined ? {} : { roomConfig: join.roomConfig }),
      ...(join.roomPreset === undefined ? {} : { roomPreset: join.roomPreset }),
    };
  }
}
