/**
 * Sessions of clients that offer once over HTTP, are answered once, and are participants like any
 * other from then on, but for having no socket: what WHIP (RFC 9725 §4) and WHEP
 * (draft-ietf-wish-whep) have in common.
 *
 * Contract: a session exists from its answer until its participant ends, for whatever reason. Only
 * who may join its room under its identity can reach it; to everybody else it does not exist. What
 * fails leaves no participant behind.
 *
 * @module
 */
import { DisconnectReason, type ICEServer } from "@livekit/protocol";
import { transportSection, writeIceFragment } from "../negotiation/ice_fragment.ts";
import type { ParticipantInit } from "../room/context/participant_profile.ts";
import type { SignalMessage, SignalSink } from "../room/context/signal_message.ts";
import type { Session } from "../room/participant/session.ts";
import type { Room } from "../room/room.ts";
import { DEFAULT_ICE_SERVERS } from "../room/context/room_options.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import { parseSdpFragment } from "../wire/sdp_fragment.ts";
import { parseDescription, type RemoteDescription } from "../wire/session_description.ts";
import { type Refusal, refuse } from "./access_token.ts";
import { participantInit, roomOf, TOO_SOON } from "./join_admission.ts";
import type { Admission, JoinParameters, Placement } from "./join_parameters.ts";
import { costUs, type RequestBudget } from "./request_budget.ts";
import type { BudgetOwner } from "./user_budgets.ts";

/** Who may join; the same as for other clients. */
export interface HttpAdmission {
  admit(join: JoinParameters): Admission;
  place(join: JoinParameters): Promise<Placement>;
  admitSession(join: JoinParameters): Admission;
  forgo(join: JoinParameters): void;
  /** What of the main thread is left for whoever asks; `undefined`, and counted, if nothing is. */
  turnOf(owner: BudgetOwner): RequestBudget | undefined;
}

/** A new session. */
export interface HttpAnswer {
  readonly ok: true;
  /** Names the session. */
  readonly sid: string;
  readonly sdp: string;
  readonly iceServers: readonly Pick<ICEServer, "urls" | "username" | "credential">[];
  /** Names the ICE session, until the next restart. */
  readonly ufrag: string;
}

/** Which session is meant, and by whom. */
export interface HttpTarget {
  readonly roomName: string;
  readonly identity: string;
  readonly sid: string;
}

/** A done request. */
export interface HttpDone {
  readonly ok: true;
}

/** An ICE restart, answered. */
export interface HttpRestart extends HttpDone {
  readonly fragment: string;
  /** Names the new ICE session. */
  readonly ufrag: string;
}

/** What a session is made of. */
export interface HttpOpening {
  readonly asked: JoinParameters;
  readonly offerSdp: string;
  /** What the participant is beside what its token makes it. */
  readonly traits: Partial<ParticipantInit>;
  /** Says what is wrong with an offer, before anybody is let in. */
  readonly fault?: (offer: RemoteDescription) => Refusal | undefined;
  /** Has the offer answered: one `answer` is sent when it resolves, unless it refuses. */
  readonly negotiate: (
    room: Room,
    participant: Session,
    offer: RemoteDescription,
  ) => Promise<Refusal | undefined>;
  /**
   * The session begins.
   *
   * @returns What is to be ended with it, or a refusal after all.
   */
  readonly begun?: (
    room: Room,
    participant: Session,
    answerSdp: string,
  ) => (() => void) | Refusal;
}

/**
 * One protocol's sessions of this node: each exists from its answer until its participant ends, and
 * only for who may join its room under its identity.
 */
export class HttpSessions {
  readonly #sessions = new Map<
    string,
    { readonly participant: Session; readonly room: Room }
  >();

  constructor(readonly rooms: LocalRooms, readonly admission: HttpAdmission) {}

  /** Lets a client in; resolves with the answer that carries everything it will ever be told. */
  protected async open(opening: HttpOpening): Promise<HttpAnswer | Refusal> {
    const { asked, offerSdp } = opening;
    const { clock } = this.rooms.context.platform;
    const budget = this.admission.turnOf(asked);
    if (budget === undefined) return TOO_SOON;
    const startedUs = clock.nowUs();
    const parsed = parseDescription(offerSdp);
    const parsedUs = clock.nowUs();
    budget.charge(costUs(offerSdp.length, parsedUs - startedUs));
    if (!parsed.ok) return refuse(400, `malformed SDP offer: ${parsed.message}`);
    try {
      return await this.#open(opening, parsed.value);
    } finally {
      budget.charge(costUs(0, 0, clock.nowUs() - parsedUs));
    }
  }

  async #open(opening: HttpOpening, offer: RemoteDescription): Promise<HttpAnswer | Refusal> {
    const { asked, traits, fault } = opening;
    // Nothing could ever connect, and so nothing would ever end it.
    const isEmpty = offer.sections.every(({ rejected }) => rejected);
    if (isEmpty) return refuse(400, "malformed SDP offer: no media section");
    const wrong = fault?.(offer);
    if (wrong !== undefined) return wrong;
    const admitted = this.admission.admit(asked);
    if (!admitted.ok) return admitted;
    const placed = await this.admission.place(asked);
    if (!placed.ok) return placed;
    const { join } = placed;
    const session = this.admission.admitSession(join);
    if (!session.ok) return session === TOO_SOON ? TOO_SOON : refuse(503, session.body);
    const room = roomOf(this.rooms, join);
    const sink = new AnswerSink();
    const init = { ...participantInit(join), ...traits, oneShot: true, autoSubscribe: false };
    const participant = room?.join(init, sink) ?? "room_closed";
    if (room === undefined || typeof participant === "string") {
      this.admission.forgo(join);
      return refuse(503, String(participant).replace("_", " "));
    }
    room.begin(participant, () => undefined);
    try {
      const refusal = await opening.negotiate(room, participant, offer);
      if (refusal === undefined && sink.answer !== undefined && !participant.closed) {
        return this.#register(room, participant, sink.answer, opening);
      }
      participant.close(DisconnectReason.JOIN_FAILURE, "none");
      return refusal ?? refuse(503, "participant session is already closed");
    } catch (error) {
      participant.bug(error);
      return refuse(500, "internal error");
    }
  }

  /** A fragment with more of the client's candidates. We need none: they are only checked. */
  trickle(target: HttpTarget, iceSession: string, fragmentText: string): HttpDone | Refusal {
    return this.withinBudget(
      target,
      fragmentText,
      () => this.#trickle(target, iceSession, fragmentText),
    );
  }

  #trickle(target: HttpTarget, iceSession: string, fragmentText: string): HttpDone | Refusal {
    const found = this.find(target);
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
  restart(target: HttpTarget, fragmentText: string): HttpRestart | Refusal {
    return this.withinBudget(target, fragmentText, () => this.#restart(target, fragmentText));
  }

  #restart(target: HttpTarget, fragmentText: string): HttpRestart | Refusal {
    const found = this.find(target);
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
  delete(target: HttpTarget): HttpDone | Refusal {
    const found = this.find(target);
    if ("status" in found) return found;
    found.participant.close(DisconnectReason.CLIENT_INITIATED, "none");
    return { ok: true };
  }

  /** Carries out a request of `body`, unless who asks has had more than its share just now. */
  protected withinBudget<T>(target: HttpTarget, body: string, request: () => T): T | Refusal {
    const { clock } = this.rooms.context.platform;
    const budget = this.admission.turnOf(target);
    if (budget === undefined) return TOO_SOON;
    const startedUs = clock.nowUs();
    const done = request();
    budget.charge(costUs(body.length, clock.nowUs() - startedUs));
    return done;
  }

  /** The session that is meant, if whoever asks may know of it. */
  protected find({ roomName, identity, sid }: HttpTarget) {
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

  #register(
    room: Room,
    participant: Session,
    sdp: string,
    { begun }: HttpOpening,
  ): HttpAnswer | Refusal {
    const { sid } = participant;
    const end = begun?.(room, participant, sdp) ?? (() => {});
    if (typeof end !== "function") {
      participant.close(DisconnectReason.JOIN_FAILURE, "none");
      return end;
    }
    if (participant.closed) {
      end();
      return refuse(503, "participant session is already closed");
    }
    this.#sessions.set(sid, { participant, room });
    participant.onClosed = () => {
      this.#sessions.delete(sid);
      end();
    };
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
}

/** Keeps the one message that is meant for such a client. */
class AnswerSink implements SignalSink {
  answer: string | undefined;

  send(message: SignalMessage): void {
    if (message.case === "answer") this.answer ??= message.value.sdp;
  }

  close(): void {}
}
