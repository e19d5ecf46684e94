/**
 * What a DTLS session needs of its role, and what a role needs of its session: the server's half
 * (`dtls_server_handshake.ts`) and the client's (`dtls_client_handshake.ts`) are twins.
 *
 * Contract: a role orders, authenticates and answers handshake messages and repeats its flights. It
 * says `proven` once, after the peer proved its certificate's key and both Finished messages agree;
 * whether that certificate is the right one is the session's to judge. After `end` it sends nothing
 * and leaves no timer.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { HandshakeCrypto } from "../crypto/handshake_crypto.ts";
import type { RecordCipherFactory } from "../crypto/record_cipher.ts";
import type { Random, Timers } from "../../base/platform.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { DtlsCertificate } from "./dtls_certificate.ts";
import type { DtlsRecordSeal } from "./dtls_record_seal.ts";
import type { HandshakeFragment } from "./dtls_records.ts";
import type { SrtpProfile } from "../srtp/srtp_keys.ts";

/** What a role does to its session. */
export interface HandshakeOwner {
  /** Sends one datagram. */
  send(datagram: Uint8Array): void;
  /** Whether the peer is known to receive what is sent to it: it need not return a cookie. */
  isReached(): boolean;
  /** The peer proved its certificate's key and the whole handshake. */
  proven(): void;
  /** It cannot succeed any more; `detail` names the step. */
  failed(detail: string): void;
  /** Runs a step that comes from a timer; a throw ends this session and nothing else. */
  guarded(step: () => void): void;
}

/** What both roles are made of. */
export interface HandshakeOptions {
  readonly certificate: DtlsCertificate;
  /** In order of our preference. */
  readonly profiles: readonly SrtpProfile[];
  readonly recordCipherFactory: RecordCipherFactory;
  readonly crypto: HandshakeCrypto;
  readonly platform: { readonly timers: Timers; readonly random: Random };
  readonly drops: DropSink<TransportDrop>;
  readonly owner: HandshakeOwner;
}

/**
 * One role's half of a handshake, and the keys it ends with. Says `proven` once at most, only after
 * certificate key and both Finished messages agree; after `end` it is silent and holds no timer.
 */
export interface DtlsHandshake {
  /** A word for logs: which step it is at. */
  readonly phase: string;
  /**
   * Whether the peer was given a reason to expect an answer: work was done that cannot be undone.
   */
  readonly begun: boolean;
  /** Whether plaintext handshake messages are of use. */
  readonly takesPlain: boolean;
  /** What opens epoch-1 records; absent before there are keys. It ends with the handshake. */
  readonly records: DtlsRecordSeal | undefined;
  /** The peer's certificate in DER, proven only after `proven`. */
  readonly remoteCertificate: Uint8Array | undefined;
  /** What was agreed on (RFC 5764 §4.1.1). */
  readonly srtpProfile: SrtpProfile | undefined;
  /** There is a path: the role that speaks first does. Idempotent. */
  begin(): void;
  /** One fragment of a record of `epoch`, which opened if it was sealed. */
  receive(fragment: HandshakeFragment, epoch: number): void;
  /** Seals a record of epoch 1; `undefined` before both sides agreed. */
  seal(type: number, body: Uint8Array): Uint8Array | undefined;
  /** A fatal alert as a record, sealed if possible; `undefined` if the peer knows nothing of us. */
  fatalAlert(description: number): Uint8Array | undefined;
  /** Exported keying material (RFC 5705 §4), once proven. */
  exportKeyingMaterial(label: string, length: number): Uint8Array;
  /** Lets go of timers, keys and what was kept. Idempotent. */
  end(): void;
}
