/**
 * Where recordings can be watched, and links to one of them each until they expire: nothing is kept
 * of those, and none can be made without the server's secret.
 *
 * @module
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { ApiKeys } from "../signalling/access_token.ts";
import type { Platform } from "../base/platform.ts";
import type { RecordingArchive, ReplayLinks, ReplayRouteOptions } from "../../routes/replay.ts";
import type { Config } from "./config/config_parsing.ts";
import { DirectoryArchive, LateArchive, SeveralArchives } from "./storage/recording_archive.ts";

/** No other signature of these secrets is one of a link. */
const PURPOSE = "roomwire replay link 1";
const BASE64 = { alphabet: "base64url", omitPadding: true } as const;
const LINK = /^(\d{1,12})\.([\w-]{43})$/;

/** Whether recordings are shown: in development, and wherever `recording.replay` says so. */
export function servesReplay({ recording: { directory, replay }, development }: Config): boolean {
  return directory !== "" && (replay ?? development);
}

/** What `/replay` is made with; absent where recordings are not made, or not shown. */
export function replayOptions(
  config: Config,
  keys: ApiKeys,
  bodies: ReplayRouteOptions["bodies"],
  platform: Platform,
): ReplayRouteOptions | undefined {
  if (!servesReplay(config)) return undefined;
  const archive = recordingArchive(config, platform);
  const { clock } = platform;
  return { archive, links: replayLinks(keys), isOpen: config.development, bodies, clock };
}

/** What is in the folder, and in the bucket if there is one. */
function recordingArchive(config: Config, platform: Platform): RecordingArchive {
  const folder = new DirectoryArchive(config.recording.directory);
  if (config.recording.storage.s3.bucket === "") return folder;
  const bucket = new LateArchive(async () => {
    const { bucketArchive } = await import("./storage/configured_places.ts");
    return bucketArchive(config, platform)!;
  });
  return new SeveralArchives([folder, bucket]);
}

/** Signs with the first key, and takes links of any that is configured. */
export function replayLinks(keys: ApiKeys): ReplayLinks {
  const secrets = [...keys.values()];
  return {
    sign: (egressId, expiresAtMs) => {
      const expiresS = Math.floor(expiresAtMs / 1_000);
      return `${expiresS}.${signature(secrets[0]!, egressId, expiresS).toBase64(BASE64)}`;
    },
    opens: (link, egressId, nowMs) => {
      const [, expires, signed] = LINK.exec(link) ?? [];
      if (signed === undefined || Number(expires) * 1_000 <= nowMs) return false;
      const given = Uint8Array.fromBase64(signed, BASE64);
      return secrets.some((secret) => {
        const wanted = signature(secret, egressId, Number(expires));
        return given.length === wanted.length && timingSafeEqual(given, wanted);
      });
    },
  };
}

function signature(secret: string, egressId: string, expiresS: number): Uint8Array {
  const hmac = createHmac("sha256", secret);
  return Uint8Array.from(hmac.update(`${PURPOSE}\n${egressId}\n${expiresS}`).digest());
}
