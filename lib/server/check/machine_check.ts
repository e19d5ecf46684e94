/**
 * Whether this machine gives the process what it needs: descriptors, buffers, and the system's own
 * sockets and ciphers. Pure.
 *
 * @module
 */
import type { SocketProbe } from "../../transport/datagrams/socket_probe.ts";
import { type Finding, ok, problem, unknown, warning } from "./finding.ts";

/** Every client has one for its WebSocket, and another one over TCP. */
const FEW_DESCRIPTORS = 8_192;
const TOO_FEW_DESCRIPTORS = 1_024;
/** As LiveKit's server warns (livekit/mediatransportutil, June 2026). */
const SMALL_BUFFER_BYTES = 5_000_000;

/** @param limit Descriptors that this process may have open. */
export function descriptorFinding(limit: number): Finding {
  const topic = "descriptors";
  const what = `${limit} files and connections may be open at once`;
  const fix = "raise it to 65536 or more: `ulimit -n`, or LimitNOFILE= of a systemd unit";
  if (limit < TOO_FEW_DESCRIPTORS) return problem(topic, what, fix);
  return limit < FEW_DESCRIPTORS ? warning(topic, what, fix) : ok(topic, what);
}

/** @param probe What a socket got, or why that cannot be known. */
export function bufferFinding(probe: SocketProbe | { readonly reason: string }): Finding {
  const topic = "udp buffers";
  const fix = "sysctl -w net.core.rmem_max=16777216 net.core.wmem_max=16777216, and write both " +
    "to a file in /etc/sysctl.d";
  if ("reason" in probe) {
    return unknown(topic, `sockets do not say how large theirs are: ${probe.reason}`, fix);
  }
  const least = Math.min(probe.receiveBuffer, probe.sendBuffer);
  const what = `${megabytes(probe.receiveBuffer)} to receive and ${
    megabytes(probe.sendBuffer)
  } to send, of ${megabytes(probe.wanted)} asked for`;
  if (least >= SMALL_BUFFER_BYTES) return ok(topic, what);
  return warning(topic, `${what}: bursts of many participants are lost`, fix);
}

/** What carries media. */
export interface EngineToCheck {
  /** In words; see `MediaPorts.description`. */
  readonly description: string;
  readonly isNative: boolean;
  /** As configured. */
  readonly native: "auto" | "off" | "require";
}

/** Which sockets and ciphers run, and what the kernel and the processor do for them. */
export function engineFindings(
  { description, isNative, native }: EngineToCheck,
  probe: SocketProbe | { readonly reason: string },
): readonly Finding[] {
  const topic = "engine";
  if (!isNative) {
    const fix = native === "off"
      ? "remove native: off, unless you know why it is there"
      : "run it on Linux with glibc and OpenSSL 3, with --allow-ffi";
    const what = `media runs on ${description}, which costs several times as much`;
    return [native === "require" ? problem(topic, what, fix) : warning(topic, what, fix)];
  }
  const found = [ok(topic, `media runs on ${description}`)];
  if ("reason" in probe) return found;
  found.push(
    probe.hasGso ? ok(topic, "the kernel sends several datagrams in one call (GSO)") : warning(
      topic,
      "the kernel does not send several datagrams in one call (GSO)",
      "use Linux 4.18 or newer; a large room costs about twice as much without",
    ),
  );
  if (probe.hasAes === undefined) {
    return [...found, unknown(topic, "the processor does not say what it computes", "see lscpu")];
  }
  found.push(
    probe.hasAes ? ok(topic, "the processor computes AES itself") : warning(
      topic,
      "the processor does not compute AES itself",
      "choose a machine that does, or let the virtual one see that the real one can",
    ),
  );
  return found;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}
