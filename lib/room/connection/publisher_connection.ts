/**
 * The peer connection on which a client publishes: it offers, we answer.
 *
 * Contract: an offer is answered exactly once with its own id, or the client is told to join anew.
 * What an offer says about tracks reaches the registry in the order closes, plan, claims; the
 * answer goes out between plan and claims, so a client never hears of a track before the answer
 * that carries it. The caller handles one offer at a time.
 *
 * @module
 */
import type { SessionDescription } from "@livekit/protocol";
import type { ConnectionId, UpTrackId } from "../../base/ids.ts";
import type { IceCredentials, ReceiveSection } from "../../base/media_vocabulary.ts";
import type { MediaEvent } from "../../engine/messages/media_messages.ts";
import type { CodecPolicy } from "../../negotiation/codec_catalog.ts";
import type { LocalParameters } from "../../negotiation/local_description.ts";
import {
  answerPublisherOffer,
  type PublisherAnswer,
  type TrackPlan,
} from "../../negotiation/publisher_answer.ts";
import { SectionMemo } from "../../wire/sdp_tree.ts";
import { parseDescription, type RemoteDescription } from "../../wire/session_description.ts";
import type { ClientTraits } from "../context/client_traits.ts";
import { ConnectionControl } from "./connection_control.ts";
import type { ConnectionHost } from "./connection_host.ts";
import { LayerOrder } from "../registry/layer_order.ts";
import type { IceState, OfferCompanion, PublishingSide } from "./connection_sides.ts";
import type { ConnectionEvent, ConnectionOwner } from "../context/engine_router.ts";
import { PublisherSections } from "./publisher_sections.ts";
import type { RoomContext } from "../context/room_context.ts";
import { publishPolicy } from "./room_codecs.ts";
import type { SectionPlan, SectionQuery } from "../registry/registry_messages.ts";
import type { TrackRegistry } from "../registry/track_registry.ts";

type LayerArrived = Extract<MediaEvent, { type: "layer_arrived" }>;
type LayerSized = Extract<MediaEvent, { type: "layer_size" }>;

/** One client's publishing half. */
export class PublisherConnection implements ConnectionOwner, PublishingSide {
  readonly #control: ConnectionControl;
  readonly #sections: PublisherSections;
  readonly #codecs: CodecPolicy;
  readonly #memo = new SectionMemo();
  readonly #order = new LayerOrder();
  #remote: IceCredentials | undefined;
  /** Up-track → what its section offers, for the layers that arrive later. */
  #sending = new Map<string, SectionQuery>();
  #receiving: PublisherAnswer["receive"] = [];
  #offer: RemoteDescription | undefined;
  #sctp: PublisherAnswer["sctp"];
  /** Set before the first offer where down-tracks share this connection. */
  companion: OfferCompanion | undefined;

  constructor(
    readonly context: RoomContext,
    readonly host: ConnectionHost,
    readonly registry: TrackRegistry,
    readonly traits: ClientTraits,
  ) {
    this.#control = new ConnectionControl(context, host, "publisher");
    this.#sections = new PublisherSections(() => context.router.newUpTrackId());
    this.#codecs = publishPolicy(context, traits);
  }

  get id(): ConnectionId {
    return this.#control.id;
  }

  /** Handles one `offer` of the client. */
  async offer(description: SessionDescription): Promise<void> {
    if (this.#control.closed) return;
    const parsed = parseDescription(description.sdp, this.#memo);
    if (description.type !== "offer" || !parsed.ok) {
      const detail = parsed.ok
        ? `unexpected type ${description.type.slice(0, 20)}`
        : parsed.message;
      return this.#refuse(detail);
    }
    const contradiction = this.#control.settleDtlsRole("offer", parsed.value);
    if (contradiction !== undefined) return this.#refuse(contradiction);
    const offer = this.#offer = parsed.value;
    this.#control.open(this, "accept");
    this.#takeRemoteCredentials(offer);
    const { ended, sending: named } = this.#sections.apply(offer);
    for (const upTrack of ended) {
      this.#order.forget(upTrack);
      // Awaited for its effects: what ended is told before the answer.
      await this.registry.closeUpTrack(upTrack);
    }
    const sending = named.map((section) => this.#ordered(section));
    const plans = await this.registry.plan(sending);
    if (this.#control.closed) return;
    // Anew, as the pictures may have told more meanwhile.
    this.#sending = new Map(named.map((section) => [section.upTrack, this.#ordered(section)]));
    const carried = this.companion?.begin(offer);
    const answer = answerPublisherOffer({
      offer,
      local: this.#control.localParameters(),
      codecs: this.#codecs,
      singlePreferredVideoCodec: !this.traits.followsAnswerOrder,
      planFor: ({ mid }) =>
        trackPlan(mid, [...this.#sending.values()], plans, this.companion?.final ?? false),
      ...(carried === undefined ? {} : { sending: carried }),
    });
    this.#receiving = answer.receive;
    this.#sctp = answer.sctp;
    this.#control.setRemote(offer, answer.sctp);
    this.#receive();
    this.#control.describe("answer", description.id, answer, answer.receive[0]?.mid ?? "0");
    this.companion?.answered(this.id, answer.send);
    await this.#claimByDescription(answer);
  }

  get iceState(): IceState | undefined {
    return this.#offer && { local: this.#control.local, offer: this.#offer };
  }

  restartIce(remote: IceCredentials): LocalParameters {
    const { fingerprints } = this.#offer ?? { fingerprints: [] };
    if (this.#offer !== undefined) this.#offer = { ...this.#offer, ice: remote };
    this.#takeRemoteCredentials({ ice: remote });
    this.#control.setRemote({ ice: remote, fingerprints }, this.#sctp);
    return this.#control.localParameters();
  }

  sectionOf(upTrack: UpTrackId): ReceiveSection | undefined {
    return this.#receiving.find((candidate) => candidate.upTrack === upTrack);
  }

  /** Ends the connection; later events and offers are ignored. */
  close(): void {
    this.#control.close();
  }

  handleEngineEvent(event: ConnectionEvent): void {
    switch (event.type) {
      case "layer_arrived":
        this.#claimLayer(event).catch((error) => this.host.bug(error));
        return;
      case "layer_size":
        this.#measured(event).catch((error) => this.host.bug(error));
        return;
      default:
        return this.#control.handleEngineEvent(event);
    }
  }

  handleBug(error: unknown): void {
    this.host.bug(error);
  }

  #refuse(detail: string): void {
    this.context.telemetry.descriptionRefused("offer");
    this.host.connectionUnusable("publisher", detail);
  }

  /**
   * A changed ufrag or password is an ICE restart, which we join with new credentials of our own.
   */
  #takeRemoteCredentials({ ice }: Pick<RemoteDescription, "ice">): void {
    const { ufrag, pwd } = ice;
    if (ufrag === "") return;
    const before = this.#remote;
    this.#remote = ice;
    if (before === undefined || before.ufrag === ufrag && before.pwd === pwd) return;
    this.#control.restartIce();
  }

  /** Tells the media plane what to receive. */
  #receive(): void {
    const sections = this.#receiving;
    this.context.router.send({ type: "set_receive", connection: this.id, sections });
  }

  #ordered(section: SectionQuery): SectionQuery {
    return { ...section, rids: this.#order.of(section.upTrack, section.rids) };
  }

  /** Pictures tell which simulcast id is which layer, where names do not. */
  async #measured({ upTrack, rid, spatial, width, height }: LayerSized): Promise<void> {
    const section = this.#sending.get(upTrack);
    if (section === undefined || this.#control.closed) return;
    const found = rid === undefined
      ? undefined
      : this.#order.measured(upTrack, rid, { width, height });
    if (found === undefined) {
      // Other clients say themselves how large their pictures are.
      if (!this.companion?.final) return;
      // Awaited, here and below, for its failure alone, which is then our caller's.
      return await this.registry.measured(upTrack, { sizes: [{ spatial, width, height }] });
    }
    const { rids } = found;
    if (rids.some((id, at) => id !== section.rids[at])) {
      this.#sending.set(upTrack, { ...section, rids });
      this.#receiving = this.#receiving.map((receive) =>
        receive.upTrack === upTrack ? { ...receive, rids } : receive
      );
      this.#receive();
    }
    await this.registry.measured(upTrack, found);
  }

  /** A section that sends is a track even before its first packet. */
  async #claimByDescription(answer: PublisherAnswer): Promise<void> {
    for (const { mid, kind, upTrack, codecs, rids } of answer.receive) {
      const section = this.#sending.get(upTrack);
      const codec = codecs[0];
      if (section === undefined || codec === undefined || this.#control.closed) continue;
      // Go names no simulcast layers in the description: only its packets tell.
      if (kind === "video" && !this.traits.publishesByDescription) continue;
      const { sdpCid } = section;
      // Awaited for its effects: the client hears of its track before its next offer is read.
      await this.registry.claim({ sdpCid, kind, mid, upTrack, mime: codec.mime, rids });
    }
  }

  async #claimLayer(event: LayerArrived): Promise<void> {
    const section = this.#sending.get(event.upTrack);
    if (section === undefined || this.#control.closed) return;
    const { sdpCid, kind, rids } = section;
    const { mid, upTrack, mime, rid, spatial, ssrc, rtxSsrc } = event;
    // Awaited for its failure alone: whether the track is known yet is the registry's to remember.
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
    rids: section.rids,
    ...(plan.preferredMime === undefined ? {} : { preferredMime: plan.preferredMime }),
  };
}
