/**
 * What one encoder publishes by RTMP: from a stream key to a participant and its packets.
 *
 * Contract: its participant ends with its connection and its connection with its participant; what
 * comes before there is a participant waits, and is published with it.
 *
 * @module
 */
import { DisconnectReason, type IngressInfo, IngressInput, TrackType } from "@livekit/protocol";
import type { ConnectionId } from "../base/ids.ts";
import type { DropSink } from "../base/drop_counters.ts";
import type { Platform } from "../base/platform.ts";
import type { Session } from "../room/participant/session.ts";
import type { JoinLimits } from "../signalling/join_parameters.ts";
import { readWhipParameters } from "../signalling/whip_parameters.ts";
import type { WhipService } from "../signalling/whip_service.ts";
import type { Amf0Value } from "../wire/amf0.ts";
import type { CreateTranscoder } from "./aac_sound.ts";
import type { IngressDrop } from "./drop_reasons.ts";
import { EncoderStream } from "./encoder_stream.ts";
import { ingressExtras, ingressToken } from "./ingress_publishing.ts";
import type { IngressRun } from "./ingress_run.ts";
import type { IngressService } from "./ingress_service.ts";

/** What publishing by RTMP is given. */
export interface RtmpWorld {
  readonly platform: Platform;
  readonly ingresses: IngressService;
  readonly whip: () => WhipService;
  readonly limits: JoinLimits;
  readonly counters: DropSink<IngressDrop>;
  /** Turns AAC into Opus; absent: it is left out. */
  readonly transcode?: CreateTranscoder;
  /** Gives the media plane packets of a participant without a peer. */
  readonly send: (connection: ConnectionId, packets: Uint8Array<ArrayBuffer>) => void;
}

/** How a publishing speaks to its connection. */
export interface RtmpPublishingHost {
  readonly address: string;
  accept(): void;
  /** It is over, with these words for the encoder. */
  refuse(words: string): void;
}

/** One encoder's publishing. */
export class RtmpPublishing {
  readonly #world: RtmpWorld;
  readonly #host: RtmpPublishingHost;
  readonly #stream: EncoderStream;
  #info: IngressInfo | undefined;
  #run: IngressRun | undefined;
  #participant: Session | undefined;
  #isJoining = false;
  #hasEnded = false;
  #noted = "";
  /** In words, why it failed while its participant was coming in. */
  #failure: string | undefined;

  constructor(world: RtmpWorld, host: RtmpPublishingHost) {
    this.#world = world;
    this.#host = host;
    this.#stream = new EncoderStream(world.platform, world.transcode, () => this.tick());
  }

  /** Looks for the ingress of a key; its connection is told what comes of it. */
  async begin(key: string): Promise<void> {
    const { ingresses, counters } = this.#world;
    const info = await ingresses.opened(key, IngressInput.RTMP_INPUT);
    if (this.#hasEnded) return;
    if ("status" in info) {
      counters.count("rtmp_key_unknown");
      return this.#host.refuse(info.body);
    }
    this.#info = info;
    this.#host.accept();
  }

  metadata(values: ReadonlyMap<string, Amf0Value>): void {
    this.#stream.metadata(values);
  }

  media(kind: "audio" | "video", payload: Uint8Array<ArrayBuffer>, timestamp: number): void {
    if (this.#hasEnded) return;
    this.#stream[kind](payload, timestamp, this.#now());
    this.#goOn();
  }

  /** The connection is over. */
  stopped(): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#stream.close();
    this.#participant?.close(DisconnectReason.CLIENT_INITIATED, "none");
  }

  /** Timed work, once a second or so: sound that is waited for may never come. */
  tick(): void {
    if (!this.#hasEnded) this.#goOn();
  }

  #goOn(): void {
    const { fault, note } = this.#stream;
    if (fault !== undefined) return this.#fail(fault);
    if (note !== this.#noted && this.#run !== undefined) {
      this.#noted = note;
      this.#world.ingresses.noted(this.#run, note);
    }
    if (this.#participant !== undefined) return this.#send();
    if (this.#isJoining || !this.#stream.isReady(this.#now())) return;
    this.#isJoining = true;
    this.#join().catch((error) => {
      this.#world.platform.log.error("an encoder could not join", { error });
      this.#fail("internal error");
    });
  }

  async #join(): Promise<void> {
    const { ingresses, whip, limits, platform: { clock } } = this.#world;
    const info = this.#info!;
    const asked = readWhipParameters({
      query: new URLSearchParams(),
      token: ingressToken(info, clock.wallMs()),
      userAgent: "",
      socketAddress: this.#host.address,
      clientInfo: "",
    }, limits);
    if (!asked.ok) return this.#refused(info, asked.body);
    const extras = ingressExtras(ingresses, info, {
      began: (run, participant) => {
        this.#run = run;
        this.#participant = participant;
        if (this.#failure !== undefined) ingresses.failed(run, this.#failure);
      },
      ended: () => this.#end("the participant was ended"),
    });
    const answer = await whip().create(asked.join, this.#stream.offer(), new Map(), {
      ...extras,
      traits: { isSource: true },
      announced: (request) => {
        request.stereo = request.type === TrackType.AUDIO && this.#stream.isStereo;
        return extras.announced!(request);
      },
    });
    if (!answer.ok) return this.#refused(info, answer.body);
    if (this.#hasEnded) this.#participant?.close(DisconnectReason.CLIENT_INITIATED, "none");
    else this.#goOn();
  }

  /** Nobody came in. */
  #refused(info: IngressInfo, words: string): void {
    this.#world.ingresses.refused(info, this.#failure ?? words);
    this.#end(words);
  }

  /** Not before the media plane takes them, which it does once the participant is active. */
  #send(): void {
    const participant = this.#participant!;
    if (!participant.active) return;
    const packets = this.#stream.take();
    if (packets !== undefined) this.#world.send(participant.publisher.id, packets);
  }

  #fail(words: string): void {
    if (this.#hasEnded) return;
    const { ingresses } = this.#world;
    if (this.#run !== undefined) ingresses.failed(this.#run, words);
    else if (this.#isJoining) this.#failure = words;
    else if (this.#info !== undefined) ingresses.refused(this.#info, words);
    this.#end(words);
  }

  #end(words: string): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#stream.close();
    this.#participant?.close(DisconnectReason.CLIENT_INITIATED, "none");
    this.#host.refuse(words);
  }

  #now(): number {
    return this.#world.platform.clock.now();
  }
}
