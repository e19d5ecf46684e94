/**
 * `roomwire check`: looks at everything that usually is in the way of a first call, and says what
 * to do about it. Takes less than a minute, and changes nothing.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import type { Platform } from "../base/platform.ts";
import { advertisedHosts } from "../engine/messages/advertised_hosts.ts";
import { allowedAddresses } from "../transport/datagrams/local_addresses.ts";
import { descriptorLimit } from "../transport/datagrams/descriptor_limit.ts";
import { probeSocket } from "../transport/datagrams/socket_probe.ts";
import { chooseMediaPorts } from "../transport/media_ports.ts";
import { addressFindings } from "./check/address_check.ts";
import { clockFindings } from "./check/clock_check.ts";
import { type Finding, problem } from "./check/finding.ts";
import { keyFindings } from "./check/key_check.ts";
import { bufferFinding, descriptorFinding, engineFindings } from "./check/machine_check.ts";
import { portFindings } from "./check/port_check.ts";
import { type AskHead, askWebhooks } from "./check/webhook_check.ts";
import {
  askConfiguredRedis,
  configFindings,
  configuredCertificates,
  refusalFindings,
} from "./config_check.ts";
import type { Config } from "./config/config_parsing.ts";
import { mediaListeners, stunServers } from "./media_listeners.ts";
import { type OutsideOptions, viewFromOutside } from "./outside_view.ts";
import { ownOrigin, portPlan, publicStreams } from "./port_plan.ts";
import type { ServerParts } from "./sfu_server.ts";

/** A server that runs here answers sooner, ms. */
const NEIGHBOUR_PATIENCE_MS = 1_000;
const UNAUTHORIZED = 401;

/** What a check needs beside the configuration; tests replace parts. */
export interface CheckOptions extends Pick<ServerParts, "networkInterfaces" | "cores"> {
  readonly platform: Platform;
  /** Keys that somebody set. */
  readonly written: ReadonlySet<string>;
  readonly fetch?: AskHead;
}

/**
 * Everything that was found, in the order in which it is best put right.
 *
 * @throws Nothing: what cannot be looked at is a finding.
 */
export async function checkNode(
  config: Config,
  options: CheckOptions,
): Promise<readonly Finding[]> {
  const { platform, written, fetch: ask = fetch } = options;
  const { clock } = platform;
  const [redis, webhooks, media] = await Promise.all([
    askConfiguredRedis(config, clock),
    askWebhooks(config.webhook.urls, ask, clock),
    mediaFindings(config, options),
  ]);
  return [
    ...configFindings(config, written),
    ...keyFindings(config.keys, config.development),
    ...media,
    ...configuredCertificates(config, clock.wallMs()),
    ...clockFindings([...redis.samples, ...webhooks.samples], clock.wallMs()),
    ...redis.findings,
    ...webhooks.findings,
  ];
}

async function mediaFindings(
  config: Config,
  { platform, networkInterfaces = Deno.networkInterfaces, cores, fetch: ask = fetch }: CheckOptions,
): Promise<readonly Finding[]> {
  const interfaces = networkInterfaces();
  try {
    const listeners = mediaListeners(config, interfaces, cores ?? navigator.hardwareConcurrency);
    const plan = portPlan(config, listeners);
    const ports = chooseMediaPorts(config.native === "off" ? "off" : "auto");
    const probe = probeSocket();
    const isRunning = await answersAsServer(config, ask);
    const found = portFindings(plan, isRunning);
    const locals = allowedAddresses(interfaces, listeners.addressRule);
    const outside = await lookOutside(config, {
      locals,
      nodeIp: config.rtc.node_ip,
      udpPort: listeners.udpOf.flat()[0]?.port,
      stunServers: stunServers(config.rtc),
      streams: publicStreams(plan),
      ports,
      platform,
    });
    return [
      ...refusalFindings(config, listeners, platform),
      ...found,
      ...addressFindings({
        hosts: advertisedHosts(locals, listeners.discovery, outside.found),
        nodeIp: config.rtc.node_ip,
        usesExternal: config.rtc.use_external_ip,
        isDevelopment: config.development,
        ...outside,
      }),
      descriptorFinding(descriptorLimit()),
      bufferFinding(probe),
      ...engineFindings({
        description: ports.description,
        isNative: ports.crypto.name === "native" && ports.canMark,
        native: config.native,
      }, probe),
    ];
  } catch (error) {
    if (!(error instanceof SfuError)) throw error;
    return [problem("configuration", error.message, "see docs/configuration.md")];
  }
}

/** In development nobody outside is to get here. */
async function lookOutside(config: Config, options: OutsideOptions) {
  return config.development
    ? { found: undefined, udpPort: options.udpPort, streams: [] }
    : await viewFromOutside(options);
}

/** Whether a server of this kind is up already, here. */
async function answersAsServer(config: Config, ask: AskHead): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(NEIGHBOUR_PATIENCE_MS);
    const response = await ask(`${ownOrigin(config)}/rtc/validate`, { signal });
    await response.body?.cancel();
    // Who does not say who they are may not come in.
    return response.status === UNAUTHORIZED;
  } catch {
    return false;
  }
}
