/**
 * A client on a single connection that speaks to a server on virtual time, as livekit-client does.
 *
 * @module
 */
import { SessionDescription } from "@livekit/protocol";
import type { JoinParameters } from "../../../lib/signalling/join_parameters.ts";
import { cameraRequest, type ScriptedClient, type World } from "./scripted_client.ts";
import { type OfferSection, singleOffer } from "./single_offer.ts";

/** What livekit-client offers at first, after its data section. */
export const LAYOUT: readonly OfferSection[] = [
  ...["1", "2", "3"].map((mid) => ({ mid, kind: "audio", direction: "recvonly" }) as const),
  ...["4", "5", "6"].map((mid) => ({ mid, kind: "video", direction: "recvonly" }) as const),
];

/** A client on one connection, as a browser keeps its sections. */
export class SingleClient {
  readonly sections: OfferSection[] = [...LAYOUT];
  #offers = 0;
  #requirementsSeen = 0;

  constructor(readonly client: ScriptedClient) {}

  /** The join response has come. */
  static async open(
    world: World,
    identity: string,
    changes: Partial<JoinParameters> = {},
  ): Promise<SingleClient> {
    return new SingleClient(
      await world.open(identity, { singlePeerConnection: true, ...changes }),
    );
  }

  /** ACTIVE. */
  static async join(
    world: World,
    identity: string,
    changes: Partial<JoinParameters> = {},
  ): Promise<SingleClient> {
    const single = await SingleClient.open(world, identity, changes);
    await single.offer();
    await single.connect();
    return single;
  }

  async offer(ufrag = "clientUfrag"): Promise<void> {
    const sdp = singleOffer(this.sections, ufrag);
    const value = new SessionDescription({ type: "offer", sdp, id: ++this.#offers });
    await this.client.request({ case: "offer", value });
  }

  async connect(): Promise<void> {
    const connection = this.client.participant.publisher.id;
    const { engine } = this.client.world;
    engine.emit({ type: "connection_connected", connection, protocol: "udp" });
    engine.emit({ type: "data_channel_open", connection, label: "_reliable" });
    await this.client.world.settle();
  }

  async publish(cid: string): Promise<string> {
    await this.client.announce(cameraRequest(cid));
    const mid = String(this.sections.length + 1);
    this.sections.push({ mid, kind: "video", direction: "sendonly", cid });
    await this.offer();
    return this.client.last("trackPublished").track!.sid;
  }

  async unpublish(cid: string): Promise<void> {
    const at = this.sections.findIndex((section) => section.cid === cid);
    this.sections[at] = { ...this.sections[at]!, direction: "inactive" };
    await this.offer();
  }

  /** Does what it was asked since the last call, and what that leads to, for `ms`. */
  async follow(ms = 400): Promise<void> {
    for (let left = ms; left > 0; left -= 50) {
      await this.client.world.pass(50);
      await this.heed();
    }
  }

  /** Adds the sections that it was asked for since the last call, and offers them. */
  async heed(): Promise<void> {
    const all = this.client.all("mediaSectionsRequirement");
    const news = all.slice(this.#requirementsSeen);
    this.#requirementsSeen = all.length;
    for (const { numAudios, numVideos } of news) {
      this.#add("audio", numAudios);
      this.#add("video", numVideos);
    }
    if (news.length > 0) await this.offer();
  }

  #add(kind: "audio" | "video", count: number): void {
    for (let i = 0; i < count; i++) {
      this.sections.push({ mid: String(this.sections.length + 1), kind, direction: "recvonly" });
    }
  }

  /** Mid to track sid, as the last answer said. */
  get tracks(): Readonly<Record<string, string>> {
    return this.client.last("answer").midToTrackId;
  }
}
