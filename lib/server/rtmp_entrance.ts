/**
 * RTMP as a part of a server: where it listens, and what its connections are given.
 *
 * @module
 */
import type { DropSink } from "../base/drop_counters.ts";
import type { Platform } from "../base/platform.ts";
import type { IngressService } from "../ingress/ingress_service.ts";
import { RtmpConnections } from "../ingress/rtmp_connections.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import type { WhipService } from "../signalling/whip_service.ts";
import type { Config } from "./config/config_parsing.ts";
import type { AnyDrop } from "./drop_reasons.ts";
import { soundTranscoders } from "./ffmpeg/sound_transcoders.ts";
import { listenRtmp, type RtmpListener } from "./rtmp_listener.ts";

/** What it is given of its server. */
export interface RtmpEntranceWorld {
  readonly config: Config;
  readonly platform: Platform;
  readonly counters: DropSink<AnyDrop>;
  readonly rooms: () => LocalRooms;
}

/** RTMP, where the configuration says so; it does not listen yet. */
export function rtmpEntrance(
  { config, platform, counters, rooms }: RtmpEntranceWorld,
  ingresses: IngressService,
  whip: () => WhipService,
): { listen(): void; close(): void } {
  const { bind_addresses, limit, ingress } = config;
  const { rtmp_port, rtmp_connections, rtmp_connections_per_address, audio_transcoders } = ingress;
  const connections = new RtmpConnections({
    platform,
    ingresses,
    whip,
    limits: {
      maxRoomNameLength: limit.max_room_name_length,
      maxParticipantIdentityLength: limit.max_participant_identity_length,
    },
    counters,
    ...(audio_transcoders === 0
      ? {}
      : { transcode: soundTranscoders(audio_transcoders, platform) }),
    send: (connection, packets) =>
      rooms().context.router.send({ type: "source_packets", connection, packets }),
  }, { connections: rtmp_connections, perAddress: rtmp_connections_per_address });
  let listener: RtmpListener | undefined;
  return {
    listen: () => {
      if (rtmp_port === 0) return;
      listener = listenRtmp(connections, bind_addresses, rtmp_port);
      platform.log.info("listening for RTMP", { port: listener.port });
    },
    close: () => {
      listener?.close();
      connections.close();
    },
  };
}
