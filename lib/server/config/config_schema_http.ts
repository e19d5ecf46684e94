/**
 * Keys below `tls` and `proxies`: how HTTP is reached. LiveKit's server has none of them.
 *
 * @module
 */
import { networkList } from "./config_schema_rtc.ts";
import { choice, port, section, text } from "./config_values.ts";

/** `tls`. */
export const tls = () =>
  section({
    cert_file: text(),
    key_file: text(),
    // 0: the other HTTP ports speak TLS themselves.
    port: port(0),
    redirect_port: port(0),
  });

/** `proxies`: whose word on a client's address is taken. */
export const proxies = () =>
  section({
    forwarded_for: networkList(),
    forwarded_header: choice(["X-Forwarded-For", "Forwarded"], "X-Forwarded-For"),
    protocol_http: networkList(),
    protocol_media: networkList(),
    protocol_turn: networkList(),
  });
