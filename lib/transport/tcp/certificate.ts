/**
 * A certificate as listeners of TLS use it.
 *
 * @module
 */
import type { Cancel } from "../../base/platform.ts";

/** A certificate chain and its key, PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** The certificate in use, which may be replaced. */
export interface CertificateSource {
  readonly current: Certificate;
  /** Calls `renewed` whenever there is another one. */
  watch(renewed: (certificate: Certificate) => void): Cancel;
}
