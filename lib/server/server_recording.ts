/**
 * Recording as a part of a server: the folder, the service, and its calls.
 *
 * @module
 */
import type { RoomAdminOptions } from "../admin/room_admin.ts";
import { checkRoomEgress } from "../egress/egress_plan.ts";
import type { WebhookEvent } from "@livekit/protocol";
import type { NodeId } from "../base/ids.ts";
import type { Platform } from "../base/platform.ts";
import { EgressCalls, type EgressPeers } from "../egress/egress_calls.ts";
import {
  type EgressShelf,
  LostEgresses,
  type LostEgressesOptions,
} from "../egress/lost_egresses.ts";
import type { TextShelf } from "../ingress/text_shelf.ts";
import type { RoomDirectory } from "../room/room_directory.ts";
import { EgressService } from "../egress/egress_service.ts";
import type { EngineRouter } from "../room/context/engine_router.ts";
import { describeError } from "../room/context/close_reason.ts";
import type { RoomObserver } from "../room/context/room_events.ts";
import type { LocalRooms } from "../room/local_rooms.ts";
import { egressService } from "../../routes/egress_service.ts";
import type { TwirpService } from "../../routes/twirp.ts";
import type { Config } from "./config/config_parsing.ts";
import { openPlaces, recordingComposer, recordingPlaces } from "./storage/configured_places.ts";
import { mendRecordings } from "./storage/recording_mender.ts";
import { webhookEvent } from "./webhooks/webhook_events.ts";

/** A disk that hangs is waited for no longer when the server ends, ms. */
const CLOSE_MS = 3_000;

/** What recording is given of its server. */
export interface RecordingWorld {
  readonly config: Config;
  readonly platform: Platform;
  readonly router: EngineRouter;
  readonly rooms: () => LocalRooms;
  readonly deliver: (event: WebhookEvent) => void;
  readonly nodeId: NodeId;
  /** What nodes keep together; absent for a node that is alone. */
  readonly shelf: TextShelf | undefined;
  /** Rooms wherever they are. */
  readonly known: () => RoomDirectory;
  readonly peers: () => EgressPeers | undefined;
}

/** Recording, as a server has it. */
export interface ServerRecording {
  readonly observer: RoomObserver;
  readonly api: TwirpService;
  /** Does what another node asks for; `undefined` if that is nothing of recordings. */
  readonly answerCall: EgressCalls["answer"];
  /** What rooms may ask for. */
  readonly rules: Pick<RoomAdminOptions, "checkEgress">;
  /**
   * Makes the folder if it is not there.
   *
   * @throws {SfuError} `invalid_config` if it cannot be used.
   */
  open(): void;
  /** Bytes on the disk that no bucket has yet. */
  waitingBytes(): number;
  /** Ends what runs, and waits until it is kept. */
  close(): Promise<void>;
}

/** Recording that is not open yet; absent without a folder for it. */
export function createServerRecording(world: RecordingWorld): ServerRecording | undefined {
  const { config: { recording }, platform, router, rooms, deliver } = world;
  if (recording.directory === "") return undefined;
  let isClosed = false;
  const composer = recordingComposer(world.config, platform);
  const storage = recordingPlaces(world.config, platform);
  const lost = lostEgresses(world, storage.egresses, {
    goOn: async (info) => {
      const next = await calls.goOn(info);
      if ("egressId" in next) return next.egressId;
      const { log } = platform;
      log.info("nothing goes on with a recording", { egress: info.egressId, why: next.message });
      return "";
    },
    lost: (info) => service.lost(info),
    takenOver: (id) => service.standDown(id),
  });
  const service: EgressService = new EgressService({
    platform,
    router,
    storage,
    composer,
    uploadTo: (target) => storage.uploadTo(target),
    returnMs: recording.return_wait,
    maxMs: recording.max_duration,
    maxBytes: recording.max_size,
    rooms,
    noted: (info) => lost.note(info),
    ...(world.shelf === undefined ? {} : {
      isRecordedElsewhere: (request) => calls.isRecordedElsewhere(request),
    }),
    tell: (event, info) => deliver(webhookEvent(event, { egressInfo: info }, platform)),
  });
  const calls = new EgressCalls({ service, rooms: world.known, peers: world.peers });
  return {
    observer: service,
    api: egressService(calls),
    answerCall: (call) => calls.answer(call),
    rules: { checkEgress: checkRoomEgress },
    open: () => {
      openPlaces(storage, recording.directory);
      composer?.open();
      // Behind everything else: a folder may hold years.
      mendRecordings(recording.directory, platform.log, () => isClosed).catch((error) => {
        platform.log.warn("recordings were not looked at", { why: describeError(error) });
      });
    },
    waitingBytes: () => storage.waitingBytes,
    close: async () => {
      isClosed = true;
      composer?.close();
      const late = Promise.withResolvers<void>();
      const cancel = platform.timers.after(CLOSE_MS, late.resolve);
      await Promise.race([service.close().then(() => lost.close()), late.promise]);
      cancel();
    },
  };
}

/** @param files Where a node that is alone keeps what others keep together. */
function lostEgresses(
  { platform, nodeId, shelf, peers }: RecordingWorld,
  files: EgressShelf,
  acts: Pick<LostEgressesOptions, "goOn" | "lost" | "takenOver">,
): LostEgresses {
  return new LostEgresses({
    platform,
    self: nodeId,
    shelf: shelf === undefined ? files : {
      all: () => shelf.all("egress"),
      get: (id) => shelf.get("egress", id),
      put: (id, text, over) => shelf.put("egress", id, text, over),
      remove: (id) => shelf.remove("egress", id),
    },
    ...(shelf === undefined ? {} : { others: () => peers()?.others() ?? [] }),
    ...acts,
  });
}
