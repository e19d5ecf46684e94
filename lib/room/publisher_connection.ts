/**
 * The peer connection on which a client publishes: it offers, we answer.
 *
 * Contract: an offer is answered exactly once with its own id, or the client is told to join anew.
 * What an offer says about tracks reaches the registry in the order closes, plan, claims; the answer
 * goes out between plan and claims, so a client never hears of a track before the answer that
 * carries it. The caller handles one offer at a time.
 *
 * @module
 */
import { SessionDescription, SignalTarget } from "@livekit/protocol";
import type { ConnectionId, UpTrackId } from "../base/ids.ts";
import type { CodecParameters, IceCredentials } from "../base/media_vocabulary.ts";
import type { EngineEvent } from "../engine/engine_messages.ts";
import { type CodecPolicy, codecPolicy } from "../negotiation/codec_catalog.ts";
import type { LocalParameters } from "../negotiation/local_description.ts";
import {
  answerPublisherOffer,
  type PublisherAnswer,
  type TrackPlan,
} from "../negotiation/publisher_answer.ts";
import { SectionMemo } from "../wire/sdp_tree.ts";
import { parseDescription, type RemoteDescription } from "../wire/session_description.ts";
import type { ClientTraits } from "./client_traits.ts";
import { type ConnectionHost, newIceCredentials, trickleMessages } from "./connection_host.ts";
import type { IceState, OfferCompanion, PublishingSide } from "./connection_sides.ts";
import { DataChannelWatch } from "./data_channel_watch.ts";
import { channelPolicy } from "./data_options.ts";
import type { ConnectionEvent, ConnectionOwner } from "./engine_router.ts";
import { preferredAddresses } from "./ice_preference.ts";
import { PublisherSections } from "./publisher_sections.ts";
import type { RoomContext } from "./room_context.ts";
import type { SectionPlan, SectionQuery } from "./track_effects.ts";
import type { TrackRegistry } from "./track_registry.ts";

type LayerArrived = Extract<EngineEvent, { type: "layer_arrived" }>;

/** See the module text. */
export class PublisherConnection implements ConnectionOwner, PublishingSide {
  readonly id: ConnectionId;
  readonly #sections: PublisherSections;
  readonly #codecs: CodecPolicy;
  readonly #sessionId: string;
  readonly #memo = new SectionMemo();
  readonly #channels: DataChannelWatch;
  #local: IceCredentials;
  #remote: IceCredentials | undefined;
  #version = 0;
  /** Credentials whose candidates the client has. */
  #trickled: string | undefined;
  /** Up-track → what its section offers, for the layers that arrive later. */
  #sending = new Map<string, SectionQuery>();
  #receiving: PublisherAnswer["receive"] = [];
  #offer: RemoteDescription | undefined;
  #sctp: PublisherAnswer["sctp"];
  #opened = false;
  /** Was up once. */
  #connected = false;
  #closed = false;
  /** Set before the first offer where down-tracks share this connection. */
  companion: OfferCompanion | undefined;

  constructor(
    readonly context: RoomContext,
    readonly host: ConnectionHost,
    readonly registry: TrackRegistry,
    readonly traits: ClientTraits,
  ) {
    const { router, platform, options } = context;
    this.id = router.newConnectionId();
    this.#channels = new DataChannelWatch(context, host, "publisher");
    this.#local = newIceCredentials(platform.random);
    this.#sessionId = String(platform.random.uint32());
    this.#sections = new PublisherSections(() => router.newUpTrackId());
    this.#codecs = codecPolicy(publishableCodecs(options.enabledCodecs, traits));
  }

  /** Handles one `offer` of the client. */
  async offer(description: SessionDescription): Promise<void> {
    if (this.#closed) return;
    const parsed = parseDescription(description.sdp, this.#memo);
    if (description.type !== "offer" || !parsed.ok) {
      const detail = parsed.ok
        ? `unexpected type ${description.type.slice(0, 20)}`
        : parsed.message;
      return this.host.connectionUnusable("publisher", detail);
    }
    const offer = this.#offer = parsed.value;
    this.#open();
    this.#takeRemoteCredentials(offer);
    const { ended, sending } = this.#sections.apply(offer);
    for (const upTrack of ended) await this.registry.closeUpTrack(upTrack);
    const plans = await this.registry.plan(sending);
    if (this.#closed) return;
    this.#sending = new Map(sending.map((section) => [section.upTrack, section]));
    const carried = this.companion?.begin(offer);
    const answer = answerPublisherOffer({
      offer,
      local: this.#localParameters(),
      codecs: this.#codecs,
      singlePreferredVideoCodec: !this.traits.followsAnswerOrder,
      planFor: ({ mid }) => trackPlan(mid, sending, plans, this.companion?.final ?? false),
      ...(carried === undefined ? {} : { sending: carried }),
    });
    this.#receiving = answer.receive;
    this.#sctp = answer.sctp;
    this.#setRemote(offer);
    this.context.router.send({
      type: "set_receive",
      connection: this.id,
      sections: answer.receive,
    });
    this.#sendAnswer(description.id, answer);
    this.companion?.answered(this.id, answer.send);
    await this.#claimByDescription(answer);
  }

  get iceState(): IceState | undefined {
    return this.#offer && { local: this.#local, offer: this.#offer };
  }

  restartIce(remote: IceCredentials): LocalParameters {
    const { fingerprints } = this.#offer ?? { fingerprints: [] };
    if (this.#offer !== undefined) this.#offer = { ...this.#offer, ice: remote };
    this.#takeRemoteCredentials({ ice: remote });
    this.#setRemote({ ice: remote, fingerprints });
    return this.#localParameters();
  }

  /** The codecs negotiated for the section of `upTrack` that are `mime`, in order of preference. */
  codecsOf(upTrack: UpTrackId, mime: string): readonly CodecParameters[] {
    const section = this.#receiving.find((candidate) => candidate.upTrack === upTrack);
    // Whoever cannot take redundant audio gets the opus in it.
    const deliverable = mime === "audio/red" ? [mime, "audio/opus"] : [mime];
    return deliverable.flatMap((name) =>
      section?.codecs.filter((codec) => codec.mime === name) ?? []
    );
  }

  /** Ends the connection; later events and offers are ignored. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#channels.stop();
    if (!this.#opened) return;
    this.context.router.detach(this.id);
    this.context.router.send({ type: "close_connection", connection: this.id });
  }

  handleEngineEvent(event: ConnectionEvent): void {
    switch (event.type) {
      case "connection_connected":
        if (!this.#connected) this.context.figures?.connection("publisher", "connected");
        this.#connected = true;
        return this.host.connectionUp("publisher", event.protocol);
      case "connection_lost":
        return this.host.connectionLost("publisher");
      case "connection_failed":
        this.#channels.stop();
        return this.host.connectionDown("publisher", event.reason);
      case "data_channel_open":
        return this.host.dataChannelOpen("publisher", event.label);
      case "data_channels_failed":
        return this.#channels.failed();
      case "data_received":
        return this.host.dataReceived(event.label, event.bytes);
      case "layer_arrived":
        this.#claimLayer(event).catch((error) => this.host.bug(error));
        return;
      case "connection_interrupted":
        return;
    }
  }

  handleBug(error: unknown): void {
    this.host.bug(error);
  }

  /**
   * The media plane starts to listen with the first offer and not before: it gives up on connections
   * that nobody comes to, and a participant may never publish.
   */
  #open(): void {
    if (this.#opened) return;
    this.#opened = true;
    this.context.figures?.connection("publisher", "started");
    this.context.router.attach(this.id, this);
    this.context.router.send({
      type: "open_connection",
      connection: this.id,
      local: this.#local,
      dataChannels: "accept",
      dataPolicy: channelPolicy(this.context.options.data),
    });
  }

  /** A changed ufrag or password is an ICE restart, which we join with new credentials of our own. */
  #takeRemoteCredentials({ ice }: Pick<RemoteDescription, "ice">): void {
    const { ufrag, pwd } = ice;
    if (ufrag === "") return;
    const before = this.#remote;
    this.#remote = ice;
    if (before === undefined || before.ufrag === ufrag && before.pwd === pwd) return;
    this.#local = newIceCredentials(this.context.platform.random);
    this.context.router.send({ type: "restart_ice", connection: this.id, local: this.#local });
  }

  #setRemote({ ice, fingerprints }: Pick<RemoteDescription, "ice" | "fingerprints">): void {
    if (fingerprints.length === 0) return;
    this.context.router.send({
      type: "set_remote",
      connection: this.id,
      remote: ice,
      fingerprints,
      ...(this.#sctp === undefined ? {} : { sctp: this.#sctp }),
    });
  }

  #sendAnswer(id: number, answer: PublisherAnswer): void {
    const { sdp, midToTrackId } = answer;
    this.host.send({
      case: "answer",
      value: new SessionDescription({ type: "answer", sdp, id, midToTrackId: { ...midToTrackId } }),
    });
    if (this.#trickled === this.#local.ufrag) return;
    this.#trickled = this.#local.ufrag;
    const mid = answer.receive[0]?.mid ?? "0";
    for (const message of trickleMessages(this.#localParameters(), mid, SignalTarget.PUBLISHER)) {
      this.host.send(message);
    }
  }

  /** A section that sends is a track even before its first packet. */
  async #claimByDescription(answer: PublisherAnswer): Promise<void> {
    for (const { mid, kind, upTrack, codecs, rids } of answer.receive) {
      const section = this.#sending.get(upTrack);
      const codec = codecs[0];
      if (section === undefined || codec === undefined || this.#closed) continue;
      // Go names no simulcast layers in the description: only its packets tell.
      if (kind === "video" && !this.traits.publishesByDescription) continue;
      const { sdpCid } = section;
      await this.registry.claim({ sdpCid, kind, mid, upTrack, mime: codec.mime, rids });
    }
  }

  async #claimLayer(event: LayerArrived): Promise<void> {
    const section = this.#sending.get(event.upTrack);
    if (section === undefined || this.#closed) return;
    const { sdpCid, kind, rids } = section;
    const { mid, upTrack, mime, rid, spatial, ssrc, rtxSsrc } = event;
    await this.registry.claim({
      sdpCid,
      kind,
      mid,
      upTrack,
      mime,
      spatial,
      ssrc,
      rids,
      ...(rid === undefined ? {} : { rid }),
      ...(rtxSsrc === undefined ? {} : { rtxSsrc }),
    });
  }

  #localParameters(): LocalParameters {
    const { fingerprint, addresses: all } = this.context.engine();
    const addresses = preferredAddresses(all, this.host.icePreference);
    const sessionId = this.#sessionId;
    return { ice: this.#local, fingerprint, addresses, sessionId, version: ++this.#version };
  }
}

/**
 * What a room's codecs leave for publishing.
 *
 * @param publisher What it cannot send is left out, too.
 */
export function publishableCodecs<C extends { readonly mime: string; readonly fmtpLine: string }>(
  enabled: readonly C[],
  publisher?: Pick<ClientTraits, "disabledCodecs" | "disabledPublishCodecs">,
): { readonly mime: string; readonly fmtp: string }[] {
  const disabled = new Set<string>();
  for (const { mime } of publisher?.disabledCodecs ?? []) disabled.add(mime.toLowerCase());
  for (const { mime } of publisher?.disabledPublishCodecs ?? []) disabled.add(mime.toLowerCase());
  return enabled.filter(({ mime }) => !disabled.has(mime.toLowerCase()))
    .map(({ mime, fmtpLine }) => ({ mime, fmtp: fmtpLine }));
}

function trackPlan(
  mid: string,
  sending: readonly SectionQuery[],
  plans: readonly SectionPlan[],
  final: boolean,
): TrackPlan | undefined {
  const index = sending.findIndex((section) => section.mid === mid);
  const section = sending[index];
  const plan = plans[index];
  if (section === undefined || plan === undefined) return undefined;
  // What nobody announced, and nobody will, is not worth sending.
  if (final && plan.sid === undefined) return undefined;
  return {
    upTrack: section.upTrack,
    stereo: plan.stereo,
    dtxDisabled: !plan.dtx,
    redDisabled: !plan.red,
    ...(plan.preferredMime === undefined ? {} : { preferredMime: plan.preferredMime }),
  };
}
