/**
 * `livekit.Egress`: recordings. What it cannot do it says in words; every call needs `roomRecord`.
 *
 * @module
 */
import type { AnyMessage } from "@bufbuild/protobuf";
import {
  ListEgressRequest,
  StopEgressRequest,
  UpdateLayoutRequest,
  UpdateStreamRequest,
} from "@livekit/protocol";
import { type EgressCalls, START_CALLS, type StartCallName } from "../lib/egress/egress_calls.ts";
import { said } from "./admin_reply.ts";
import { type TwirpAccess, twirpMethod, type TwirpService } from "./twirp.ts";
import { needsRoomRecord } from "./twirp_grants.ts";

const RECORDER: TwirpAccess = { grant: needsRoomRecord, carries: "content" };
const NAMES: TwirpAccess = { grant: needsRoomRecord, carries: "names" };
const NO_LAYOUT = "what is composed here is a grid, so there is no layout to change";
const NO_STREAMS = "recordings are files here: there are no stream outputs to change";

/** The service over `calls`. */
export function egressService(calls: EgressCalls): TwirpService {
  const starting = (name: StartCallName) =>
    twirpMethod<AnyMessage>(
      START_CALLS[name].input,
      RECORDER,
      async (request) => said(await calls.start(name, request)),
    );
  return {
    name: "livekit.Egress",
    methods: {
      StartEgress: starting("StartEgress"),
      StartRoomCompositeEgress: starting("StartRoomCompositeEgress"),
      StartWebEgress: starting("StartWebEgress"),
      StartParticipantEgress: starting("StartParticipantEgress"),
      StartTrackCompositeEgress: starting("StartTrackCompositeEgress"),
      StartTrackEgress: starting("StartTrackEgress"),
      UpdateLayout: twirpMethod(
        UpdateLayoutRequest,
        NAMES,
        async ({ egressId }) => said(await calls.refuse(egressId, NO_LAYOUT)),
      ),
      UpdateStream: twirpMethod(
        UpdateStreamRequest,
        NAMES,
        async ({ egressId }) => said(await calls.refuse(egressId, NO_STREAMS)),
      ),
      ListEgress: twirpMethod(ListEgressRequest, NAMES, (request) => calls.list(request)),
      StopEgress: twirpMethod(
        StopEgressRequest,
        NAMES,
        async (request) => said(await calls.stop(request)),
      ),
    },
  };
}
