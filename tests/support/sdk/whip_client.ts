/**
 * A WHIP or WHEP client in a browser page: its own RTCPeerConnection, and `fetch` across origins. See
 * `client_page_whip.js`.
 *
 * @module
 */
import type { VideoGrant } from "livekit-server-sdk";
import type { BrowserClient } from "./browser_client.ts";

/** What it sends, and offers to receive. */
export interface WhipOptions {
  readonly video?: { readonly color: readonly [number, number, number] };
  readonly audio?: { readonly hz: number };
  /** Two layers. */
  readonly simulcast?: boolean;
  /** Their ids, the smaller one's first; LiveKit's by default. */
  readonly rids?: readonly [string, string];
  /** Of the sections it sends in; `sendonly` unless it says otherwise. */
  readonly direction?: "sendrecv" | "sendonly";
  /** One more section in which it receives for each. */
  readonly receive?: readonly ("audio" | "video")[];
  /** Label of a data channel of its own. */
  readonly channel?: string;
  /** Tracks it wants in its answer: identity → names. */
  readonly wanted?: Readonly<Record<string, readonly string[]>>;
  /** Puts its candidates into the offer. */
  readonly gather?: boolean;
  /** Path and query that it posts to; WHIP's by default. */
  readonly endpoint?: string;
}

/** The answer to its POST as a page of another origin sees it. */
export interface WhipOutcome {
  readonly status: number;
  readonly body: string;
  readonly location: string;
  readonly etag: string;
  readonly link: string;
  readonly type: string;
}

/** A track it receives. */
export interface WhipInbound {
  readonly kind: "audio" | "video";
  /** Of the track, from its stream's id. */
  readonly sid: string;
  readonly framesDecoded: number;
  readonly packetsReceived: number;
  readonly packetsLost: number;
  readonly frameHeight: number;
  readonly ssrc: number;
  /** As in `ReceivedMedia`. */
  readonly audioEnergy: number;
  readonly color?: readonly [number, number, number];
}

/** One WHIP client in its page. A refused request is a value with its status. */
export class WhipClient {
  readonly identity: string;

  constructor(
    readonly page: BrowserClient,
    /** `http://host:port` of the server. */
    readonly url: string,
    readonly token: (grant?: VideoGrant) => Promise<string>,
  ) {
    this.identity = page.identity;
  }

  /** Offers, posts, and takes the answer if there is one. */
  async join(options: WhipOptions, grant?: VideoGrant): Promise<WhipOutcome> {
    return await this.page.call("whipJoin", this.url, await this.token(grant), options);
  }

  /** Sends the candidates it has gathered; resolves with the status. */
  trickle(): Promise<number> {
    return this.page.call("whipTrickle");
  }

  /** Restarts ICE; resolves with the new entity tag. */
  restart(): Promise<string> {
    return this.page.call("whipRestart");
  }

  /** Asks WHEP for a layer; resolves with the status. */
  layer(wish: Readonly<Record<string, unknown>>): Promise<number> {
    return this.page.call("whipLayer", wish);
  }

  delete(): Promise<number> {
    return this.page.call("whipDelete");
  }

  /** Closes the peer connection without a word to the server's HTTP side. */
  closeConnection(): Promise<void> {
    return this.page.call("whipClose");
  }

  send(text: string): Promise<void> {
    return this.page.call("whipSend", text);
  }

  messages(): Promise<readonly string[]> {
    return this.page.call("whipMessages");
  }

  state(): Promise<{ connection: string; ice: string; channel: string }> {
    return this.page.call("whipState");
  }

  inbound(): Promise<readonly WhipInbound[]> {
    return this.page.call("whipInbound");
  }
}
