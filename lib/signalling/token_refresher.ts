/**
 * Sends a participant a fresh token: when its session starts or resumes, every five minutes, and
 * whenever what the token says has changed, so that a reconnecting client is still let in.
 *
 * @module
 */
import { ParticipantInfo_Kind } from "@livekit/protocol";
import type { Cancel, Platform } from "../base/platform.ts";
import type { Session } from "../room/participant/session.ts";
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

/**
 * One participant's tokens: each says what the participant may do when it is sent. After `stop`
 * none is sent.
 */
export class TokenRefresher {
  #cancel: Cancel | undefined;
  /** Of the newest refresh: an older signature that is ready later is not sent. */
  #serial = 0;

  constructor(
    readonly join: JoinParameters,
    readonly participant: Session,
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
    this.tokenFor(participant.roomName).then(
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
    const { tokenIdentity = join.identity } = join;
    return {
      identity: join.identity,
      ...(tokenIdentity === join.identity ? {} : { publishOf: tokenIdentity }),
      name: profile.name,
      kind: profile.isAgent ? ParticipantInfo_Kind.AGENT : join.kind,
      metadata: profile.metadata,
      attributes: profile.attributes,
      video: this.#grant(room),
      ...(room === join.roomName ? roomWishes(join) : {}),
    };
  }

  /** Rights over the room it came for do not go along to another one. */
  #grant(room: string): VideoGrant {
    const { join, participant } = this;
    const claims = permissionClaims(participant.profile.permission);
    const grant = { ...join.grant, room, ...claims, agent: false };
    return room === join.roomName ? grant : { ...grant, roomAdmin: false, destinationRoom: "" };
  }
}

/** What the room is made with if this token is the first to come to it. */
function roomWishes({ roomConfig, roomPreset }: JoinParameters) {
  return {
    ...(roomConfig === undefined ? {} : { roomConfig }),
    ...(roomPreset === undefined ? {} : { roomPreset }),
  };
}
