/**
 * Whose word on a client's address is taken, and where.
 *
 * @module
 */
import type { ForwardedRule } from "../../routes/client_address.ts";
import { type IpNetwork, parseIpNetwork } from "../wire/ip_network.ts";
import type { Config } from "./config/config_parsing.ts";

/** Networks of proxies; nobody's where a list is empty. */
export interface ProxyRules {
  /** Who writes it into HTTP headers; absent without anybody. */
  readonly forwarded?: ForwardedRule;
  /** Whose connections begin with a header of the PROXY protocol, by listener. */
  readonly http: readonly IpNetwork[];
  readonly media: readonly IpNetwork[];
  readonly turn: readonly IpNetwork[];
}

/** Reads them. */
export function proxyRules({ proxies }: Config): ProxyRules {
  const { forwarded_for, forwarded_header: header } = proxies;
  const networks = (texts: readonly string[]) =>
    texts.map(parseIpNetwork).filter((network) => network !== undefined);
  const forwarders = networks(forwarded_for);
  return {
    ...(forwarders.length === 0 ? {} : { forwarded: { proxies: forwarders, header } }),
    http: networks(proxies.protocol_http),
    media: networks(proxies.protocol_media),
    turn: networks(proxies.protocol_turn),
  };
}
