/**
 * Ingress as a part of a server: where it is kept, who may publish, and its calls.
 *
 * @module
 */
import { IngressInput, type WebhookEvent } from "@livekit/protocol";
import type { RoomAdmin } from "../admin/room_admin.ts";
import type { NodeId } from "../base/ids.ts";
import type { ClusterDirectory } from "../cluster/directory/cluster_directory.ts";
import { IngressService } from "../ingress/ingress_service.ts";
import { IngressStore } from "../ingress/ingress_store.ts";
import type { RoomObserver } from "../room/context/room_events.ts";
import type { HttpAdmission } from "../signalling/http_sessions.ts";
import { WhipService } from "../signalling/whip_service.ts";
import type { IngressRouteOptions } from "../../routes/ingress.ts";
import { ingressService } from "../../routes/ingress_service.ts";
import type { TwirpService } from "../../routes/twirp.ts";
import { adminLimits } from "./config/room_settings.ts";
import { IngressFile } from "./ingress_file.ts";
import { rtmpEntrance, type RtmpEntranceWorld } from "./rtmp_entrance.ts";
import { webhookEvent } from "./webhooks/webhook_events.ts";

/** Where encoders send RTMP, below the host. */
const RTMP_APP = "live";

/** What ingress is given of its server. */
export interface IngressWorld extends RtmpEntranceWorld {
  readonly nodeId: NodeId;
  /** Absent for a node that is alone. */
  readonly directory: ClusterDirectory | undefined;
  readonly admin: () => RoomAdmin;
  readonly entrance: () => HttpAdmission;
  readonly deliver: (event: WebhookEvent) => void;
}

/** Ingress, as a server has it. */
export interface ServerIngress {
  readonly observer: RoomObserver;
  readonly api: TwirpService;
  routes(): Pick<IngressRouteOptions, "ingresses" | "whip" | "clock">;
  /**
   * Reads what is kept in a file.
   *
   * @throws {SfuError} `invalid_config` if it cannot be used.
   */
  open(): Promise<void>;
  /**
   * Listens where the configuration says so.
   *
   * @throws {SfuError} If it cannot.
   */
  listen(): void;
  close(): void;
}

/** Ingress that does not listen yet. */
export function createServerIngress(world: IngressWorld): ServerIngress {
  const { config, platform, nodeId, directory, deliver } = world;
  const { rtmp_port, rtmp_base_url, whip_base_url, file } = config.ingress;
  const kept = new IngressFile(directory === undefined ? file : "");
  const ingresses = new IngressService({
    platform,
    nodeId,
    store: new IngressStore(directory?.shelf ?? kept.shelf),
    limits: {
      ...adminLimits(config),
      maxParticipantIdentityLength: config.limit.max_participant_identity_length,
    },
    hasRtmp: rtmp_port !== 0,
    urlOf: (input, origin) =>
      input === IngressInput.RTMP_INPUT
        ? rtmp_base_url || rtmpUrl(origin, rtmp_port)
        : whip_base_url || `${origin}/w`,
    admin: world.admin,
    isAlive: async (node) => {
      const nodes = await directory?.nodes() ?? [];
      return nodes.some((other) => other.nodeId === node);
    },
    tell: (event, info) => deliver(webhookEvent(event, { ingressInfo: info }, platform)),
  });
  let whip: WhipService | undefined;
  const service = () => whip ??= new WhipService(world.rooms(), world.entrance());
  const rtmp = rtmpEntrance(world, ingresses, service);
  return {
    observer: ingresses,
    api: ingressService(ingresses),
    routes: () => ({ ingresses, whip: service(), clock: platform.clock }),
    open: () => kept.open(),
    listen: () => rtmp.listen(),
    close: () => rtmp.close(),
  };
}

/** At the host at which the server API was reached. */
function rtmpUrl(origin: string, port: number): string {
  const { hostname } = new URL(origin);
  return `rtmp://${hostname}${port === 1935 ? "" : `:${port}`}/${RTMP_APP}`;
}
