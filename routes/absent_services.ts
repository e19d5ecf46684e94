/**
 * The services this server does not have (telephony, and recording where it is off): their methods
 * check grants and bodies as always and then answer as LiveKit does when the workers behind them
 * are missing, so that applications see an error they know, and people read what to do.
 *
 * `Connector` and the other services of LiveKit's cloud are no routes at all, as on its open
 * server.
 *
 * @module
 */
import type { AnyMessage, MessageType } from "@bufbuild/protobuf";
import * as protocol from "@livekit/protocol";
import { relayedError, type TwirpError } from "./twirp_error.ts";
import { needsRoomAdmin, needsRoomRecord, needsSipAdmin, needsSipCall } from "./twirp_grants.ts";
import type { TwirpAccess, TwirpCall, TwirpMethod, TwirpService } from "./twirp.ts";

type Grant = TwirpAccess["grant"];

/** What is not there, by LiveKit's word for it, and why. */
const WHY = {
  egress: "nothing is recorded here before recording.directory is set",
  sip: "there is no telephony here",
} as const;

const EGRESS: Readonly<Record<string, unknown>> = {
  StartEgress: protocol.StartEgressRequest,
  StartRoomCompositeEgress: protocol.RoomCompositeEgressRequest,
  StartWebEgress: protocol.WebEgressRequest,
  StartParticipantEgress: protocol.ParticipantEgressRequest,
  StartTrackCompositeEgress: protocol.TrackCompositeEgressRequest,
  StartTrackEgress: protocol.TrackEgressRequest,
  UpdateLayout: protocol.UpdateLayoutRequest,
  UpdateStream: protocol.UpdateStreamRequest,
  ListEgress: protocol.ListEgressRequest,
  StopEgress: protocol.StopEgressRequest,
};

const SIP: Readonly<Record<string, unknown>> = {
  ListSIPTrunk: protocol.ListSIPTrunkRequest,
  CreateSIPInboundTrunk: protocol.CreateSIPInboundTrunkRequest,
  CreateSIPOutboundTrunk: protocol.CreateSIPOutboundTrunkRequest,
  UpdateSIPInboundTrunk: protocol.UpdateSIPInboundTrunkRequest,
  UpdateSIPOutboundTrunk: protocol.UpdateSIPOutboundTrunkRequest,
  GetSIPInboundTrunk: protocol.GetSIPInboundTrunkRequest,
  GetSIPOutboundTrunk: protocol.GetSIPOutboundTrunkRequest,
  ListSIPInboundTrunk: protocol.ListSIPInboundTrunkRequest,
  ListSIPOutboundTrunk: protocol.ListSIPOutboundTrunkRequest,
  DeleteSIPTrunk: protocol.DeleteSIPTrunkRequest,
  CreateSIPDispatchRule: protocol.CreateSIPDispatchRuleRequest,
  UpdateSIPDispatchRule: protocol.UpdateSIPDispatchRuleRequest,
  ListSIPDispatchRule: protocol.ListSIPDispatchRuleRequest,
  DeleteSIPDispatchRule: protocol.DeleteSIPDispatchRuleRequest,
  CreateSIPParticipant: protocol.CreateSIPParticipantRequest,
  TransferSIPParticipant: protocol.TransferSIPParticipantRequest,
};

/** Every service that answers without being there. */
export function absentServices(): readonly TwirpService[] {
  return [
    absent("livekit.Egress", EGRESS, needsRoomRecord, "egress"),
    absent("livekit.SIP", SIP, needsSipAdmin, "sip", {
      CreateSIPParticipant: needsSipCall,
      TransferSIPParticipant: needsSipCall,
    }, {
      TransferSIPParticipant: ({ token }, request) =>
        needsRoomAdmin(token, (request as protocol.TransferSIPParticipantRequest).roomName),
    }),
  ];
}

function absent(
  name: string,
  inputs: Readonly<Record<string, unknown>>,
  usual: Grant,
  what: keyof typeof WHY,
  special: Readonly<Record<string, Grant>> = {},
  checks: Readonly<
    Record<string, (call: TwirpCall, request: AnyMessage) => TwirpError | undefined>
  > = {},
): TwirpService {
  const methods: Record<string, TwirpMethod> = {};
  for (const [method, input] of Object.entries(inputs)) {
    methods[method] = {
      // Every value of the tables above is a message class.
      input: input as MessageType<AnyMessage>,
      grant: special[method] ?? usual,
      carries: "content",
      run: (request, call) => checks[method]?.(call, request) ?? missing(method, what),
    };
  }
  return { name, methods };
}

/** Starting something waits for a worker to take it; the rest needs the store they share. */
function missing(method: string, what: keyof typeof WHY): TwirpError {
  return method.startsWith("Start")
    ? relayedError("unavailable", `no response from servers: ${WHY[what]}`)
    : relayedError("internal", `${what} not connected: ${WHY[what]}`);
}
