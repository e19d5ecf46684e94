/**
 * What `roomwire check` looks at by the words of the configuration: whether they can work, those
 * that change nothing, and the files and servers they name.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import type { Clock, Platform } from "../base/platform.ts";
import { connectRedis } from "../cluster/directory/redis_connection.ts";
import { certificateFindings, type CertificateToCheck } from "./check/certificate_check.ts";
import { type Finding, ok, problem, warning } from "./check/finding.ts";
import { askRedis, type RedisAnswers } from "./check/redis_check.ts";
import { clusterSettings, redisOptions } from "./cluster_settings.ts";
import { idleKeys } from "./config/config_effects.ts";
import { processSources } from "./config/config_loading.ts";
import type { Config } from "./config/config_parsing.ts";
import { keysInEffect } from "./keys_in_effect.ts";
import type { MediaListeners } from "./media_listeners.ts";
import { tlsPlan } from "./tls_settings.ts";
import { turnOffer, turnSetup } from "./turn_settings.ts";
import { MACHINE_FILES, type NamedFiles } from "./watched_certificate.ts";

const TOPIC = "configuration";
const UNREAD = "is not read here";
/** Stands for files whose contents do not matter. */
const NO_CERTIFICATE: NamedFiles = {
  read(path) {
    throw new Error(`${path} ${UNREAD}`);
  },
};

/** Keys that were set and change nothing, and what is used in an unusual way. */
export function configFindings(config: Config, written: ReadonlySet<string>): readonly Finding[] {
  const idle = idleKeys({ config, plain: config, read: keysInEffect() }, written)
    .map(({ path, instead }) => warning(TOPIC, `${path} is set and has no effect`, instead));
  const { udp_port, port_range_start: start, port_range_end: end } = config.rtc;
  const range = udp_port === undefined && start > 0
    ? [ok(TOPIC, `media uses the first of UDP ${start} to ${end}, one for each worker`)]
    : [];
  if (idle.length > 0) return [...idle, ...range];
  return [ok(TOPIC, "every key that is set has an effect"), ...range];
}

/** What a server would refuse to start with, but for ports and certificates. */
export function refusalFindings(
  config: Config,
  listeners: MediaListeners,
  platform: Platform,
): readonly Finding[] {
  const compose: readonly (() => unknown)[] = [
    () => turnOffer(config, () => listeners.advertised, platform),
    () => clusterSettings(config, listeners.advertised),
    // Its certificate is looked at by itself.
    () => turnSetup(config, listeners, () => [], platform, NO_CERTIFICATE),
  ];
  return compose.flatMap((part) => {
    try {
      part();
      return [];
    } catch (error) {
      if (!(error instanceof SfuError)) throw error;
      return error.message.includes(UNREAD)
        ? []
        : [problem(TOPIC, error.message, "see docs/configuration.md")];
    }
  });
}

/** Certificates of HTTP and of TURN, where they are our own. */
export function configuredCertificates(
  config: Config,
  nowMs: number,
  files: NamedFiles = MACHINE_FILES,
): readonly Finding[] {
  const { turn } = config;
  const named: { section: string; cert_file: string; key_file: string; name?: string }[] = [];
  if (turn.enabled && turn.tls_port !== 0 && !turn.external_tls) {
    named.push({ section: "turn", ...filesOf(turn), name: turn.domain });
  }
  let found: Finding[] = [];
  try {
    const plan = tlsPlan(config);
    if (plan !== undefined) named.push({ section: "tls", ...filesOf(config.tls) });
  } catch (error) {
    found = [problem(TOPIC, wordsOf(error), "name both files")];
  }
  return [
    ...found,
    ...named.flatMap(({ section, cert_file, key_file, name }) => {
      let pair: CertificateToCheck;
      try {
        const [cert, key] = [files.read(cert_file), files.read(key_file)];
        pair = { section, cert, key, ...(name === undefined ? {} : { name }) };
      } catch (error) {
        const what = `${section}.cert_file and ${section}.key_file: ${wordsOf(error)}`;
        return [problem("certificates", what, "name files that this user may read")];
      }
      return certificateFindings(pair, nowMs);
    }),
  ];
}

function filesOf({ cert_file, key_file }: { cert_file: string; key_file: string }) {
  return { cert_file, key_file };
}

/** Nothing, if the configuration names no Redis. Never rejects. */
export async function askConfiguredRedis(
  config: Config,
  clock: Pick<Clock, "wallMs">,
): Promise<RedisAnswers> {
  try {
    const options = redisOptions(config.redis, processSources);
    if (options === undefined) return { findings: [], samples: [] };
    const { prefix } = config.cluster;
    return await askRedis((signal) => connectRedis(options, prefix, () => {}, signal), clock);
  } catch (error) {
    return { findings: [problem("redis", wordsOf(error), "see docs/cluster.md")], samples: [] };
  }
}

function wordsOf(error: unknown): string {
  return error instanceof SfuError || error instanceof Error ? error.message : String(error);
}
