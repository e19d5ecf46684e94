/**
 * Two DTLS sessions of ours, a client and a server, on a pipe in virtual time that the test can
 * meddle with.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DropCounters } from "../../../../lib/base/drop_counters.ts";
import type { DtlsFingerprint } from "../../../../lib/base/media_vocabulary.ts";
import { portableRecordCipher } from "../../../../lib/transport/crypto/portable_record_cipher.ts";
import type { RecordCipherFactory } from "../../../../lib/transport/crypto/record_cipher.ts";
import type { DtlsCertificate } from "../../../../lib/transport/dtls/dtls_certificate.ts";
import { DtlsSession } from "../../../../lib/transport/dtls/dtls_session.ts";
import type { SrtpParameters, SrtpProfile } from "../../../../lib/transport/srtp/srtp_keys.ts";
import { VirtualPlatform } from "../../../support/virtual/virtual_platform.ts";

/** How long a datagram is under way, ms. */
const TRANSIT_MS = 5;

export type Tamper = (
  datagram: Uint8Array,
  deliver: (bytes: Uint8Array, afterMs?: number) => void,
) => void;

/** One end of the pipe and what it was told. */
export class DtlsEnd {
  readonly drops = new DropCounters();
  readonly sent: Uint8Array[] = [];
  /** `connected`, `failed: …`, `closed: …`, in order. */
  readonly events: string[] = [];
  readonly received: string[] = [];
  srtp: SrtpParameters | undefined;
  readonly session: DtlsSession;
  /** What becomes of what it hears. */
  onData = (bytes: Uint8Array, at: number, length: number): void => {
    this.received.push(new TextDecoder().decode(bytes.subarray(at, at + length)));
  };
  /** What becomes of what it sends. */
  tamper: Tamper = (datagram, deliver) => deliver(datagram);
  peer: DtlsEnd | undefined;

  constructor(
    readonly platform: VirtualPlatform,
    certificate: DtlsCertificate,
    fingerprints: readonly DtlsFingerprint[],
    srtpProfiles?: readonly SrtpProfile[],
    recordCipherFactory: RecordCipherFactory = portableRecordCipher,
  ) {
    this.session = new DtlsSession({
      certificate,
      platform,
      drops: this.drops,
      fingerprints,
      recordCipherFactory,
      ...(srtpProfiles === undefined ? {} : { srtpProfiles }),
      send: (datagram) => {
        this.sent.push(datagram.slice());
        this.tamper(datagram, (bytes, afterMs = 0) => {
          const copy = bytes.slice();
          platform.timers.after(TRANSIT_MS + afterMs, () => this.peer?.session.receive(copy));
        });
      },
      listener: {
        onConnected: (srtp) => {
          this.srtp = srtp;
          this.events.push("connected");
        },
        onData: (bytes, at, length) => this.onData(bytes, at, length),
        onClosed: (reason) => this.events.push(`closed: ${reason}`),
        onFailed: (reason, detail) => this.events.push(`failed: ${reason}: ${detail}`),
      },
    });
  }

  say(text: string): void {
    assert.equal(this.session.sendData(new TextEncoder().encode(text)), true);
  }
}

export interface TwinsOptions {
  readonly client: DtlsCertificate;
  readonly server: DtlsCertificate;
  readonly seed?: number;
  /** What the client expects of the server; default: its fingerprint. */
  readonly fingerprints?: readonly DtlsFingerprint[];
  readonly clientProfiles?: readonly SrtpProfile[];
  readonly serverProfiles?: readonly SrtpProfile[];
  /** What seals the records of both; default: portable. */
  readonly recordCipherFactory?: RecordCipherFactory;
}

/**
 * Two sessions on one pipe. The client is told its role and has a path as soon as it is started;
 * time moves in `run` alone.
 */
export class DtlsTwins {
  readonly platform: VirtualPlatform;
  readonly client: DtlsEnd;
  readonly server: DtlsEnd;

  constructor(options: TwinsOptions) {
    const { client, server, fingerprints = [server.fingerprint] } = options;
    this.platform = new VirtualPlatform(options.seed ?? 1);
    const ciphers = options.recordCipherFactory;
    this.client = new DtlsEnd(
      this.platform,
      client,
      fingerprints,
      options.clientProfiles,
      ciphers,
    );
    this.server = new DtlsEnd(
      this.platform,
      server,
      [client.fingerprint],
      options.serverProfiles,
      ciphers,
    );
    this.client.peer = this.server;
    this.server.peer = this.client;
  }

  /** Starts the client and lets time pass. */
  async run(ms: number): Promise<void> {
    this.client.session.setRole("client");
    this.client.session.pathReady();
    await this.platform.advanceAsync(ms);
  }

  /** Both ends are closed, and no timer is left. */
  async close(): Promise<void> {
    this.client.session.close();
    this.server.session.close();
    await this.platform.advanceAsync(100);
    assert.equal(this.platform.pendingTimers, 0);
  }
}
