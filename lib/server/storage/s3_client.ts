/**
 * Objects of one bucket by the S3 API (2006-03-01), signed by Signature Version 4. Each call is one
 * request; whoever makes it decides whether a failure is tried again.
 *
 * What a service answers is read up to a bound, and nothing of it is passed on but names of errors.
 *
 * @module
 */
import type { Platform } from "../../base/platform.ts";
import { joinBytes } from "../../base/joined_bytes.ts";
import { StorageFailure } from "./storage_failure.ts";
import { bucketUrl, objectUrl, type UploadTarget } from "../../recording/upload_target.ts";

/** A request without much to carry is answered by then, ms. */
const ANSWER_MS = 30_000;
/** And so much longer for each byte of it, ms: 64 kB a second. */
const MS_PER_BYTE = 1 / 64;
/** Bytes of an answer that are read: the parts of an upload are never listed. */
const MOST_ANSWER = 256 * 1024;

/** Objects of one answer of a listing, so that it fits. */
const LISTED = 200;
/** Answers of one listing are so many times as many as it takes if all are full. */
const LISTED_TIMES = 2;

const EMPTY: Uint8Array<ArrayBuffer> = new Uint8Array(0);

/** What an upload is called in the metadata of its object. */
const MARK_HEADER = "x-amz-meta-roomwire-upload";

/** The code of what was waited for in vain. */
export const GIVEN_UP = "GivenUp";

/** What came of a request that did not do what it was to. */
export class S3Failure extends StorageFailure {
  /**
   * @param code As S3 calls it, or `Network`, `Timeout`, or the number of the status.
   * @param isPassing It may be otherwise in a while.
   * @param message In words for people, without secrets and addresses.
   */
  constructor(readonly code: string, readonly isPassing: boolean, message: string) {
    super(message);
  }

  /** It has not passed for as long as somebody would wait. */
  get isGivenUp(): boolean {
    return this.code === GIVEN_UP;
  }
}

/** One request. */
interface Call {
  readonly method: "GET" | "PUT" | "POST" | "DELETE" | "HEAD";
  readonly url: string;
  readonly body?: Uint8Array<ArrayBuffer>;
  readonly type?: string;
  /** Bytes of it, `[from, to)`, of the object that has this tag. */
  readonly part?: { readonly from: number; readonly to: number; readonly tag: string };
  /** Refused if there is such an object (`If-None-Match`, RFC 9110 §13.1.2). */
  readonly isNew?: boolean;
  /** See {@linkcode NewObject}. */
  readonly mark?: string;
}

/** What is said of an object that is written. */
export interface NewObject {
  /** Media type. */
  readonly type: string;
  /** By which whoever has written it knows it again: {@linkcode ObjectFacts} has it. */
  readonly mark: string;
}

/** What is needed besides a bucket. */
export interface S3Ports {
  readonly platform: Pick<Platform, "clock" | "timers">;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly text: string;
}

/** An object that is there. */
export interface ObjectFacts {
  /** Bytes. */
  readonly size: number;
  /** Another one if the bytes are others. */
  readonly tag: string;
  /** What it was marked by; empty if by nothing, or by a service that keeps no metadata. */
  readonly mark: string;
}

/** An object of a listing. */
export interface ListedObject {
  readonly key: string;
  /** Of its last change, ISO 8601, as the service says it. */
  readonly at: string;
}

/** Whether a request failed because there is such an object. */
export function isTaken(error: unknown): boolean {
  return error instanceof S3Failure && /^(?:PreconditionFailed|412)$/.test(error.code);
}

/** One bucket. All calls reject with {@linkcode S3Failure}. */
export class S3Client {
  /** The service does not know what a new object is. */
  #hasNoConditions = false;

  constructor(readonly target: UploadTarget, readonly ports: S3Ports) {}

  /**
   * What is known of an object; `undefined` if it is not there, or if nobody may look, which
   * services say instead of telling that it is not.
   */
  async facts(key: string): Promise<ObjectFacts | undefined> {
    const found = await this.look(key);
    return typeof found === "string" ? undefined : found;
  }

  /** The same, told apart: `hidden` may be there or not. */
  async look(key: string): Promise<ObjectFacts | "missing" | "hidden"> {
    try {
      const { headers } = await this.#send({ method: "HEAD", url: objectUrl(this.target, key) });
      const size = Number(headers.get("content-length") ?? 0);
      return { size, tag: headers.get("etag") ?? "", mark: headers.get(MARK_HEADER) ?? "" };
    } catch (error) {
      // Without a body there is no name for what is wrong; the next request tells.
      if (!(error instanceof S3Failure) || error.isPassing) throw error;
      return error.code === "404" ? "missing" : "hidden";
    }
  }

  /** @param isNew It fails (see {@linkcode isTaken}) if there is such an object. */
  async put(
    key: string,
    body: Uint8Array<ArrayBuffer>,
    object: NewObject,
    isNew = false,
  ): Promise<void> {
    const url = objectUrl(this.target, key);
    const call = { method: "PUT", url, body, ...object } as const;
    await this.#sendNew(call, isNew);
  }

  /**
   * Bytes `[from, to)` of an object, as many as fit into memory. Fails if it is another one by now.
   *
   * @param tag As {@linkcode ObjectFacts} has it.
   */
  async read(
    key: string,
    from: number,
    to: number,
    tag: string,
  ): Promise<Uint8Array<ArrayBuffer>> {
    const url = objectUrl(this.target, key);
    const part = { from, to, tag };
    const { status, bytes } = await this.#send({ method: "GET", url, part }, to - from);
    if (status !== 206 || bytes.length !== to - from) throw senseless();
    return bytes;
  }

  /**
   * Objects whose keys begin so, in the order of their keys: `most` of them, about; fewer from a
   * service whose answers hold next to nothing.
   */
  async list(prefix: string, most: number): Promise<ListedObject[]> {
    const found: ListedObject[] = [];
    let token = "";
    let left = Math.ceil(most / LISTED) * LISTED_TIMES;
    do {
      const query = new URLSearchParams({ "list-type": "2", "max-keys": String(LISTED), prefix });
      if (token !== "") query.set("continuation-token", token);
      // Signatures are of %20.
      const words = query.toString().replaceAll("+", "%20");
      const url = `${bucketUrl(this.target)}/?${words}`;
      const { text } = await this.#send({ method: "GET", url });
      for (const entry of elements(text, "Contents")) {
        const [key] = texts(entry, "Key");
        const [at = ""] = texts(entry, "LastModified");
        if (key?.startsWith(prefix)) found.push({ key, at });
      }
      token = texts(text, "NextContinuationToken")[0] ?? "";
    } while (token !== "" && found.length < most && --left > 0);
    return found;
  }

  /** Begins an object of several parts. @returns The id of the upload. */
  async begin(key: string, object: NewObject): Promise<string> {
    const url = `${objectUrl(this.target, key)}?uploads=`;
    const { text } = await this.#send({ method: "POST", url, ...object });
    const [id] = texts(text, "UploadId");
    if (id === undefined || id.length > 4_096) throw senseless();
    return id;
  }

  /** @param number From 1 on. @returns What the part is called when the object is completed. */
  async putPart(
    key: string,
    uploadId: string,
    number: number,
    body: Uint8Array<ArrayBuffer>,
  ): Promise<string> {
    const query = `partNumber=${number}&uploadId=${encodeURIComponent(uploadId)}`;
    const url = `${objectUrl(this.target, key)}?${query}`;
    const { headers } = await this.#send({ method: "PUT", url, body });
    const tag = headers.get("etag");
    if (tag === null || tag.length > 1_024) throw senseless();
    return tag;
  }

  /**
   * Ends an upload of parts.
   *
   * @param tags Of all parts, in their order.
   * @param isNew As for {@linkcode S3Client.put}.
   */
  async complete(
    key: string,
    uploadId: string,
    tags: readonly string[],
    isNew: boolean,
  ): Promise<void> {
    const url = `${objectUrl(this.target, key)}?uploadId=${encodeURIComponent(uploadId)}`;
    const parts = tags.map((tag, at) =>
      `<Part><PartNumber>${at + 1}</PartNumber><ETag>${escaped(tag)}</ETag></Part>`
    );
    const body = `<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`;
    const bytes = new TextEncoder().encode(body);
    const call = { method: "POST", url, body: bytes, type: "text/xml" } as const;
    const { text } = await this.#sendNew(call, isNew);
    // It may begin with 200 and come to something else.
    const [code] = elements(text, "Code");
    if (code !== undefined) throw failureOf(200, code, "");
  }

  async abort(key: string, uploadId: string): Promise<void> {
    const url = `${objectUrl(this.target, key)}?uploadId=${encodeURIComponent(uploadId)}`;
    await this.#send({ method: "DELETE", url });
  }

  /** Ids of uploads of this very object that nobody has completed. */
  async uploads(key: string): Promise<string[]> {
    const url = `${bucketUrl(this.target)}/?uploads=&prefix=${encodeURIComponent(key)}`;
    const { text } = await this.#send({ method: "GET", url });
    return elements(text, "Upload").flatMap((upload) =>
      texts(upload, "Key")[0] === key ? texts(upload, "UploadId") : []
    );
  }

  /** There are services that refuse what they do not know, and others that pass it over. */
  async #sendNew(call: Call, isNew: boolean): Promise<Answer> {
    const hasCondition = isNew && !this.#hasNoConditions;
    try {
      return await this.#send({ ...call, isNew: hasCondition });
    } catch (error) {
      const isUnknown = error instanceof S3Failure && /^(?:NotImplemented|501)$/.test(error.code);
      if (!hasCondition || !isUnknown) throw error;
      this.#hasNoConditions = true;
      return await this.#send(call);
    }
  }

  /** @param most Bytes of an answer that goes well. */
  async #send(call: Call, most = MOST_ANSWER): Promise<Answer> {
    const { timers } = this.ports.platform;
    const { body = EMPTY } = call;
    const abort = new AbortController();
    const cancel = timers.after(ANSWER_MS + body.length * MS_PER_BYTE, () => abort.abort());
    try {
      const response = await this.#fetch(call, body, abort.signal);
      const { ok, status, headers } = response;
      const bytes = await readBytes(response, ok ? most : MOST_ANSWER);
      const text = call.part === undefined || !ok ? new TextDecoder().decode(bytes) : "";
      if (ok) return { status, headers, bytes, text };
      const [code = String(response.status)] = elements(text, "Code");
      throw failureOf(response.status, code, response.headers.get("x-amz-bucket-region") ?? "");
    } catch (error) {
      if (error instanceof S3Failure) throw error;
      if (abort.signal.aborted) throw new S3Failure("Timeout", true, "the storage does not answer");
      throw new S3Failure("Network", true, "the storage cannot be reached");
    } finally {
      cancel();
    }
  }

  async #fetch(
    { method, url, type, part, isNew = false, mark }: Call,
    body: Uint8Array<ArrayBuffer>,
    signal: AbortSignal,
  ): Promise<Response> {
    const { accessKey, secret, sessionToken, region } = this.target;
    // Most servers upload nothing: what signs is loaded by the first that does.
    const { AwsV4Signer } = await import("aws4fetch");
    const signer = new AwsV4Signer({
      method,
      url,
      headers: {
        "x-amz-content-sha256": await sha256(body),
        ...(type === undefined ? {} : { "content-type": type }),
        ...(isNew ? { "if-none-match": "*" } : {}),
        ...(mark === undefined ? {} : { [MARK_HEADER]: mark }),
        ...(part === undefined ? {} : { "range": `bytes=${part.from}-${part.to - 1}` }),
        // Services that have no tags have nothing to compare.
        ...(part === undefined || part.tag === "" ? {} : { "if-match": part.tag }),
      },
      accessKeyId: accessKey,
      secretAccessKey: secret,
      ...(sessionToken === "" ? {} : { sessionToken }),
      service: "s3",
      region,
      datetime: compactTime(this.ports.platform.clock.wallMs()),
    });
    const { headers } = await signer.sign();
    const hasBody = method === "PUT" || method === "POST";
    return await this.ports.fetch(url, {
      method,
      headers,
      signal,
      // Whoever answers may not send what is signed for it to somebody else.
      redirect: "manual",
      ...(hasBody ? { body } : {}),
    });
  }
}

async function sha256(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}

/** `20261129T150405Z`. */
function compactTime(ms: number): string {
  return new Date(ms).toISOString().replace(/\.\d+|[-:]/g, "");
}

/** What stands in elements of that name, which hold none of the same name, in their order. */
function elements(xml: string, name: string): string[] {
  const found: string[] = [];
  for (let at = 0;;) {
    const from = xml.indexOf(`<${name}>`, at);
    const to = from < 0 ? -1 : xml.indexOf(`</${name}>`, from);
    if (to < 0) return found;
    found.push(xml.slice(from + name.length + 2, to));
    at = to;
  }
}

/** The same of elements that hold nothing but text. */
function texts(xml: string, name: string): string[] {
  return elements(xml, name).map(unescaped);
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#34;": '"',
  "&apos;": "'",
  "&#39;": "'",
  "&amp;": "&",
};

function unescaped(text: string): string {
  return text.replace(/&(?:lt|gt|quot|#34|apos|#39|amp);/g, (entity) => ENTITIES[entity]!);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}

async function readBytes(response: Response, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const bytes of response.body ?? []) {
    length += bytes.length;
    if (length > most) throw senseless();
    pieces.push(bytes);
  }
  return joinBytes(pieces);
}

function senseless(): S3Failure {
  return new S3Failure("Senseless", false, "what answers is no S3 service");
}

/** What people can do something with; other errors are told by their names. */
const WORDS: Readonly<Record<string, string>> = {
  NoSuchBucket: "the bucket is not there",
  NoSuchUpload: "the storage has given the upload up",
  AccessDenied: "the storage does not permit it",
  AllAccessDisabled: "the storage does not permit it",
  InvalidAccessKeyId: "the storage does not know the access key",
  SignatureDoesNotMatch: "the secret of the access key is wrong",
  InvalidToken: "the session token is wrong",
  ExpiredToken: "the session token has expired",
  TokenRefreshRequired: "the session token has expired",
  RequestTimeTooSkewed: "the clock of this server is wrong",
  QuotaExceeded: "the bucket is full",
  XMinioStorageFull: "the storage is full",
  PermanentRedirect: "the bucket is in another region",
  AuthorizationHeaderMalformed: "the bucket is in another region",
  IllegalLocationConstraintException: "the bucket is in another region",
  EntityTooLarge: "the file is too large for the storage",
  PreconditionFailed: "another server has taken the name meanwhile",
};
/** Those that are gone in a while, by S3's word. */
const PASSING = new Set([
  "SlowDown",
  "Busy",
  "RequestTimeout",
  "InternalError",
  "ServiceUnavailable",
  "OperationAborted",
  "ConditionalRequestConflict",
  "Throttling",
  "ThrottlingException",
  "RequestLimitExceeded",
]);

function failureOf(status: number, named: string, region: string): S3Failure {
  const code = /^[A-Za-z0-9]{1,64}$/.test(named) ? named : String(status);
  const isPassing = PASSING.has(code) || status >= 500 && status !== 501 && status !== 507 ||
    status === 429 ||
    status === 408;
  if (status >= 300 && status < 400) {
    const where = /^[a-z0-9-]{1,64}$/.test(region) ? ` (${region})` : "";
    return new S3Failure(code, false, `${WORDS["PermanentRedirect"]}${where}`);
  }
  const said = Object.hasOwn(WORDS, code) ? WORDS[code]! : `the storage refused it (${code})`;
  return new S3Failure(code, isPassing, said);
}
