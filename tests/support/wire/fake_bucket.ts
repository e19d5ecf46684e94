/**
 * A stand-in for S3-compatible storage, in memory and behind `fetch`: buckets, objects and uploads
 * of several parts as the S3 API has them, signatures checked by a verifier of its own, and faults
 * at will. It is no S3 service: what real ones do was tried by hand (`docs/recording.md`).
 *
 * @module
 */
import assert from "node:assert/strict";
import { createHash, createHmac } from "node:crypto";

/** How the service is. */
export type BucketMood = "well" | "busy" | "silent" | "unreachable" | "gone";

/** One bucket, `rec`, at `https://storage.test`, by path. */
export class FakeBucket {
  /** `mark` is the metadata that this project writes. */
  readonly objects = new Map<
    string,
    { bytes: Uint8Array; type: string; at?: string; mark?: string }
  >();
  readonly uploads = new Map<
    string,
    { key: string; parts: Map<number, Uint8Array>; mark?: string }
  >();
  /** `PUT a/b.webm?partNumber=2`, in order. */
  readonly requests: string[] = [];
  mood: BucketMood = "well";
  /** A bucket of another name that does not answer. */
  silent = "";
  /** Wants these; whoever signs by others is refused. */
  credentials = { accessKey: "AKIDTEST", secret: "top-secret/+=", sessionToken: "" };
  /** The answer to the first such request is lost although it was carried out. */
  losesAnswerTo = "";
  /** The first such request is carried out, and never answered. */
  swallows = "";
  /** Forgets metadata. */
  hasNoMetadata = false;
  /** Whoever signs may write, and not look. */
  isHidden = false;
  /** Called with each request before it is carried out. */
  asked: (line: string) => void = () => {};
  /** Refuses requests for new objects alone, as older services do. */
  hasNoConditions = false;
  #lastId = 0;

  readonly fetch = async (url: string, init: RequestInit): Promise<Response> => {
    const { method = "GET", body, signal } = init;
    const bytes = body === undefined ? new Uint8Array(0) : body as Uint8Array;
    const { pathname, searchParams, search } = new URL(url);
    const key = decodeURIComponent(pathname.replace(/^\/rec\/?/, ""));
    const line = `${method} ${key}${search.replace(/&?uploadId=[^&]*/, "")}`;
    this.requests.push(line);
    if (this.mood === "unreachable") throw new TypeError("connection refused");
    const isSilent = this.silent !== "" && pathname.startsWith(`/${this.silent}/`);
    if (this.mood === "silent" || isSilent) return await silence(signal!);
    if (this.mood === "busy") return error(503, "SlowDown");
    if (this.mood === "gone") return error(404, "NoSuchBucket");
    this.asked(line);
    const hasCondition = new Headers(init.headers).has("if-none-match");
    if (hasCondition && this.hasNoConditions) return error(501, "NotImplemented");
    const refused = this.#whyNot(method, url, new Headers(init.headers), bytes);
    const answer = refused ?? await this.#answer(method, key, searchParams, init, bytes);
    if (line === this.swallows) {
      this.swallows = "";
      return await silence(signal!);
    }
    if (line !== this.losesAnswerTo) return answer;
    this.losesAnswerTo = "";
    throw new TypeError("connection reset");
  };

  text(key: string): string {
    return new TextDecoder().decode(this.objects.get(key)?.bytes);
  }

  #answer(
    method: string,
    key: string,
    query: URLSearchParams,
    init: RequestInit,
    bytes: Uint8Array,
  ): Response {
    const headers = new Headers(init.headers);
    const type = headers.get("content-type") ?? "";
    const mark = this.hasNoMetadata ? "" : headers.get("x-amz-meta-roomwire-upload") ?? "";
    const id = query.get("uploadId") ?? "";
    const upload = this.uploads.get(id);
    if (query.has("uploads")) {
      return method === "POST" ? this.#begin(key, mark) : this.#list(query.get("prefix") ?? "");
    }
    if (id !== "" && upload?.key !== key) return error(404, "NoSuchUpload");
    if (method === "HEAD") {
      return this.isHidden ? new Response(null, { status: 403 }) : this.#head(key);
    }
    if (query.get("list-type") === "2") return this.#listObjects(query);
    if (method === "GET") return this.#get(key, headers);
    const isTaken = headers.get("if-none-match") === "*" && this.objects.has(key);
    if (upload === undefined) {
      assert.equal(method, "PUT");
      if (isTaken) return error(412, "PreconditionFailed");
      this.objects.set(key, { bytes: bytes.slice(), type, mark });
      return new Response(null, { headers: { etag: '"whole"' } });
    }
    if (method === "DELETE") {
      this.uploads.delete(id);
      return new Response(null, { status: 204 });
    }
    if (method === "POST" && isTaken) return error(412, "PreconditionFailed");
    if (method === "POST") return this.#complete(id, key, new TextDecoder().decode(bytes));
    const number = Number(query.get("partNumber"));
    assert.ok(number >= 1 && number <= 10_000);
    upload.parts.set(number, bytes.slice());
    return new Response(null, { headers: { etag: tagOf(bytes) } });
  }

  #begin(key: string, mark: string): Response {
    const id = `up&load<${++this.#lastId}>`;
    this.uploads.set(id, { key, parts: new Map(), mark });
    return xml(`<InitiateMultipartUploadResult><UploadId>${escaped(id)}</UploadId>`);
  }

  #list(prefix: string): Response {
    const all = [...this.uploads].filter(([, { key }]) => key.startsWith(prefix));
    return xml(
      all.map(([id, { key }]) =>
        `<Upload><Key>${escaped(key)}</Key><UploadId>${escaped(id)}</UploadId></Upload>`
      ).join(""),
    );
  }

  #head(key: string): Response {
    const object = this.objects.get(key);
    if (object === undefined) return new Response(null, { status: 404 });
    const { bytes, mark = "" } = object;
    const headers = { "content-length": `${bytes.length}`, etag: tagOf(bytes) };
    const metadata = mark === "" ? {} : { "x-amz-meta-roomwire-upload": mark };
    return new Response(null, { headers: { ...headers, ...metadata } });
  }

  #get(key: string, headers: Headers): Response {
    const object = this.objects.get(key);
    if (object === undefined) return error(404, "NoSuchKey");
    const wanted = headers.get("if-match");
    if (wanted !== null && wanted !== tagOf(object.bytes)) return error(412, "PreconditionFailed");
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.get("range") ?? "") ?? [];
    if (to === undefined) return new Response(object.bytes.slice());
    return new Response(object.bytes.slice(Number(from), Number(to) + 1), { status: 206 });
  }

  /** Three at a time, so that whoever lists has to go on. */
  #listObjects(query: URLSearchParams): Response {
    const after = query.get("continuation-token") ?? "";
    const keys = [...this.objects.keys()].sort()
      .filter((key) => key.startsWith(query.get("prefix") ?? "") && key > after);
    const page = keys.slice(0, 3);
    const entries = page.map((key) => {
      const at = this.objects.get(key)!.at ?? "2026-11-29T12:00:00.000Z";
      return `<Contents><Key>${escaped(key)}</Key><LastModified>${at}</LastModified></Contents>`;
    });
    const next = keys.length > page.length
      ? `<NextContinuationToken>${escaped(page.at(-1)!)}</NextContinuationToken>`
      : "";
    return xml(`<ListBucketResult>${entries.join("")}${next}</ListBucketResult>`);
  }

  #complete(id: string, key: string, body: string): Response {
    const { parts, mark = "" } = this.uploads.get(id)!;
    const wanted = [...body.matchAll(/<PartNumber>(\d+)<\/PartNumber><ETag>([^<]*)<\/ETag>/g)];
    const bytes: number[] = [];
    for (const [, number, tag] of wanted) {
      const part = parts.get(Number(number));
      if (part === undefined || escaped(tagOf(part)) !== tag) return error(400, "InvalidPart");
      bytes.push(...part);
    }
    this.uploads.delete(id);
    this.objects.set(key, { bytes: Uint8Array.from(bytes), type: "", mark });
    return xml("<CompleteMultipartUploadResult/>");
  }

  /** Signature Version 4, read from its description and not from what signs here. */
  #whyNot(method: string, url: string, headers: Headers, body: Uint8Array): Response | undefined {
    const { accessKey, secret, sessionToken } = this.credentials;
    const given = headers.get("authorization") ?? "";
    const [, id, day, region, names, signature] =
      /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d+)\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)$/
        .exec(given) ?? [];
    if (id !== accessKey) return error(403, "InvalidAccessKeyId");
    if ((headers.get("x-amz-security-token") ?? "") !== sessionToken) {
      return error(400, "InvalidToken");
    }
    const bodyHash = createHash("sha256").update(body).digest("hex");
    assert.equal(headers.get("x-amz-content-sha256"), bodyHash);
    const { pathname, host, searchParams } = new URL(url);
    const query = [...searchParams].map(([name, value]) => `${strict(name)}=${strict(value)}`)
      .sort();
    const signed = names!.split(";").map((name) =>
      `${name}:${name === "host" ? host : headers.get(name)}\n`
    );
    const canonical = [method, pathname, query.join("&"), signed.join(""), names, bodyHash];
    const hash = createHash("sha256").update(canonical.join("\n")).digest("hex");
    const time = headers.get("x-amz-date")!;
    const scope = `${day}/${region}/s3/aws4_request`;
    const key = [day!, region!, "s3", "aws4_request"].reduce<Uint8Array | string>(
      (before, text) => createHmac("sha256", before).update(text).digest(),
      `AWS4${secret}`,
    );
    const text = ["AWS4-HMAC-SHA256", time, scope, hash].join("\n");
    const expected = createHmac("sha256", key).update(text).digest("hex");
    return expected === signature ? undefined : error(403, "SignatureDoesNotMatch");
  }
}

function strict(text: string): string {
  const sign = (one: string) => `%${one.charCodeAt(0).toString(16).toUpperCase()}`;
  return encodeURIComponent(text).replace(/[!'()*]/g, sign);
}

function tagOf(bytes: Uint8Array): string {
  return `"${createHash("md5").update(bytes).digest("hex")}"`;
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")
    .replaceAll('"', "&quot;");
}

function xml(body: string): Response {
  return new Response(`<?xml version="1.0"?>${body}`);
}

function error(status: number, code: string): Response {
  return new Response(`<Error><Code>${code}</Code><Resource>/rec</Resource></Error>`, { status });
}

function silence(signal: AbortSignal): Promise<Response> {
  return new Promise((_, reject) => {
    const abort = () => reject(new DOMException("aborted", "AbortError"));
    if (signal.aborted) abort();
    else signal.addEventListener("abort", abort);
  });
}
