/**
 * Opens signalling sessions: from validated join parameters and a socket to a participant in a
 * room.
 *
 * Contract: `join` (or `reconnect`, or for a session that cannot be resumed a `leave`) is the first
 * message on the socket. A socket whose join is refused is told why and closed.
 *
 * @module
 */
import { DisconnectReason } from "@livekit/protocol";
import { checkAttributes, checkDispatchTotal, checkMetadata } from "../admin/admin_limits.ts";
import { ClientTraits } from "../room/context/client_traits.ts";
import { leaveMessage } from "../room/context/close_reason.ts";
import { sharedInfo } from "../room/context/participant_facts.ts";
import type { Session } from "../room/participant/session.ts";
import { publishableCodecs } from "../room/connection/room_codecs.ts";
import { DEFAULT_ICE_SERVERS } from "../room/context/room_options.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import type { Admission, JoinParameters, Placement } from "./join_parameters.ts";
import { moderationRefusal } from "./join_moderation.ts";
import {
  confirmRoom,
  enterRoom,
  isDependentJoin,
  NO_ROOM,
  participantInit,
  ROOM_FULL,
  roomOf,
  TOO_SOON,
  UNKNOWN_PRESET,
} from "./join_admission.ts";
import {
  type ClientFacts,
  joinResponse,
  reconnectResponse,
  type ServerIdentity,
} from "./join_response.ts";
import { capRefusal, DEFAULT_SESSION_CAPS, type SessionCaps } from "./session_caps.ts";
import { joinCostUs, type RequestBudget, RequestTurns } from "./request_budget.ts";
import { ResponseEncoder } from "./signal_codec.ts";
import { SignalSession, type SignalSessionOptions } from "./signal_session.ts";
import { DEFAULT_BUFFERED_BYTES, type SignalSocket } from "./signal_socket.ts";
import { TokenRefresher, type TokenSigner } from "./token_refresher.ts";
import { type BudgetOwner, UserBudgets } from "./user_budgets.ts";

/** Where sessions go, and what clients may ask of the server. */
export interface SignalServiceOptions {
  readonly rooms: LocalRooms;
  readonly counters: SignalSessionOptions["counters"];
  /** Shown to clients as the server's version. */
  readonly serverVersion: string;
  /** A room is made by the first join; else only by the API or a token with `roomCreate`. */
  readonly autoCreateRooms: boolean;
  /**
   * `limit.num_tracks`, in and out together: beyond it only clients that return come in; 0 is none.
   */
  readonly maxTracks?: number;
  readonly caps?: SessionCaps;
  /** Bytes one client may leave unread (`limit.signal_buffer_limit`); 0 is no limit. */
  readonly maxBufferedBytes?: number;
  /** `limit.signal_message_size_limit`, bytes; 0 is no limit. */
  readonly maxFrameBytes: number;
  /** Signs refreshed tokens with the first configured key. */
  readonly signToken: TokenSigner;
}

/** All sessions of this server's clients, and who may begin one. */
export class SignalService {
  readonly #server: ServerIdentity;
  readonly #sessions = new Set<SignalSession>();
  readonly #encoder = new ResponseEncoder();
  readonly #turns: RequestTurns;
  readonly #budgets: UserBudgets;
  /** What each had when it came, wherever it is moved. */
  readonly #budgetOf = new WeakMap<Session, RequestBudget>();

  constructor(readonly options: SignalServiceOptions) {
    const { context } = options.rooms;
    this.#turns = new RequestTurns(context.platform.timers);
    this.#budgets = new UserBudgets(context.platform.clock);
    const { iceServers, turn, enabledCodecs } = context.options;
    this.#server = {
      version: options.serverVersion,
      region: context.region,
      nodeId: context.nodeId,
      // Some SDKs fail on an empty list.
      iceServers: iceServers.length > 0 || turn !== undefined ? iceServers : DEFAULT_ICE_SERVERS,
      publishCodecs: publishableCodecs(enabledCodecs),
    };
  }

  /** Whether the room of `join` exists or may be made; asked by `/rtc` and `/rtc/validate`. */
  admit(join: JoinParameters): Admission {
    const barred = moderationRefusal(join, this.options.rooms);
    if (barred !== undefined) return barred;
    const tooMany = checkDispatchTotal(join.roomConfig?.agents ?? []);
    if (tooMany !== undefined) return { ok: false, status: 400, body: tooMany.message };
    const { maxTracks = 0, rooms } = this.options;
    if (!this.#mayCreate(join) && !rooms.shared && rooms.get(join.roomName) === undefined) {
      return NO_ROOM;
    }
    if (maxTracks === 0 || join.reconnect) return { ok: true };
    if (rooms.recentTrackCount() < maxTracks) return { ok: true };
    return {
      ok: false,
      status: 503,
      body: "node has exceeded its configured limit",
      takers: "any",
    };
  }

  /** Whether the session that a client returns to is here. */
  isHere({ roomName, identity }: JoinParameters): boolean {
    return this.options.rooms.get(roomName)?.session(identity)?.resumable === true;
  }

  /** As much of {@linkcode admit} as may have to be asked of other nodes. */
  async confirm(join: JoinParameters): Promise<Admission> {
    return this.#mayCreate(join) ? { ok: true } : await confirmRoom(this.options.rooms, join);
  }

  /**
   * Whether this is the node to serve this join; asked before {@linkcode admitSession}, which takes
   * the join that this gives. What comes of it is told by {@linkcode open} or {@linkcode forgo}.
   */
  place(join: JoinParameters): Promise<Placement> {
    const { rooms } = this.options;
    if (!rooms.shared || join.reconnect) return Promise.resolve({ ok: true, join });
    return this.#enter(join);
  }

  async #enter(join: JoinParameters): Promise<Placement> {
    const { rooms } = this.options;
    const here = this.admitHere(join);
    if (!here.ok) return here;
    const placed = await enterRoom(rooms, join, this.#mayCreate(join));
    // Other nodes may have barred it, which is known only now.
    const barred = placed.ok ? moderationRefusal(join, rooms) : undefined;
    if (placed.ok && barred === undefined) return placed;
    // Others were asked in vain, which nobody may have done again and again.
    this.#budgets.of(join).charge(joinCostUs(0));
    if (!placed.ok || barred === undefined) return placed;
    this.forgo(placed.join);
    return barred;
  }

  /** What of the main thread is left for whoever asks; `undefined`, and counted, if nothing is. */
  turnOf(owner: BudgetOwner): RequestBudget | undefined {
    const budget = this.#budgets.of(owner);
    if (budget.waitMs() === 0) return budget;
    this.options.counters.count("signal_join_too_soon");
    return undefined;
  }

  /**
   * As much of {@linkcode admitSession} as this node knows by itself: asked before other nodes or
   * their directory are, so that who is refused costs them nothing.
   */
  admitHere(join: JoinParameters): Admission {
    if (!this.#mayCome(join)) return TOO_SOON;
    const { caps = DEFAULT_SESSION_CAPS, counters, rooms } = this.options;
    // What there is too much of for this node, another one that serves the room may take.
    if (rooms.get(join.roomName) === undefined) return { ok: true };
    return capRefusal(join, rooms.census, caps, counters) ?? { ok: true };
  }

  /**
   * Who returns to a session that is here is refused only for what returns have cost: it may have
   * asked for much just before its network changed, and has done nothing wrong.
   */
  #mayCome(join: JoinParameters): boolean {
    const returns = join.reconnect && this.isHere(join) ? this.#budgets.returnsOf(join) : undefined;
    return returns?.waitMs() === 0 || this.turnOf(join) !== undefined;
  }

  /** A join that was placed is not opened after all. */
  forgo({ roomName, identity, claim }: JoinParameters): void {
    this.options.rooms.forgo(roomName, identity, claim);
  }

  /**
   * What else can refuse a join before the upgrade, and then it is over; asked by `/rtc` only,
   * right before it.
   */
  admitSession(join: JoinParameters): Admission {
    const admission = this.#admitSession(join);
    if (!admission.ok) this.forgo(join);
    return admission;
  }

  #mayCreate({ grant }: JoinParameters): boolean {
    return this.options.autoCreateRooms || grant.roomCreate;
  }

  #admitSession(join: JoinParameters): Admission {
    const { options } = this.options.rooms.context;
    const tooLarge = checkMetadata(join.metadata, options) ??
      checkAttributes(join.attributes, options);
    if (tooLarge !== undefined) return { ok: false, status: 500, body: tooLarge.message };
    const room = this.options.rooms.get(join.roomName);
    if (room === undefined && !this.options.rooms.hasPreset(join.roomPreset ?? "")) {
      return UNKNOWN_PRESET;
    }
    const { caps = DEFAULT_SESSION_CAPS, counters, rooms } = this.options;
    if (!this.#mayCome(join)) return TOO_SOON;
    const capped = capRefusal(join, rooms.census, caps, counters);
    if (capped !== undefined) return capped;
    const refusal = room?.admits(join.identity, isDependentJoin(join));
    return join.reconnect || refusal === undefined ? { ok: true } : ROOM_FULL;
  }

  /**
   * Starts the session; everything further comes through the socket.
   *
   * @param receivedAt When the request for it came, monotonic ms; now if absent.
   */
  open(join: JoinParameters, socket: SignalSocket, receivedAt?: number): void {
    const { platform: { clock }, telemetry } = this.options.rooms.context;
    const startedAt = receivedAt ?? clock.now();
    const startedUs = clock.nowUs();
    this.#start(join, socket, startedAt);
    const us = joinCostUs(clock.nowUs() - startedUs);
    this.#budgets.of(join).charge(us);
    if (join.reconnect) this.#budgets.returnsOf(join).charge(us);
    telemetry.joinAnswered(join.clientInfo.protocol, clock.now() - startedAt);
  }

  #start(join: JoinParameters, socket: SignalSocket, requestedAt: number): void {
    const { rooms, counters, maxFrameBytes } = this.options;
    const { platform, telemetry } = rooms.context;
    const session = new SignalSession(socket, {
      clock: platform.clock,
      timers: platform.timers,
      budgetOf: (participant) => this.#budgetOf.get(participant) ?? this.#budgets.of(join),
      turns: this.#turns,
      counters,
      encoder: this.#encoder,
      maxFrameBytes,
      maxBufferedBytes: this.options.maxBufferedBytes ?? DEFAULT_BUFFERED_BYTES,
      telemetry,
      onClosed: (closed) => this.#sessions.delete(closed),
    });
    this.#sessions.add(session);
    telemetry.signalConnected();
    if (join.reconnect) return this.#resume(join, session);
    const room = roomOf(rooms, join);
    const participant = room?.join({ ...participantInit(join), requestedAt }, session) ??
      "room_closed";
    if (room === undefined || typeof participant === "string") {
      this.forgo(join);
      const reason = participant === "replaced"
        ? DisconnectReason.DUPLICATE_IDENTITY
        : DisconnectReason.JOIN_FAILURE;
      return this.#refuse(join, session, reason, "disconnect");
    }
    const { budget, end } = this.#budgets.began(join);
    this.#budgetOf.set(participant, budget);
    session.bind(participant);
    room.begin(participant, (others) => ({
      case: "join",
      value: joinResponse(this.#server, {
        room: room.info(),
        participant: sharedInfo(participant),
        others,
        subscriberPrimary: participant.subscriberPrimary,
        canPublish: participant.profile.permission.canPublish,
        sifTrailer: room.sifTrailer,
        disabledCodecs: participant.traits.disabledCodecs,
        disabledPublishCodecs: participant.traits.disabledPublishCodecs,
        icePreference: participant.icePreference,
        ...this.#turnServers(participant),
      }),
    }));
    this.#refreshTokens(join, participant, end);
    for (const value of join.addTrackRequests) session.handle({ case: "addTrack", value });
    const offer = join.publisherOffer;
    if (offer === undefined) return;
    const handle = () => session.handle({ case: "offer", value: offer });
    const waitMs = participant.traits.joinOfferWaitMs;
    if (waitMs === 0) return handle();
    // Whoever is on another socket by then gets the answer there.
    platform.timers.after(waitMs, handle);
  }

  /**
   * Tells every participant that the server goes away, and whether to join anew, which is
   * elsewhere; then closes all sockets.
   */
  close(farewell: "disconnect" | "reconnect" = "disconnect"): void {
    this.options.rooms.close(DisconnectReason.SERVER_SHUTDOWN, farewell);
    for (const session of [...this.#sessions]) session.close();
  }

  #resume(join: JoinParameters, session: SignalSession): void {
    const room = this.options.rooms.get(join.roomName);
    const participant = room?.session(join.identity);
    const canReturn = participant?.canReturn(join.reconnectReason) ?? false;
    if (room === undefined || participant === undefined || !canReturn) {
      participant?.joinsAnew(join.reconnectReason);
      return this.#refuse(join, session, DisconnectReason.STATE_MISMATCH, "reconnect");
    }
    session.bind(participant);
    participant.returns(join.reconnectReason);
    const { icePreference, traits } = participant;
    room.resume(participant, session, {
      case: "reconnect",
      value: reconnectResponse(this.#server, {
        lastMessageSeq: participant.data.membership.lastSequence,
        disabledCodecs: traits.disabledCodecs,
        disabledPublishCodecs: traits.disabledPublishCodecs,
        icePreference,
        ...this.#turnServers(participant),
      }),
    });
    participant.onClaimsChanged();
  }

  #turnServers({ sid }: Session): ClientFacts {
    const { turn } = this.options.rooms.context.options;
    return turn === undefined ? {} : { turnServers: turn.serversFor(sid) };
  }

  #refuse(
    join: JoinParameters,
    session: SignalSession,
    reason: DisconnectReason,
    farewell: "disconnect" | "reconnect",
  ): void {
    const traits = new ClientTraits(join.clientInfo);
    const regions = this.options.rooms.context.regions?.();
    session.send({ case: "leave", value: leaveMessage(traits, reason, farewell, regions) });
    session.close();
  }

  #refreshTokens(join: JoinParameters, participant: Session, onClosed: () => void): void {
    const refresher = new TokenRefresher(
      join,
      participant,
      this.options.signToken,
      this.options.rooms.context.platform,
    );
    participant.onClaimsChanged = () => refresher.refresh();
    participant.tokenFor = (room) => refresher.tokenFor(room);
    participant.onClosed = () => {
      refresher.stop();
      onClosed();
    };
    if (participant.closed) return participant.onClosed();
    refresher.refresh();
  }
}
