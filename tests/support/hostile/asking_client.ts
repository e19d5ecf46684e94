/**
 * A program that connects to a media engine at one address after the other, and writes a line for
 * each connection that came about. Its argument is a list of {@linkcode AskedAddress} in JSON.
 *
 * @module
 */
import type { IceCredentials, MediaAddress } from "../../../lib/base/media_vocabulary.ts";
import { createCertificate } from "../../../lib/transport/dtls/dtls_certificate.ts";
import { WireClient } from "../wire/wire_client.ts";
import { openUdpSocket } from "../wire/wire_socket.ts";

/** One connection to make. */
export interface AskedAddress {
  readonly server: MediaAddress;
  readonly remote: IceCredentials;
  readonly local: IceCredentials;
}

if (import.meta.main) {
  const asked = JSON.parse(Deno.args[0]!) as readonly AskedAddress[];
  const certificate = createCertificate();
  for (const { server, remote, local } of asked) {
    const openSocket = () =>
      openUdpSocket(server, server.hostname.includes(":") ? "::" : "0.0.0.0");
    const client = await WireClient.open({ server, remote, local, certificate, openSocket });
    try {
      await client.connect();
      console.log(`${server.hostname} ${server.port}`);
    } catch (error) {
      console.error(`${server.hostname}: ${error}`);
    }
    await client.close();
  }
  Deno.exit();
}
