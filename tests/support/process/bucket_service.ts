/**
 * The stand-in for S3-compatible storage over HTTP, for servers that are processes.
 *
 * @module
 */
import { FakeBucket } from "../wire/fake_bucket.ts";

/** What a server is configured with. */
export interface BucketSettings {
  readonly endpoint: string;
  readonly bucket: string;
  readonly access_key: string;
  readonly secret: string;
  readonly force_path_style: true;
}

/** The stand-in, at a port of its own. */
export class BucketService implements AsyncDisposable {
  readonly bucket = new FakeBucket();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    this.#server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen() {} }, (request) => {
      return this.#answer(request);
    });
  }

  get settings(): BucketSettings {
    const { accessKey, secret } = this.bucket.credentials;
    return {
      endpoint: `http://127.0.0.1:${this.#server.addr.port}`,
      bucket: "rec",
      access_key: accessKey,
      secret,
      force_path_style: true,
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  async #answer(request: Request): Promise<Response> {
    const { method, url, headers } = request;
    const { signal } = new AbortController();
    const body = new Uint8Array(await request.arrayBuffer());
    try {
      return await this.bucket.fetch(url, { method, headers, signal, body });
    } catch {
      return new Response("the stand-in is away", { status: 502 });
    }
  }
}
