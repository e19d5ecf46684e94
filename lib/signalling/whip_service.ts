/**
 * WHIP sessions (RFC 9725 §4): a client that offers once over HTTP, is answered once, and is a
 * participant like any other from then on, but for having no socket.
 *
 * Contract: a session exists from its answer until its participant ends, for whatever reason. Only
 * who may join its room under its identity can reach it; to everybody else it does not exist. What
 * fails leaves no participant behind.
 *
 * @module
 */
import { DisconnectReason, type ICEServer, SessionDescription } from "@livekit/protocol";
import { transportSection, writeIceFragment } from "../negotiation/ice_fragment.ts";
import type { SignalMessage, SignalSink } from "../room/context/signal_message.ts";
import type { Member } from "../room/participant/member.ts";
import type { Session } from "../room/participant/session.ts";
import type { Room } from "../room/room.ts";
import { DEFAULT_ICE_SERVERS } from "../room/context/room_options.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import { parseSdpFragment } from "../wire/sdp_fragment.ts";
import { parseDescription, type RemoteDescription } from "../wire/session_description.ts";
import type { Refusal } from "./access_token.ts";
import { participantInit, roomOf } from "./join_admission.ts";
import type { Admission, JoinParameters, Placement } from "./join_parameters.ts";
import { synthesizedTracks } from "./whip_offer.ts";
import type { WantedTracks } from "./whip_parameters.ts";

/** How long a client waits for tracks it wants in its answer, ms. */
const WANTED_TRACKS_TIMEOUT_MS = 5_000;
/** How often they are looked for, ms. */
const WANTED_TRACKS_POLL_MS = 50;

/** Who may join; the same as for other clients. */
export interface WhipAdmission {
  admit(join: JoinParameters): Admission;
  place(join: JoinParameters): Promise<Placement>;
  admitSession(join: JoinParameters): Admission;
  forgo(join: JoinParameters): void;
}

/** A new session. */
export interface WhipAnswer {
  readonly ok: true;
  /** Names the session. */
  readonly sid: string;
  readonly sdp: string;
  readonly iceServers: readonly Pick<ICEServer, "urls" | "username" | "credential">[];
  /** Names the ICE session, until the next restart. */
  readonly ufrag: string;
}

/** Which session is meant, and by whom. */
export interface WhipTarget {
  readonly roomName: string;
  readonly identity: string;
  readonly sid: string;
}

/** A done request. */
export interface WhipDone {
  readonly ok: true;
}

/**
 * The WHIP sessions of this node: each exists from its answer until its participant ends, and only
 * for who may join its room under its identity.
 */
export class WhipService {
  readonly #sessions = new Map<
    string,
    { readonly participant: Session; readonly room: Room }
  >();

  constructor(readonly rooms: LocalRooms, readonly admission: WhipAdmission) {}

  /** Lets a client in; resolves with the answer that carries everything it will ever be told. */
  async create(
    asked: JoinParameters,
    offerSdp: string,
    wanted: WantedTracks,
  ): Promise<WhipAnswer | Refusal> {
    const parsed = parseDescription(offerSdp);
    if (!parsed.ok) return refuse(400, `malformed SDP offer: ${parsed.message}`);
    // Nothing could ever connect, and so nothing would ever end it.
    const isEmpty = parsed.value.sections.every(({ rejected }) => rejected);
    if (isEmpty) return refuse(400, "malformed SDP offer: no media section");
    const admitted = this.admission.admit(asked);
    if (!admitted.ok) return admitted;
    const placed = await this.admission.place(asked);
    if (!placed.ok) return placed;
    const { join } = placed;
    const session = this.admission.admitSession(join);
    if (!session.ok) return refuse(503, session.body);
    const room = roomOf(this.rooms, join);
    const sink = new AnswerSink();
    const init = { ...participantInit(join), oneShot: true, autoSubscribe: false };
    const participant = room?.join(init, sink) ?? "room_closed";
    if (room === undefined || typeof participant === "string") {
      this.admission.forgo(join);
      return refuse(503, String(participant).replace("_", " "));
    }
    room.begin(participant, () => undefined);
    try {
      const refusal = await this.#negotiate(room, participant, parsed.value, offerSdp, wanted);
      if (refusal === undefined && sink.answer !== undefined && !participant.closed) {
        return this.#register(room, participant, sink.answer);
      }
      participant.close(DisconnectReason.JOIN_FAILURE, "none");
      return refusal ?? refuse(503, "participant session is already closed");
    } catch (error) {
      participant.bug(error);
      return refuse(500, "internal error");
    }
  }

  /** A fragment with more of the client's candidates. We need none: they are only checked. */
  trickle(target: WhipTarget, iceSession: string, fragmentText: string): WhipDone | Refusal {
    const found = this.#find(target);
    if ("status" in found) return found;
    const { local, offer } = found.ice;
    if (iceSession !== local.ufrag) return refuse(412, "ice session mismatch");
    const fragment = parseSdpFragment(fragmentText);
    if (fragment === undefined) return refuse(400, "invalid sdp fragment");
    if (fragment.mid !== transportSection(offer)?.mid) {
      return refuse(400, "media mid does not match bundle mid");
    }
    const { ufrag, pwd } = fragment.ice;
    if (ufrag !== offer.ice.ufrag || pwd !== offer.ice.pwd) {
      return refuse(400, "ice credential mismatch");
    }
    return { ok: true };
  }

  /** The client restarts ICE. @returns Our fragment, and the name of the new ICE session. */
  restart(
    target: WhipTarget,
    fragmentText: string,
  ): { readonly ok: true; readonly fragment: string; readonly ufrag: string } | Refusal {
    const found = this.#find(target);
    if ("status" in found) return found;
    const fragment = parseSdpFragment(fragmentText);
    if (fragment === undefined) return refuse(400, "invalid sdp fragment");
    const { offer } = found.ice;
    const section = transportSection(offer);
    if (section === undefined || !offer.sections.some(({ mid }) => mid === fragment.mid)) {
      return refuse(400, "could not find media mid");
    }
    const local = found.participant.restartIce(fragment.ice);
    const answer = writeIceFragment(local, section);
    return { ok: true, fragment: answer, ufrag: local.ice.ufrag };
  }

  /** The client leaves. */
  delete(target: WhipTarget): WhipDone | Refusal {
    const found = this.#find(target);
    if ("status" in found) return found;
    found.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
    return { ok: true };
  }

  async #negotiate(
    room: Room,
    participant: Session,
    offer: RemoteDescription,
    offerSdp: string,
    wanted: WantedTracks,
  ): Promise<Refusal | undefined> {
    const named = await this.#awaitTracks(room, participant, wanted);
    if (named === undefined) return refuse(503, "could not subscribe to tracks");
    // What was asked for by name gets the first sections.
    participant.subscribeTo(named);
    participant.subscribeTo(
      othersOf(room, participant).flatMap(({ tracks }) => tracks.map(({ sid }) => sid)),
    );
    for (const request of synthesizedTracks(offer)) await participant.announce(request);
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

  #register(room: Room, participant: Session, sdp: string): WhipAnswer {
    const { sid } = participant;
    this.#sessions.set(sid, { participant, room });
    participant.onClosed = () => this.#sessions.delete(sid);
    const { turn, iceServers: ofAll } = this.rooms.context.options;
    const iceServers = [...turn?.serversFor(sid) ?? [], ...ofAll];
    return {
      ok: true,
      sid,
      sdp,
      iceServers: iceServers.length > 0 ? iceServers : DEFAULT_ICE_SERVERS,
      ufrag: participant.iceState?.local.ufrag ?? "",
    };
  }

  #find({ roomName, identity, sid }: WhipTarget) {
    const session = this.#sessions.get(sid);
    if (this.rooms.get(roomName) === undefined) {
      return refuse(404, "requested room does not exist");
    }
    const participant = session?.room.name === roomName ? session.participant : undefined;
    const ice = participant?.iceState;
    if (participant?.identity !== identity || ice === undefined) {
      return refuse(404, "participant does not exist");
    }
    return { participant, ice };
  }
}

/** Keeps the one message that is meant for a WHIP client. */
class AnswerSink implements SignalSink {
  answer: string | undefined;

  send(message: SignalMessage): void {
    if (message.case === "answer") this.answer ??= message.value.sdp;
  }

  close(): void {}
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

function refuse(status: number, body: string): Refusal {
  return { ok: false, status, body };
}
