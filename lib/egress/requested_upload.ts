/**
 * Where a request wants its recording uploaded to, if it says.
 *
 * @module
 */
import { S3Upload } from "@livekit/protocol";
import { AdminFailure } from "../admin/admin_failure.ts";
import { type UploadTarget, whyNoTarget } from "../recording/upload_target.ts";

/** `output` of a file, or `provider` of a storage. */
export interface UploadRequest {
  readonly case?: string | undefined;
  readonly value?: unknown;
}

/** What is asked for, and what of that is not done. */
export interface RequestedUpload {
  /** Absent: wherever this server keeps recordings. */
  readonly target?: UploadTarget;
  /** For people; empty if nothing is left out. */
  readonly note: string;
}

const DEFAULT_REGION = "us-east-1";

const PROVIDERS: Readonly<Record<string, string>> = {
  gcp: "Google Cloud Storage by its own API (it has an S3-compatible one)",
  azure: "Azure Blob Storage",
  aliOSS: "Alibaba Cloud OSS by its own API (it has an S3-compatible one)",
};

/** Reads it, or says why it cannot be. */
export function requestedUpload(
  request: UploadRequest | undefined,
): RequestedUpload | AdminFailure {
  if (request?.case === undefined) return { note: "" };
  const { value } = request;
  if (!(value instanceof S3Upload)) {
    const provider = PROVIDERS[request.case] ?? "that storage";
    return unsupported(`uploads to ${provider}: S3-compatible storage is what it knows`);
  }
  if (value.assumeRoleArn !== "") return unsupported("uploads by an assumed role");
  if (value.proxy !== undefined) return unsupported("uploads through a proxy");
  const target: UploadTarget = {
    endpoint: withScheme(value.endpoint),
    region: value.region === "" ? DEFAULT_REGION : value.region,
    bucket: value.bucket,
    pathStyle: value.forcePathStyle,
    accessKey: value.accessKey,
    secret: value.secret,
    sessionToken: value.sessionToken,
  };
  const why = whyNoTarget(target);
  if (why !== undefined) return new AdminFailure("invalid_argument", `s3: ${why}`);
  const hasMore = Object.keys(value.metadata).length > 0 || value.tagging !== "" ||
    value.contentDisposition !== "";
  return { target, note: hasMore ? "metadata, tags and disposition of uploads are not set" : "" };
}

/** `storage.example.com` as `https://storage.example.com`, as LiveKit takes both. */
function withScheme(endpoint: string): string {
  return endpoint === "" || endpoint.includes("://") ? endpoint : `https://${endpoint}`;
}

function unsupported(what: string): AdminFailure {
  return new AdminFailure("unimplemented", `this server does not make ${what}`);
}
