/**
 * Opens the HTTP listeners of one port: on the configured addresses, or on every interface of both
 * address families.
 *
 * @module
 */
import type { HttpFrontOptions, HttpListener } from "./http_front.ts";
import { openHttpFront } from "./http_front.ts";
import { bindError } from "../../transport/datagrams/bind_error.ts";

const ALL_IPV4 = "0.0.0.0";
/** On most systems this takes IPv4 connections, too, and then leaves nothing for the other. */
const ALL_IPV6 = "::";

/** Where a listener is. */
export interface HttpPlace {
  /** `bind_addresses`; none, or an empty one among them, is every interface. */
  readonly addresses: readonly string[];
  /** Addresses that this machine may lack without harm. */
  readonly optional?: readonly string[];
  readonly port: number;
}

/** A place, and who answers there. */
export interface HttpListening extends HttpPlace, Omit<HttpFrontOptions, "hostname" | "port"> {}

/** How a system binds; a test puts its own in place. */
export interface HttpBinding {
  /** Whether a socket on `::` takes IPv4 connections, too. */
  readonly dualStack: () => boolean;
  /** Rejects with what the system throws. */
  readonly bind: (hostname: string) => Promise<HttpListener>;
}

/**
 * Listens on every address, each interface once: an address that another one covers has no listener
 * of its own.
 *
 * @returns At least one listener.
 * @throws {SfuError} for the first address that cannot be listened on; the others are closed again.
 */
export async function listenHttp(
  listening: HttpListening,
  binding: HttpBinding = systemBinding(listening),
): Promise<HttpListener[]> {
  const { addresses, optional = [], port, platform: { log } } = listening;
  const everywhere = addresses.length === 0 || addresses.includes("");
  const wanted = everywhere ? [ALL_IPV6, ALL_IPV4] : [...new Set(addresses)].sort(byReach);
  const dualStack = wanted.includes(ALL_IPV6) && binding.dualStack();
  const bound = new Map<string, HttpListener>();
  let missing: unknown;
  for (const hostname of wanted) {
    if (isCovered(hostname, bound, dualStack)) continue;
    try {
      bound.set(hostname, await binding.bind(hostname));
    } catch (error) {
      const spared = (everywhere || optional.includes(hostname)) && isMissing(error);
      if (spared) {
        missing = error;
        log.info("an address family is missing on this machine, not listening on it", {
          family: familyOf(hostname),
          port,
        });
        continue;
      }
      close(bound.values());
      throw bindError(error, "tcp", hostname, port);
    }
  }
  if (bound.size === 0) throw bindError(missing, "tcp", wanted[0]!, port);
  return [...bound.values()];
}

/** Those that cover others come first. */
function byReach(a: string, b: string): number {
  const reach = (hostname: string) => hostname === ALL_IPV6 ? 0 : hostname === ALL_IPV4 ? 1 : 2;
  return reach(a) - reach(b);
}

function isCovered(
  hostname: string,
  bound: ReadonlyMap<string, unknown>,
  dualStack: boolean,
): boolean {
  if (bound.has(ALL_IPV6) && (dualStack || familyOf(hostname) === "IPv6")) return true;
  return bound.has(ALL_IPV4) && familyOf(hostname) === "IPv4";
}

function familyOf(hostname: string): "IPv4" | "IPv6" {
  return hostname.includes(":") ? "IPv6" : "IPv4";
}

/** The machine has no such address, or not even its family: nobody else is to blame. */
function isMissing(error: unknown): boolean {
  if (error instanceof Deno.errors.AddrNotAvailable) return true;
  const code = (error as { code?: unknown } | null)?.code;
  return code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT" ||
    (error instanceof Error && /address family not supported/i.test(error.message));
}

function close(listeners: Iterable<HttpListener>): void {
  for (const listener of listeners) listener.shutdown().catch(() => {});
}

function systemBinding(listening: HttpListening): HttpBinding {
  return {
    dualStack: takesBothFamilies,
    bind: (hostname) => openHttpFront({ ...listening, hostname }),
  };
}

/** Found out on a free port, where nobody else can be in the way. */
function takesBothFamilies(): boolean {
  let both: Deno.TcpListener | undefined;
  try {
    both = Deno.listen({ hostname: ALL_IPV6, port: 0 });
    Deno.listen({ hostname: ALL_IPV4, port: both.addr.port }).close();
    return false;
  } catch {
    return both !== undefined;
  } finally {
    both?.close();
  }
}
