/**
 * The clients of a load process: connecting them, and sealing for those that publish.
 *
 * @module
 */
import { DropCounters } from "../../lib/base/drop_counters.ts";
import {
  createCertificate,
  type DtlsCertificate,
} from "../../lib/transport/dtls/dtls_certificate.ts";
import { chooseSrtpEngine } from "../../lib/transport/srtp/srtp_engine.ts";
import { SRTP_PROFILE } from "../../lib/transport/srtp/srtp_keys.ts";
import { SrtpSession } from "../../lib/transport/srtp/srtp_session.ts";
import { WireClient } from "../../tests/support/wire/wire_client.ts";
import type { ClientParameters, Endpoint, OpenedClient } from "../forwarding/forwarding_calls.ts";
import type { ClientSocket, ClientSockets } from "./client_sockets.ts";
import { openPortableSocket } from "./portable_sockets.ts";
import type { Publisher } from "./published_track.ts";

/** Both; the SFU takes the one it prefers. */
const PROFILES = [SRTP_PROFILE.aes128CmSha1_80, SRTP_PROFILE.aeadAes128Gcm] as const;
/** Sealing is not what is measured here: as cheap as it can be had. */
const SEALING = chooseSrtpEngine("auto");
const LOCAL = { ufrag: "benchclient", pwd: "client-password-of-24-chars-or-more" };
/** What LiveKit's clients open. */
const LOSSY = { label: "_lossy", ordered: false, maxRetransmits: 0 } as const;

/** A connected client. */
export interface LoadClient {
  readonly wire: WireClient;
  readonly socket: ClientSocket;
  readonly opened: OpenedClient;
}

/** The clients of one load process, each with a socket and keys of its own. */
export class LoadClients {
  readonly connected = new Map<number, LoadClient>();
  readonly parameters: ClientParameters;
  readonly #publishers = new Map<WireClient, Publisher>();

  private constructor(
    private readonly sockets: ClientSockets,
    private readonly certificate: DtlsCertificate,
  ) {
    this.parameters = {
      fingerprint: certificate.fingerprint.value,
      clientUfrag: LOCAL.ufrag,
    };
  }

  static async create(sockets: ClientSockets): Promise<LoadClients> {
    return new LoadClients(sockets, await createCertificate());
  }

  /** Connects all at once; returns the numbers of those that failed. */
  async connect(
    opened: readonly OpenedClient[],
    endpoints: readonly Endpoint[],
  ): Promise<number[]> {
    const results = await Promise.allSettled(
      opened.map((client, place) => this.#connect(client, endpoints[place]!)),
    );
    const failed: number[] = [];
    for (const [place, result] of results.entries()) {
      const { client } = opened[place]!;
      if (result.status === "fulfilled") this.connected.set(client, result.value);
      else failed.push(client);
    }
    return failed;
  }

  async drop(numbers: readonly number[]): Promise<void> {
    for (const number of numbers) {
      await this.connected.get(number)?.wire.close();
      this.connected.delete(number);
    }
  }

  /** The way out of a connected client; the same one each time. */
  publisher(number: number): Publisher {
    const { wire, socket } = this.connected.get(number)!;
    let publisher = this.#publishers.get(wire);
    if (publisher === undefined) {
      const parameters = wire.srtpParameters;
      const { cipherFactory } = SEALING;
      const srtp = new SrtpSession({ parameters, drops: new DropCounters(), cipherFactory });
      publisher = { socket, srtp, transportNumber: 0 };
      this.#publishers.set(wire, publisher);
    }
    return publisher;
  }

  async #connect(opened: OpenedClient, { server, remote }: Endpoint): Promise<LoadClient> {
    const socket = server.protocol === "udp"
      ? await this.sockets.open(server)
      : await openPortableSocket(server, this.sockets);
    const wire = await WireClient.open({
      server,
      remote,
      local: LOCAL,
      certificate: this.certificate,
      dataChannels: opened.hasData,
      srtpProfiles: PROFILES,
      openSocket: () => Promise.resolve(socket),
    });
    try {
      await wire.connect();
      if (opened.hasData && opened.publishes) wire.channels!.open(LOSSY.label, LOSSY);
    } catch (error) {
      await wire.close();
      throw error;
    }
    return { wire, socket, opened };
  }
}
