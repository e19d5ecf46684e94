/**
 * WHIP sessions (RFC 9725 §4): a client that publishes by one HTTP exchange, and may receive in the
 * same answer.
 *
 * Contract: what the client names it gets, or is refused; after the answer nothing is asked of it.
 *
 * @module
 */
import { type AddTrackRequest, SessionDescription } from "@livekit/protocol";
import type { Member } from "../room/participant/member.ts";
import type { Session } from "../room/participant/session.ts";
import type { Room } from "../room/room.ts";
import type { RemoteDescription } from "../wire/session_description.ts";
import { type Refusal, refuse } from "./access_token.ts";
import { type HttpAnswer, type HttpOpening, HttpSessions } from "./http_sessions.ts";
import type { JoinParameters } from "./join_parameters.ts";
import { synthesizedTracks } from "./whip_offer.ts";
import type { WantedTracks } from "./whip_parameters.ts";

/** How long a client waits for tracks it wants in its answer, ms. */
const WANTED_TRACKS_TIMEOUT_MS = 5_000;
/** How often they are looked for, ms. */
const WANTED_TRACKS_POLL_MS = 50;

/** What a session is beside what its token makes it. */
export interface WhipExtras {
  readonly traits?: HttpOpening["traits"];
  /** The announcement of each of its tracks, as it is to be made. */
  readonly announced?: (request: AddTrackRequest) => AddTrackRequest;
  readonly begun?: NonNullable<HttpOpening["begun"]>;
}

/** The WHIP sessions of this node. A client gets what it names in its answer, or none. */
export class WhipService extends HttpSessions {
  /** Lets a client in; resolves with the answer that carries everything it will ever be told. */
  create(
    asked: JoinParameters,
    offerSdp: string,
    wanted: WantedTracks,
    { traits = {}, announced = (request) => request, begun }: WhipExtras = {},
  ): Promise<HttpAnswer | Refusal> {
    return this.open({
      asked,
      offerSdp,
      traits,
      negotiate: (room, participant, offer) =>
        this.#negotiate(room, participant, offer, { offerSdp, wanted, announced }),
      ...(begun === undefined ? {} : { begun }),
    });
  }

  async #negotiate(
    room: Room,
    participant: Session,
    offer: RemoteDescription,
    { offerSdp, wanted, announced }: {
      readonly offerSdp: string;
      readonly wanted: WantedTracks;
      readonly announced: NonNullable<WhipExtras["announced"]>;
    },
  ): Promise<Refusal | undefined> {
    const named = await this.#awaitTracks(room, participant, wanted);
    if (named === undefined) return refuse(503, "could not subscribe to tracks");
    // What was asked for by name gets the first sections.
    participant.subscribeTo(named);
    participant.subscribeTo(
      othersOf(room, participant).flatMap(({ tracks }) => tracks.map(({ sid }) => sid)),
    );
    for (const request of synthesizedTracks(offer)) {
      await participant.announce(announced(request));
    }
    const description = new SessionDescription({ type: "offer", sdp: offerSdp });
    await participant.offer(description);
    const bound = named.every((sid) => participant.receives(sid));
    return bound ? undefined : refuse(503, "could not subscribe to tracks");
  }

  /** Sids of the tracks named, once all are there; `undefined` if they do not come in time. */
  async #awaitTracks(
    room: Room,
    participant: Session,
    wanted: WantedTracks,
  ): Promise<string[] | undefined> {
    const { clock, timers } = this.rooms.context.platform;
    const until = clock.now() + WANTED_TRACKS_TIMEOUT_MS;
    for (;;) {
      const named = namedTracks(room, participant, wanted);
      if (named !== undefined || participant.closed) return named;
      if (clock.now() >= until) return undefined;
      await new Promise<void>((resolve) => timers.after(WANTED_TRACKS_POLL_MS, resolve));
    }
  }
}

function namedTracks(
  room: Room,
  participant: Session,
  wanted: WantedTracks,
): string[] | undefined {
  const sids: string[] = [];
  for (const [identity, names] of wanted) {
    const found = room.byIdentity(identity);
    const publisher = found === participant || found?.hidden ? undefined : found;
    for (const name of names) {
      const track = publisher?.tracks.find(({ info }) => info.name === name);
      if (track === undefined) return undefined;
      sids.push(track.sid);
    }
  }
  return sids;
}

function othersOf(room: Room, participant: Session): Member[] {
  return [...room.participants()].filter((other) => other !== participant && !other.hidden);
}
