/**
 * What the two kinds of peer connection have in common on the control side: their place in the
 * media plane, our half of their descriptions, and what is told to their participant.
 *
 * Contract: the media plane hears of a connection between `open` and `close`, each of which counts
 * once; our candidates follow the first description with their credentials, and only that one.
 *
 * @module
 */
import { SessionDescription, SignalTarget, TrickleRequest } from "@livekit/protocol";
import { type ConnectionId, randomId } from "../../base/ids.ts";
import type { DtlsRole, IceCredentials } from "../../base/media_vocabulary.ts";
import type { Random } from "../../base/platform.ts";
import { roleAfterAnswer, roleAfterOffer } from "../../negotiation/dtls_role.ts";
import { candidateInits, type LocalParameters } from "../../negotiation/local_description.ts";
import type { RemoteDescription } from "../../wire/session_description.ts";
import type { ConnectionHost } from "./connection_host.ts";
import type { ConnectionRole, SignalMessage } from "../context/signal_message.ts";
import { DataChannelWatch } from "./data_channel_watch.ts";
import { channelPolicy } from "../context/data_options.ts";
import type { ConnectionEvent, ConnectionOwner } from "../context/engine_router.ts";
import { preferredAddresses } from "../context/ice_preference.ts";
import type { RoomContext } from "../context/room_context.ts";

/** Parameters of the application section, if a description has one. */
type Sctp = { readonly port: number; readonly maxMessageSize: number };

/** A description of ours, written with {@linkcode ConnectionControl.localParameters}. */
export interface WrittenDescription {
  readonly sdp: string;
  readonly midToTrackId: Readonly<Record<string, string>>;
}

/** One connection's place in the media plane; after `close` no event of it is handled. */
export class ConnectionControl {
  readonly id: ConnectionId;
  readonly #channels: DataChannelWatch;
  readonly #sessionId: string;
  #local: IceCredentials;
  #version = 0;
  /** Credentials whose candidates the client has. */
  #trickled: string | undefined;
  #opened = false;
  /** Was up once. */
  #connected = false;
  #established = false;
  /** Data channels that must open before everything is established; both if there is a section. */
  #awaited: ReadonlySet<string> = new Set();
  /** Ours, since the first description of the client's that has a transport. */
  #dtlsRole: DtlsRole | undefined;
  #closed = false;

  constructor(
    readonly context: RoomContext,
    readonly host: ConnectionHost,
    readonly role: ConnectionRole,
  ) {
    const { router, platform } = context;
    this.id = router.newConnectionId();
    this.#channels = new DataChannelWatch(context, host, role);
    this.#local = newIceCredentials(platform.random);
    this.#sessionId = String(platform.random.uint32());
  }

  /** Our side of ICE. */
  get local(): IceCredentials {
    return this.#local;
  }

  get opened(): boolean {
    return this.#opened;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /**
   * Makes the media plane listen; its events go to `owner`. Called with the first description and
   * not before: the media plane gives up on connections that nobody comes to.
   */
  open(owner: ConnectionOwner, dataChannels: "accept" | "create"): void {
    if (this.#opened) return;
    this.#opened = true;
    this.context.telemetry.connection(this.role, "started");
    const { allowPause, isSource } = this.host;
    this.context.router.attach(this.id, owner);
    this.context.router.send({
      type: "open_connection",
      connection: this.id,
      local: this.#local,
      dataChannels,
      dataPolicy: channelPolicy(this.context.options.data),
      placement: this.host.roomName,
      ...(allowPause === undefined ? {} : { allowPause }),
      ...(isSource ? { isSource } : {}),
    });
  }

  /** Ends the connection; the owner must ignore what comes later. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channels.stop();
    if (!this.#opened) return;
    this.context.router.detach(this.id);
    this.context.router.send({ type: "close_connection", connection: this.id });
  }

  /** Gives our side of ICE new credentials; the next description says them. */
  restartIce(): void {
    this.#local = newIceCredentials(this.context.platform.random);
    this.context.router.send({ type: "restart_ice", connection: this.id, local: this.#local });
  }

  /**
   * Settles who opens the DTLS association: once, before anything is said of the description.
   *
   * @returns In words why it cannot be followed.
   */
  settleDtlsRole(
    type: "offer" | "answer",
    { setup, fingerprints }: Pick<RemoteDescription, "setup" | "fingerprints">,
  ): string | undefined {
    if (fingerprints.length === 0) return undefined;
    const decide = type === "offer" ? roleAfterOffer : roleAfterAnswer;
    const decision = decide(setup, this.#dtlsRole);
    if (!decision.ok) return decision.message;
    this.#dtlsRole = decision.role;
    return undefined;
  }

  /**
   * Tells the media plane the client's side of a description; one without a fingerprint has none.
   */
  setRemote(
    { ice, fingerprints }: Pick<RemoteDescription, "ice" | "fingerprints">,
    sctp: Sctp | undefined,
  ): void {
    if (fingerprints.length === 0) return;
    if (sctp !== undefined && !this.#connected) this.#awaited = new Set(["_reliable", "_lossy"]);
    this.context.router.send({
      type: "set_remote",
      connection: this.id,
      remote: ice,
      fingerprints,
      ...(this.#dtlsRole === undefined ? {} : { dtlsRole: this.#dtlsRole }),
      ...(sctp === undefined ? {} : { sctp }),
    });
  }

  /** Our half of the next description. */
  localParameters(): LocalParameters {
    this.#version++;
    return this.#parameters();
  }

  /**
   * Sends a description, and our candidates if the client does not have them.
   *
   * @param mid A section of the description, which the candidates name.
   */
  describe(
    type: "offer" | "answer",
    id: number,
    { sdp, midToTrackId }: WrittenDescription,
    mid: string,
  ): void {
    const value = new SessionDescription();
    this.host.send({
      case: type,
      value: Object.assign(value, { type, sdp, id, midToTrackId: { ...midToTrackId } }),
    });
    if (this.#trickled === this.#local.ufrag) return;
    this.#trickled = this.#local.ufrag;
    const target = this.role === "publisher" ? SignalTarget.PUBLISHER : SignalTarget.SUBSCRIBER;
    for (const message of trickleMessages(this.#parameters(), mid, target)) {
      this.host.send(message);
    }
  }

  /** Tells the participant what happened; layers and interruptions are the owner's to judge. */
  handleEngineEvent(event: ConnectionEvent): void {
    switch (event.type) {
      case "ice_connected":
        return this.context.telemetry.connection(this.role, "ice_connected");
      case "connection_connected":
        if (!this.#connected) this.context.telemetry.connection(this.role, "connected");
        this.#connected = true;
        this.#noteEstablished();
        return this.host.connectionUp(this.role, event.protocol, event.remote);
      case "connection_lost":
        return this.host.connectionLost(this.role);
      case "connection_failed":
        this.#channels.stop();
        return this.host.connectionDown(this.role, event.reason);
      case "data_channel_open":
        this.#awaited = new Set([...this.#awaited].filter((label) => label !== event.label));
        return this.#noteEstablished();
      case "data_channels_failed":
        return this.#channels.failed();
      case "data_progress":
      case "data_rpc_answer":
      case "data_sent":
      case "data_said":
        return this.host.dataEvent(event);
      case "connection_interrupted":
      case "layer_arrived":
        return;
    }
  }

  #noteEstablished(): void {
    if (this.#established || !this.#connected || this.#awaited.size > 0) return;
    this.#established = true;
    this.context.telemetry.connection(this.role, "fully_established");
  }

  #parameters(): LocalParameters {
    const { fingerprint } = this.context.engine();
    const all = this.context.router.addressesOf(this.id);
    const addresses = preferredAddresses(all, this.host.icePreference);
    const sessionId = this.#sessionId;
    return {
      ice: this.#local,
      fingerprint,
      addresses,
      sessionId,
      version: this.#version,
      ...(this.#dtlsRole === undefined ? {} : { dtlsRole: this.#dtlsRole }),
    };
  }
}

/** Fresh credentials, far above the minimum of RFC 8839 §5.4 (24 and 128 bits). */
function newIceCredentials(random: Random): IceCredentials {
  return { ufrag: randomId(random, ""), pwd: randomId(random, randomId(random, "")) };
}

/** Our candidates as messages, the last one marked `final`. */
function trickleMessages(
  local: LocalParameters,
  mid: string,
  target: SignalTarget,
): SignalMessage[] {
  const inits = candidateInits(local, mid);
  return inits.map((init, index) => ({
    case: "trickle",
    // By assignment: the constructor would look at each part.
    value: Object.assign(new TrickleRequest(), {
      candidateInit: JSON.stringify(init),
      target,
      final: index === inits.length - 1,
    }),
  }));
}
