/**
 * What reaches a bucket that a request has named, as it stands on the disk: sealed.
 *
 * @module
 */
import type { TextSeal } from "../../transport/crypto/sealed_text.ts";
import { bucketUrl, type UploadTarget, whyNoTarget } from "../../recording/upload_target.ts";

/** It opens for uploads to that bucket alone. */
export function sealedTarget(target: UploadTarget, seal: TextSeal): string {
  return seal.seal(JSON.stringify(target), bucketUrl(target));
}

/**
 * Reads {@linkcode sealedTarget}.
 *
 * @param url Of the bucket.
 * @returns Why it cannot be used, in words, if it cannot.
 */
export function openedTarget(sealed: string, url: string, seal: TextSeal): UploadTarget | string {
  const opened = seal.open(sealed, url);
  if (!opened.ok) {
    return `what reaches its bucket cannot be opened (the API keys are others?): ${opened.why}`;
  }
  const { endpoint, region, bucket, pathStyle, accessKey, secret, sessionToken } = JSON.parse(
    opened.text,
  );
  const target = { endpoint, region, bucket, pathStyle, accessKey, secret, sessionToken };
  return whyNoTarget(target) ?? target;
}
