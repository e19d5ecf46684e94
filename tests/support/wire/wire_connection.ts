/**
 * The client's end of one peer connection of a {@linkcode WireParticipant}: learns the server's
 * transport from descriptions and trickled candidates, connects by itself, and follows ICE
 * restarts.
 *
 * @module
 */
import type { MediaAddress } from "../../../lib/base/media_vocabulary.ts";
import {
  createCertificate,
  type DtlsCertificate,
} from "../../../lib/transport/dtls/dtls_certificate.ts";
import type { ClientTransport, ReadDescription } from "../virtual/client_description.ts";
import { quickDtls } from "./quick_dtls.ts";
import { until } from "./until.ts";
import { type ReceivedRtp, WireClient } from "./wire_client.ts";

let certificate: DtlsCertificate | undefined;

/** The one certificate of all test clients in this process. */
export function clientCertificate(): DtlsCertificate {
  certificate ??= createCertificate();
  return certificate;
}

/**
 * One connection of a {@linkcode WireParticipant}; it connects once it knows enough, and `ready`
 * rejects if it cannot.
 */
export class WireConnection {
  readonly transport: ClientTransport;
  client: WireClient | undefined;
  connected = false;
  /** Why connecting failed, if it did. */
  failure: unknown;
  #candidate: MediaAddress | undefined;
  #remote: ReadDescription["credentials"];
  #connecting: Promise<void> = Promise.resolve();
  #started = false;
  #closed = false;

  #fingerprint: string | undefined;

  /** @param isQuick Shakes hands by {@linkcode quickDtls}. */
  constructor(
    readonly name: string,
    readonly own: DtlsCertificate,
    readonly isQuick: boolean = false,
  ) {
    const random = crypto.randomUUID().replaceAll("-", "");
    this.transport = {
      credentials: { ufrag: random.slice(0, 8), pwd: random },
      fingerprint: own.fingerprint.value,
    };
  }

  /** Takes what a description of the server says about its transport. */
  describe({ credentials, candidates, fingerprint }: ReadDescription): void {
    this.#fingerprint = fingerprint;
    for (const candidate of candidates) this.#learn(candidate);
    if (credentials !== undefined && credentials.ufrag !== this.#remote?.ufrag) {
      this.#remote = credentials;
      if (this.#started) this.#then(() => this.client!.restartIce(credentials));
    }
    this.#connect();
  }

  /** Takes one trickled candidate. */
  trickle(candidateInit: string): void {
    const { candidate = "" } = JSON.parse(candidateInit) as { candidate?: string };
    this.#learn(candidate);
    this.#connect();
  }

  /** Resolves when media and data can flow. */
  async ready(): Promise<WireClient> {
    await until(`the ${this.name} connection`, () => {
      if (this.failure !== undefined) throw this.failure;
      return this.connected;
    });
    return this.client!;
  }

  /** Everything received with this SSRC. */
  packets(ssrc: number): readonly ReceivedRtp[] {
    return this.client?.rtpOf(ssrc) ?? [];
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#connecting;
    await this.client?.close();
  }

  /** UDP, on the loopback address if there is one. */
  #learn(candidate: string): void {
    const [, protocol, hostname, port] =
      /^candidate:\S+ 1 (\w+) \d+ (\S+) (\d+) typ host/i.exec(candidate) ?? [];
    if (protocol?.toLowerCase() !== "udp" || hostname?.includes(":")) return;
    if (this.#candidate !== undefined && hostname !== "127.0.0.1") return;
    this.#candidate = { protocol: "udp", hostname: hostname!, port: Number(port) };
  }

  #connect(): void {
    const server = this.#candidate;
    const remote = this.#remote;
    if (server === undefined || remote === undefined || this.#started) return;
    this.#started = true;
    this.#then(async () => {
      const { credentials: local } = this.transport;
      const { own: certificate } = this;
      const options = { server, remote, local, certificate, dataChannels: true };
      const fingerprint = this.#fingerprint;
      this.client = await WireClient.open(
        !this.isQuick || fingerprint === undefined
          ? options
          : { ...options, openDtls: (transport) => quickDtls(transport, certificate, fingerprint) },
      );
      if (this.#closed) return;
      await this.client.connect();
      this.connected = true;
    });
  }

  #then(step: () => Promise<void>): void {
    this.#connecting = this.#connecting.then(step).catch((error) => {
      if (!this.#closed) this.failure = error;
    });
  }
}
