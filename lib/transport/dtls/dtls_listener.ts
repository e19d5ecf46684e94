/**
 * What a DTLS session tells its owner.
 *
 * @module
 */
import type { SrtpParameters } from "../srtp/srtp_keys.ts";

/** Why a session ended without having been closed. */
export type DtlsFailure = "dtls_failed" | "dtls_timeout" | "fingerprint_mismatch";

/** What a session does to its owner. */
export interface DtlsListener {
  /** Once; `srtp` is absent if the peer offered no profile of ours (data channels only). */
  onConnected(srtp: SrtpParameters | undefined): void;
  /**
   * The content `bytes[at, at + length)` of one application record, valid during the call and free
   * to change.
   */
  onData(bytes: Uint8Array, at: number, length: number): void;
  /** The peer said goodbye: an authenticated close_notify or fatal alert. */
  onClosed(reason: "close_notify" | "fatal_alert"): void;
  /** `detail` names the step for logs. */
  onFailed(reason: DtlsFailure, detail: string): void;
}
