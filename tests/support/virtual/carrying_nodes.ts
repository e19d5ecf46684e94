/**
 * A node that carries requests and one that takes them, on virtual time.
 *
 * @module
 */
import { DropCounters } from "../../../lib/base/drop_counters.ts";
import type { NodeId } from "../../../lib/base/ids.ts";
import { CarriedRequests } from "../../../lib/cluster/carry/carried_requests.ts";
import { RequestCarrier } from "../../../lib/cluster/carry/request_carrier.ts";
import type { ClusterDrop } from "../../../lib/cluster/drop_reasons.ts";
import type { ProtocolRange } from "../../../lib/cluster/link/link_handshake.ts";
import { LinkNetwork, type LinkWeather } from "./link_network.ts";
import { settle, VirtualPlatform } from "./virtual_platform.ts";

/** The one that carries, and the one that takes. */
export const A = "ND_a" as NodeId;
export const B = "ND_b" as NodeId;
export const SECRET: Uint8Array<ArrayBuffer> = new TextEncoder().encode("of the cluster");

type Answer = ConstructorParameters<typeof CarriedRequests>[0]["answer"];

/** How they differ from two that understand each other on a good line. */
export interface CarryingOptions {
  readonly weather?: Partial<LinkWeather>;
  readonly secretOfA?: Uint8Array<ArrayBuffer>;
  /** What each of the two offers. */
  readonly speaks?: { readonly a?: ProtocolRange; readonly b?: ProtocolRange };
}

/** Both nodes; a test says what is answered. */
export abstract class CarryingNodes {
  readonly platform = new VirtualPlatform(5);
  readonly network: LinkNetwork;
  readonly counters = new DropCounters<ClusterDrop>();
  readonly taking: CarriedRequests;
  readonly carrier: RequestCarrier;

  constructor({ weather = {}, secretOfA = SECRET, speaks = {} }: CarryingOptions = {}) {
    const { platform, counters } = this;
    this.network = new LinkNetwork(platform, weather);
    this.taking = new CarriedRequests({
      platform,
      counters,
      node: B,
      secret: SECRET,
      ...(speaks.b === undefined ? {} : { protocol: speaks.b }),
      answer: (request, open) => this.answer(request, open),
    });
    this.carrier = new RequestCarrier({
      platform,
      counters,
      node: A,
      secret: secretOfA,
      dial: this.network.dialFrom(A),
      ...(speaks.a === undefined ? {} : { protocol: speaks.a }),
    });
    this.network.listen("ws://b/cluster/carry", B, (token) => {
      const accepted = this.taking.accept(token);
      return accepted.ok ? accepted.open : undefined;
    });
  }

  async pass(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 5) {
      this.platform.advance(5);
      await settle();
    }
  }

  /** What B answers. */
  protected abstract answer(...said: Parameters<Answer>): ReturnType<Answer>;
}
