/**
 * Whether the ports that the configuration names can be listened on.
 *
 * @module
 */
import { type Finding, ok, problem, unknown } from "./finding.ts";

const TOPIC = "ports";

/** A port and what it is for. */
export interface PortToCheck {
  readonly protocol: "udp" | "tcp";
  readonly port: number;
  /** Literal addresses; all of them are bound. */
  readonly hostnames: readonly string[];
  /** For people: `media`. */
  readonly use: string;
  /** The key that says so. */
  readonly key: string;
}

/** How binding ended. */
export type Bound = "ok" | "taken" | "forbidden" | "no_address";

/** Binds and lets go again. */
export type TryBind = (protocol: "udp" | "tcp", hostname: string, port: number) => Bound;

/** With the system's sockets. */
const bindOnce: TryBind = (protocol, hostname, port) => {
  try {
    const socket = protocol === "udp"
      ? Deno.listenDatagram({ transport: "udp", hostname, port })
      : Deno.listen({ hostname, port });
    socket.close();
    return "ok";
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return "taken";
    if (error instanceof Deno.errors.PermissionDenied) return "forbidden";
    if (error instanceof Deno.errors.NotCapable) return "forbidden";
    return "no_address";
  }
};

/**
 * A line for each port.
 *
 * @param isRunning A server of this kind answers on the HTTP port, so that taken ports are its own.
 */
export function portFindings(
  ports: readonly PortToCheck[],
  isRunning: boolean,
  tryBind: TryBind = bindOnce,
): readonly Finding[] {
  return ports.map((port) => portFinding(port, isRunning, tryBind));
}

function portFinding(
  { protocol, port, hostnames, use, key }: PortToCheck,
  isRunning: boolean,
  tryBind: TryBind,
): Finding {
  const name = `${protocol.toUpperCase()} ${port} (${use})`;
  for (const hostname of hostnames) {
    const bound = tryBind(protocol, hostname, port);
    const where = `on ${hostname}`;
    if (bound === "taken" && isRunning) {
      return unknown(
        TOPIC,
        `${name} is in use, as it seems by the server that runs already`,
        "check again while it is stopped",
      );
    }
    if (bound === "taken") {
      const flag = protocol === "udp" ? "u" : "t";
      return problem(
        TOPIC,
        `${name} is in use by another program`,
        `see which: ss -l${flag}np 'sport = :${port}'; stop it, or set ${key}`,
      );
    }
    if (bound === "forbidden") {
      return problem(
        TOPIC,
        `${name} may not be listened on by this user`,
        "ports below 1024 need AmbientCapabilities=CAP_NET_BIND_SERVICE in the systemd unit, or " +
          `root; or set ${key} and forward the port`,
      );
    }
    if (bound === "no_address") {
      return problem(
        TOPIC,
        `${name} cannot be listened on ${where}: this machine has no such address`,
        `remove the address, or give it to this machine; see \`ip address\``,
      );
    }
  }
  return ok(TOPIC, `${name} can be listened on`);
}
