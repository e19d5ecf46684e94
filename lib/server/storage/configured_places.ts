/**
 * Where recordings go, by the configuration (`recording`).
 *
 * @module
 */
import { SfuError } from "../../base/errors.ts";
import type { Platform } from "../../base/platform.ts";
import { leadsOutside } from "../../recording/recording_name.ts";
import { whyNoTarget } from "../../recording/upload_target.ts";
import { TextSeal } from "../../transport/crypto/sealed_text.ts";
import type { Config } from "../config/config_parsing.ts";
import { keyMaterial } from "../config/key_material.ts";
import { unusablePath } from "../config/unusable_path.ts";
import { BucketArchive } from "./bucket_archive.ts";
import { RecordingComposer } from "./recording_composer.ts";
import { RecordingDirectory } from "./recording_directory.ts";
import { folderPrefix, RecordingPlaces, type UploadSettings } from "./recording_places.ts";
import { S3Client } from "./s3_client.ts";

/**
 * Places that are not open yet.
 *
 * @throws {SfuError} `invalid_config` if uploads make no sense.
 */
export function recordingPlaces(config: Config, platform: Platform): RecordingPlaces {
  const { directory: folder, retention } = config.recording;
  const rules = { maxAgeMs: retention.max_age, maxBytes: retention.max_size };
  const directory = new RecordingDirectory(folder, rules, platform);
  const seal = new TextSeal(keyMaterial(config.keys), "uploads", platform.random);
  return new RecordingPlaces(directory, uploadSettings(config), platform, fetch, seal);
}

/** S3 takes no smaller part but the last; one that is being sent is in memory. */
const PART_SIZE = { min: 5 * 1024 * 1024, max: 256 * 1024 * 1024 } as const;

function uploadSettings({ recording: { storage, retention } }: Config): UploadSettings {
  const { prefix, s3, part_size: partSize, spool_size, patience, request_hosts } = storage;
  if (partSize < PART_SIZE.min || partSize > PART_SIZE.max) {
    const bounds = `${PART_SIZE.min} to ${PART_SIZE.max}`;
    throw new SfuError("invalid_config", `recording.storage.part_size: expected ${bounds}`);
  }
  if (leadsOutside(prefix)) {
    throw new SfuError("invalid_config", "recording.storage.prefix: expected a path without ..");
  }
  const target = {
    endpoint: s3.endpoint,
    region: s3.region,
    bucket: s3.bucket,
    pathStyle: s3.force_path_style,
    accessKey: s3.access_key,
    secret: s3.secret,
    sessionToken: s3.session_token,
  };
  const isUsed = [s3.bucket, s3.endpoint, s3.access_key, s3.secret].some((text) => text !== "");
  const why = isUsed ? whyNoTarget(target) : undefined;
  if (why !== undefined) throw new SfuError("invalid_config", `recording.storage.s3: ${why}`);
  return {
    ...(isUsed ? { target } : {}),
    prefix,
    partSize,
    spoolBytes: spool_size,
    patienceMs: patience,
    maxAgeMs: retention.max_age,
    requestHosts: request_hosts,
  };
}

/** Recordings of the bucket, as they are watched; `undefined` without a bucket. */
export function bucketArchive(config: Config, platform: Platform): BucketArchive | undefined {
  const { target, prefix } = uploadSettings(config);
  if (target === undefined) return undefined;
  const client = new S3Client(target, { platform, fetch });
  return new BucketArchive(client, folderPrefix(prefix), platform.timers);
}

/** @throws {SfuError} `invalid_config` if the folder cannot be used. */
export function openPlaces(storage: RecordingPlaces, directory: string): void {
  try {
    storage.prepare();
  } catch (error) {
    throw unusablePath("recording.directory", [directory], error);
  }
}

/** Composes, where the operator wants it; files in a bucket are not here to be composed. */
export function recordingComposer(
  { recording: { compose, directory, storage } }: Config,
  platform: Platform,
): RecordingComposer | undefined {
  if (!compose || storage.s3.bucket !== "") return undefined;
  return new RecordingComposer(directory, platform);
}
