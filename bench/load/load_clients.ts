/**
 * The clients of a load process: connecting them, and sealing for those that publish.
 *
 * @module
 */
import { denoPlatform } from "../../lib/base/deno_platform.ts";
import {
  createCertificate,
  type DtlsCertificate,
} from "../../lib/transport/dtls/dtls_certificate.ts";
import type { ClientParameters, Endpoint, OpenedClient } from "../forwarding/forwarding_calls.ts";
import { ClientAssociation } from "./client_association.ts";
import type { ClientSockets } from "./client_sockets.ts";
import { openPortableSocket } from "./portable_sockets.ts";
import type { Publisher } from "./published_track.ts";

const LOCAL = { ufrag: "benchclient", pwd: "client-password-of-24-chars-or-more" };
/** Keeps the connection alive; the SFU takes it for interrupted after 10 s. */
const KEEP_ALIVE_MS = 2_000;

/** A connected client. */
export interface LoadClient {
  readonly association: ClientAssociation;
  readonly opened: OpenedClient;
  keepAt: number;
}

/** The clients of one load process, each with a socket and keys of its own. */
export class LoadClients {
  readonly connected = new Map<number, LoadClient>();
  readonly parameters: ClientParameters;
  /** Takes every message that comes on a data channel. */
  onMessage: (bytes: Uint8Array) => void = () => {};
  readonly #platform = denoPlatform();

  private constructor(
    private readonly sockets: ClientSockets,
    private readonly certificate: DtlsCertificate,
  ) {
    this.parameters = {
      fingerprint: certificate.fingerprint.value,
      clientUfrag: LOCAL.ufrag,
    };
  }

  static create(sockets: ClientSockets): LoadClients {
    return new LoadClients(sockets, createCertificate());
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

  drop(numbers: readonly number[]): void {
    for (const number of numbers) {
      this.connected.get(number)?.association.close();
      this.connected.delete(number);
    }
  }

  /** Keeps connections alive, and sends and reads data. */
  poll(now: number): void {
    for (const client of this.connected.values()) {
      if (client.opened.hasData) client.association.poll(now);
      if (now < client.keepAt) continue;
      client.keepAt = now + KEEP_ALIVE_MS;
      client.association.path.keep();
    }
  }

  /** The way out of a connected client; the same one each time. */
  publisher(number: number): Publisher {
    return this.connected.get(number)!.association.publisher!;
  }

  async #connect(opened: OpenedClient, endpoint: Endpoint): Promise<LoadClient> {
    const { server, remote, fingerprint } = endpoint;
    const socket = server.protocol === "udp"
      ? await this.sockets.open(server)
      : await openPortableSocket(server, this.sockets);
    const association = new ClientAssociation(LOCAL, {
      platform: this.#platform,
      certificate: this.certificate,
      onCheck: () => {},
      onMessage: (bytes) => this.onMessage(bytes),
    });
    association.path.aim(server, remote);
    try {
      await association.connect(socket, { role: "client", fingerprint });
    } catch (error) {
      association.close();
      throw error;
    }
    if (opened.hasData && opened.publishes) association.openChannels();
    return { association, opened, keepAt: performance.now() + KEEP_ALIVE_MS * Math.random() };
  }
}
