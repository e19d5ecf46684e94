/**
 * Streams, remote procedure calls and data tracks of a {@linkcode BrowserClient}.
 *
 * @module
 */
import type { BrowserClient } from "./browser_client.ts";

/** What came, in the order it was complete. */
export interface HeardData {
  readonly texts: readonly { readonly from: string; readonly text: string }[];
  readonly files: readonly {
    readonly from: string;
    readonly name: string;
    readonly size: number;
    /** Of all bytes. */
    readonly sum: number;
  }[];
  /** Of data tracks, which may lose some. */
  readonly frames: readonly {
    readonly from: string;
    readonly name: string;
    readonly text: string;
  }[];
}

/**
 * Data functions of a connected {@linkcode BrowserClient}; each resolves when the client's SDK says
 * so, and rejects with its error.
 */
export class DataClient {
  private constructor(readonly client: BrowserClient) {}

  /**
   * Takes part: text on the topic "chat", files on "files", the method "greet", all data tracks.
   */
  static async of(client: BrowserClient): Promise<DataClient> {
    await client.call("listenForData");
    return new DataClient(client);
  }

  sendText(text: string, to?: readonly string[]): Promise<void> {
    return this.client.call("sendText", text, ...(to === undefined ? [] : [to]));
  }
  /** @returns the sum of its bytes. */
  sendFile(name: string, size: number): Promise<number> {
    return this.client.call("sendFile", name, size);
  }
  /** "greet" answers with the payload and the caller's identity. */
  performRpc(identity: string, method: string, payload: string): Promise<string> {
    return this.client.call("performRpc", identity, method, payload);
  }
  publishDataTrack(name: string): Promise<void> {
    return this.client.call("publishDataTrack", name);
  }
  /** Sends one frame of an own data track. */
  pushFrame(name: string, text: string): Promise<void> {
    return this.client.call("pushFrame", name, text);
  }
  unpublishDataTrack(name: string): Promise<void> {
    return this.client.call("unpublishDataTrack", name);
  }
  heard(): Promise<HeardData> {
    return this.client.call("heardData");
  }
}
