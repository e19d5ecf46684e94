/**
 * Which HTTP ports speak TLS, and with what.
 *
 * @module
 */
import { SfuError } from "../base/errors.ts";
import type { Config } from "./config/config_parsing.ts";
import type { CertificateFiles } from "./watched_certificate.ts";

/** TLS of this process's own; whatever ends it in front is none of our business. */
export interface TlsPlan {
  readonly files: CertificateFiles;
  /** A port of its own, beside those in the clear; 0: all of them speak TLS. */
  readonly port: number;
  /** Tells whoever comes in the clear where to go; 0 is none. */
  readonly redirectPort: number;
}

/**
 * What `tls` says; `undefined` without a certificate.
 *
 * @throws {SfuError} `invalid_config` for what cannot work.
 */
export function tlsPlan({ tls }: Config): TlsPlan | undefined {
  const { cert_file, key_file, port, redirect_port: redirectPort } = tls;
  if (cert_file !== "" && key_file !== "") {
    return { files: { cert_file, key_file }, port, redirectPort };
  }
  if (cert_file === "" && key_file === "" && port === 0 && redirectPort === 0) return undefined;
  throw new SfuError(
    "invalid_config",
    "tls.cert_file and tls.key_file: needed, both of them, for TLS",
  );
}

/** How a browser reaches the server. */
export interface PublicEntry {
  readonly scheme: "http" | "https";
  readonly port: number;
}

/** With TLS if that is spoken anywhere. */
export function publicEntry(config: Config): PublicEntry {
  const plan = tlsPlan(config);
  if (plan === undefined) return { scheme: "http", port: config.port };
  return { scheme: "https", port: plan.port === 0 ? config.port : plan.port };
}
