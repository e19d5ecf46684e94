/**
 * {@linkcode SdkClient} over a browser page that runs `client_page.js`, for any automation library
 * that can evaluate an expression.
 *
 * @module
 */
import type {
  AudioOptions,
  ConnectOptions,
  DataMessage,
  Quality,
  ReceivedMedia,
  RoomSnapshot,
  SdkClient,
  TransportSnapshot,
  VideoOptions,
} from "./sdk_client.ts";

/** The two things needed of a page of Playwright or Puppeteer. */
export interface ScriptablePage {
  /** Evaluates an expression in the page and awaits its promise. */
  evaluate(expression: string): Promise<unknown>;
  close(): Promise<void>;
}

/** One simulcast layer as the publisher's encoder counts it. */
export interface SentLayer {
  readonly rid: string;
  readonly frameWidth: number;
  readonly framesEncoded: number;
  readonly keyFramesEncoded: number;
  /** Why the encoder sends less than it was asked to: `none`, `cpu`, `bandwidth`, `other`. */
  readonly limitation: string;
  readonly retransmittedPackets: number;
}

/** A participant in a browser page. */
export class BrowserClient implements SdkClient {
  readonly identity: string;
  readonly #page: ScriptablePage;

  /** @param page has loaded the client page. */
  constructor(identity: string, page: ScriptablePage) {
    this.identity = identity;
    this.#page = page;
  }

  connect(url: string, token: string, options: ConnectOptions = {}): Promise<void> {
    return this.call("connect", url, token, options);
  }
  disconnect(): Promise<void> {
    return this.call("disconnect");
  }
  publishVideo(options: VideoOptions = {}): Promise<string> {
    return this.call("publishVideo", options);
  }
  publishAudio(options: AudioOptions = {}): Promise<string> {
    return this.call("publishAudio", options);
  }
  unpublish(sid: string): Promise<void> {
    return this.call("unpublish", sid);
  }
  setMuted(sid: string, muted: boolean): Promise<void> {
    return this.call("setMuted", sid, muted);
  }
  sendData(
    text: string,
    options: { reliable: boolean; topic?: string; to?: readonly string[] },
  ): Promise<void> {
    return this.call("sendData", text, options);
  }
  receivedData(): Promise<readonly DataMessage[]> {
    return this.call("receivedData");
  }
  snapshot(): Promise<RoomSnapshot> {
    return this.call("snapshot");
  }
  media(sid: string): Promise<ReceivedMedia> {
    return this.call("media", sid);
  }
  errors(): Promise<readonly string[]> {
    return this.call("errors");
  }

  /** Asks for a layer of a subscribed video. */
  setQuality(sid: string, quality: Quality): Promise<void> {
    return this.call("setQuality", sid, quality);
  }
  /** Asks for a layer by the size it is shown in, CSS pixels. */
  setDimensions(sid: string, width: number, height: number): Promise<void> {
    return this.call("setDimensions", sid, width, height);
  }
  /** Asks for a frame rate of a subscribed video. */
  setFps(sid: string, fps: number): Promise<void> {
    return this.call("setFps", sid, fps);
  }
  /** Pauses or resumes a subscribed track without unsubscribing. */
  setEnabled(sid: string, enabled: boolean): Promise<void> {
    return this.call("setEnabled", sid, enabled);
  }
  setSubscribed(sid: string, subscribed: boolean): Promise<void> {
    return this.call("setSubscribed", sid, subscribed);
  }
  /** Subscribes to a video; resolves with how long its first picture took, ms. */
  timeToPicture(sid: string): Promise<number> {
    return this.call("timeToPicture", sid);
  }
  /** Sets the participant's own attributes. */
  setAttributes(attributes: Readonly<Record<string, string>>): Promise<void> {
    return this.call("setAttributes", attributes);
  }
  /** The selected pair of one connection; `undefined` before that connection exists. */
  transport(role: "publisher" | "subscriber"): Promise<TransportSnapshot | undefined> {
    return this.call("transport", role);
  }
  /** Videos that were paused for want of bandwidth, or went on, in order. */
  streamStates(): Promise<readonly { readonly sid: string; readonly state: string }[]> {
    return this.call("streamStates");
  }
  /** Asks for one of the SDK's test scenarios, as `force-tcp`. */
  simulate(scenario: string, arg?: unknown): Promise<void> {
    return this.call("simulate", scenario, ...(arg === undefined ? [] : [arg]));
  }
  /** @param sid of a local video track. */
  sentLayers(sid: string): Promise<readonly SentLayer[]> {
    return this.call("sentLayers", sid);
  }
  /** What webrtc-stats says of a local track's streams (`RTCOutboundRtpStreamStats`). */
  outbound(sid: string): Promise<readonly Readonly<Record<string, number>>[]> {
    return this.call("outbound", sid);
  }
  /** What it publishes with was negotiated by: its own description, and the server's. */
  publisherDescriptions(): Promise<readonly [own: string, theirs: string]> {
    return this.call("publisherDescriptions");
  }
  /** What webrtc-stats says of one received track (`RTCInboundRtpStreamStats`). */
  inbound(sid: string): Promise<Readonly<Record<string, number>>> {
    return this.call("inbound", sid);
  }
  /** Before `connect`: media goes to another UDP port instead of each one named, none by TCP. */
  reroute(ports: Readonly<Record<number, number>>): Promise<void> {
    return this.call("reroute", ports);
  }
  /** Notes when pictures of a subscribed video are shown, from now on. */
  watchPictures(sid: string): Promise<void> {
    return this.call("watchPictures", sid);
  }
  /** When they were, ms of the page. */
  shownPictures(sid: string): Promise<readonly number[]> {
    return this.call("shownPictures", sid);
  }
  /** Before `connect`: nothing of video is retransmitted to it, by RTX. */
  refuseRtx(): Promise<void> {
    return this.call("refuseRtx");
  }
  /** Since the start of `connect`, ms; absent before it happened. */
  timings(): Promise<{ connectedMs?: number; firstFrameMs?: number }> {
    return this.call("timings");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.disconnect().catch(() => {});
    await this.#page.close();
  }

  /** Calls a method of the page; see `client_page.js` and the scripts beside it. */
  async call<T>(method: string, ...args: readonly unknown[]): Promise<T> {
    const json = JSON.stringify(JSON.stringify(args));
    const outcome = await this.#page.evaluate(`callTestClient("${method}", ${json})`);
    const { value, error } = JSON.parse(String(outcome)) as { value: T; error?: string };
    if (error !== undefined) throw new Error(`${this.identity}.${method}: ${error}`);
    return value;
  }
}
