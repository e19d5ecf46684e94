/**
 * A DTLS client in the same process (werift's) on a pipe the test can meddle with.
 *
 * werift's client keeps timers that cannot be stopped, so tests that use it switch off the
 * sanitizers.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { DtlsClient } from "werift";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { DtlsFingerprint } from "../../../../lib/base/media_vocabulary.ts";
import type { Platform } from "../../../../lib/base/platform.ts";
import type { HandshakeCrypto } from "../../../../lib/transport/crypto/handshake_crypto.ts";
import type { RecordCipherFactory } from "../../../../lib/transport/crypto/record_cipher.ts";
import type { DtlsCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import { DtlsSession } from "../../../../lib/transport/dtls/dtls_session.ts";
import type { SrtpParameters, SrtpProfile } from "../../../../lib/transport/srtp/srtp_keys.ts";

import "../../../support/wire/werift_x25519.ts";

/** For tests with werift's client, whose timers cannot be stopped. */
export const WITHOUT_SANITIZERS = { sanitizeOps: false, sanitizeResources: false } as const;

type ClientProfiles = NonNullable<ConstructorParameters<typeof DtlsClient>[0]["srtpProfiles"]>;

export interface PeerOptions {
  readonly serverCertificate: DtlsCertificate;
  /** What the client presents. */
  readonly clientCertificate: DtlsCertificate;
  /** PEM of the key the client signs with, if not its certificate's. */
  readonly clientKey?: string;
  readonly platform: Platform;
  /** `undefined`: told later. Default: the client's. */
  readonly fingerprints?: readonly DtlsFingerprint[] | undefined;
  readonly serverProfiles?: readonly SrtpProfile[];
  /** What the client offers; default: 7 and 1. */
  readonly clientProfiles?: readonly SrtpProfile[];
  /** What computes and seals on the server's side. */
  readonly recordCipherFactory?: RecordCipherFactory;
  readonly crypto?: HandshakeCrypto;
  /** Whether the client is known to be where the server's datagrams go; it is not by default. */
  readonly isReached?: () => boolean;
  /** Whether the client extends the master secret (RFC 7627); it does by default. */
  readonly extendedMasterSecret?: boolean;
  /** Decides what the server gets when the client sends a datagram; default: just it. */
  readonly toServer?: (datagram: Uint8Array, deliver: (datagram: Uint8Array) => void) => void;
  readonly toClient?: (datagram: Uint8Array, deliver: (datagram: Uint8Array) => void) => void;
}

/** A session of ours, a client of werift's, and everything that happened between them. */
export class DtlsPair {
  readonly drops = new DropCounters();
  readonly fromClient: Uint8Array[] = [];
  readonly fromServer: Uint8Array[] = [];
  readonly received: string[] = [];
  readonly receivedByClient: string[] = [];
  readonly closed: string[] = [];
  readonly session: DtlsSession;
  readonly client: DtlsClient;
  srtp: SrtpParameters | undefined;
  /** Resolves with "connected", or with the reason of failure. */
  readonly outcome: Promise<string>;
  readonly clientConnected: Promise<void>;

  constructor(options: PeerOptions) {
    const { promise, resolve } = Promise.withResolvers<string>();
    this.outcome = promise;
    const toClient = options.toClient ?? ((datagram, deliver) => deliver(datagram));
    const toServer = options.toServer ?? ((datagram, deliver) => deliver(datagram));
    this.session = new DtlsSession({
      certificate: options.serverCertificate,
      platform: options.platform,
      drops: this.drops,
      ...("fingerprints" in options
        ? options.fingerprints ? { fingerprints: options.fingerprints } : {}
        : { fingerprints: [options.clientCertificate.fingerprint] }),
      ...(options.recordCipherFactory === undefined
        ? {}
        : { recordCipherFactory: options.recordCipherFactory }),
      ...(options.crypto === undefined ? {} : { crypto: options.crypto }),
      ...(options.isReached === undefined ? {} : { isReached: options.isReached }),
      ...(options.serverProfiles ? { srtpProfiles: options.serverProfiles } : {}),
      send: (datagram) => {
        this.fromServer.push(datagram.slice());
        toClient(datagram, (bytes) => queueMicrotask(() => this.transportOnData(bytes)));
      },
      listener: {
        onConnected: (srtp) => {
          this.srtp = srtp;
          resolve("connected");
        },
        onData: (bytes, at, length) =>
          this.received.push(new TextDecoder().decode(bytes.subarray(at, at + length))),
        onClosed: (reason) => this.closed.push(reason),
        onFailed: (reason, detail) => resolve(`${reason}: ${detail}`),
      },
    });
    const transport = {
      type: "udp",
      address: { address: "", family: "", port: 0 },
      closed: false,
      onData: (_bytes: Buffer) => {},
      send: (bytes: Uint8Array) => {
        const datagram = Uint8Array.from(bytes);
        this.fromClient.push(datagram);
        toServer(datagram, (copy) => queueMicrotask(() => this.session.receive(copy.slice())));
        return Promise.resolve();
      },
      close: () => Promise.resolve(),
    };
    this.client = new DtlsClient({
      transport: transport as unknown as ConstructorParameters<typeof DtlsClient>[0]["transport"],
      cert: options.clientCertificate.certPem,
      key: options.clientKey ?? options.clientCertificate.keyPem,
      signatureHash: { hash: 4, signature: 3 },
      srtpProfiles: [...options.clientProfiles ?? [7, 1]] as ClientProfiles,
      extendedMasterSecret: options.extendedMasterSecret ?? true,
    });
    this.transportOnData = (bytes) => transport.onData(Buffer.from(bytes));
    this.clientConnected = new Promise((done) => this.client.onConnect.subscribe(() => done()));
    this.client.onData.subscribe((bytes) => this.receivedByClient.push(bytes.toString()));
    this.client.onError.subscribe(() => {});
  }

  private readonly transportOnData: (bytes: Uint8Array) => void;

  /** Starts the handshake; resolves with the server's outcome. */
  connect(): Promise<string> {
    this.client.connect().catch(() => {});
    return this.outcome;
  }
}

/** Longer than a handshake's own limit, ms, so that a failure is told by its reason. */
const PATIENCE_MS = 45_000;

/** Rejects if `promise` takes longer than 45 s of real time; the timer does not outlive it. */
export async function within<T>(what: string, promise: Promise<T>): Promise<T> {
  let handle: ReturnType<typeof setTimeout> | undefined;
  const guard = new Promise<never>((_, reject) => {
    handle = setTimeout(() => reject(new Error(`Timed out waiting for ${what}`)), PATIENCE_MS);
  });
  try {
    return await Promise.race([promise, guard]);
  } finally {
    clearTimeout(handle);
  }
}
