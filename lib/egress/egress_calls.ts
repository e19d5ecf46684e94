/**
 * `livekit.Egress` without HTTP, for rooms and recordings wherever they are: a recording is made by
 * a node that serves its room, and each node knows its own.
 *
 * @module
 */
import {
  EgressInfo,
  ListEgressRequest,
  ListEgressResponse,
  ParticipantEgressRequest,
  RoomCompositeEgressRequest,
  StartEgressRequest,
  StopEgressRequest,
  TrackCompositeEgressRequest,
  TrackEgressRequest,
  WebEgressRequest,
} from "@livekit/protocol";
import type { AnyMessage, Message, MessageType } from "@bufbuild/protobuf";
import { AdminFailure, roomNotFound } from "../admin/admin_failure.ts";
import { answerCarried, carryCall } from "../admin/call_carrier.ts";
import type { NodeId } from "../base/ids.ts";
import type { CarriedCall, CarriedReply, RemoteMembers } from "../room/context/node_ports.ts";
import type { RoomDirectory } from "../room/room_directory.ts";
import {
  type EgressPlan,
  planEgress,
  planParticipant,
  planRoom,
  planTrack,
  planTrackComposite,
  planWeb,
} from "./egress_plan.ts";
import { egressNotFound, type EgressService } from "./egress_service.ts";
import { mayGoOn } from "./egress_takeover.ts";

/** The nodes that this one shares its cluster with. */
export interface EgressPeers {
  readonly carrier: Pick<RemoteMembers, "carry">;
  /** Those that live. */
  others(): readonly NodeId[];
  /** Those that serve a room that is served here. */
  sharing(room: string): readonly NodeId[];
}

/** What the calls work on. */
export interface EgressCallsOptions {
  readonly service: EgressService;
  readonly rooms: () => Pick<RoomDirectory, "find">;
  /** Absent for a node that is alone. */
  readonly peers: () => EgressPeers | undefined;
}

/** A call that begins a recording. */
interface StartCall<R extends Message<R>> {
  readonly input: MessageType<R>;
  readonly planOf: (request: R) => EgressPlan | AdminFailure;
}

function starting<R extends Message<R>>(
  input: MessageType<R>,
  planOf: (request: R) => EgressPlan | AdminFailure,
): StartCall<R> {
  return { input, planOf };
}

/** All calls that begin one, by name. */
export const START_CALLS = {
  StartEgress: starting(StartEgressRequest, planEgress),
  StartRoomCompositeEgress: starting(RoomCompositeEgressRequest, planRoom),
  StartWebEgress: starting(WebEgressRequest, planWeb),
  StartParticipantEgress: starting(ParticipantEgressRequest, planParticipant),
  StartTrackCompositeEgress: starting(TrackCompositeEgressRequest, planTrackComposite),
  StartTrackEgress: starting(TrackEgressRequest, planTrack),
} as const;

/** The name of one of {@linkcode START_CALLS}. */
export type StartCallName = keyof typeof START_CALLS;

/** The calls, as SDKs make them. */
export class EgressCalls {
  /** @param hops How often another node has carried the calls that are made of this one. */
  constructor(readonly options: EgressCallsOptions, readonly hops = 0) {}

  /** Begins a recording where its room is. */
  async start(name: StartCallName, request: AnyMessage): Promise<EgressInfo | AdminFailure> {
    const { service, rooms, peers } = this.options;
    // Each takes the messages that it reads itself.
    const { planOf } = START_CALLS[name] as unknown as StartCall<AnyMessage>;
    const plan = planOf(request);
    if (plan instanceof AdminFailure) return plan;
    const found = await rooms().find(plan.roomName);
    const carrier = peers()?.carrier;
    if (found instanceof Array && carrier !== undefined) {
      return await carryCall(carrier, found, name, request, EgressInfo, this.hops);
    }
    return found === undefined ? roomNotFound() : service.start(plan);
  }

  /** Recordings of all nodes that answer. */
  async list(request: ListEgressRequest): Promise<ListEgressResponse> {
    const known = new Map(this.options.service.list(request).map((info) => [info.egressId, info]));
    if (request.egressId === "" || known.size === 0) {
      const answers = await this.#askAll("ListEgress", request, ListEgressResponse);
      for (const answer of answers) {
        if (answer instanceof AdminFailure) continue;
        for (const info of answer.items) {
          if (!known.has(info.egressId)) known.set(info.egressId, info);
        }
      }
    }
    return new ListEgressResponse({ items: [...known.values()] });
  }

  async stop(request: StopEgressRequest): Promise<EgressInfo | AdminFailure> {
    const { service } = this.options;
    if (service.has(request.egressId)) return service.stop(request.egressId);
    const answers = await this.#askAll("StopEgress", request, EgressInfo);
    const isKnown = (answer: EgressInfo | AdminFailure) =>
      !(answer instanceof AdminFailure) || answer.code === "failed_precondition";
    return answers.find(isKnown) ?? egressNotFound();
  }

  /** What cannot be done to any recording, if there is such a one anywhere. */
  async refuse(egressId: string, message: string): Promise<AdminFailure> {
    const { items } = await this.list(new ListEgressRequest({ egressId }));
    return items.length === 0 ? egressNotFound() : new AdminFailure("unimplemented", message);
  }

  /** Whether another node that serves the room records that track, or that participant. */
  async isRecordedElsewhere(
    request: TrackEgressRequest | ParticipantEgressRequest,
  ): Promise<boolean> {
    const { peers } = this.options;
    const nodes = peers()?.sharing(request.roomName) ?? [];
    const name = request instanceof TrackEgressRequest
      ? "FindTrackEgress"
      : "FindParticipantEgress";
    const answers = await this.#ask(nodes, name, request as AnyMessage, EgressInfo);
    return answers.some((answer) => !(answer instanceof AdminFailure));
  }

  /**
   * Goes on with a recording of a node that is gone, at a node that serves its room.
   *
   * @param lost As it was last.
   * @returns The recording that goes on, or why there is none.
   */
  async goOn(lost: EgressInfo): Promise<EgressInfo | AdminFailure> {
    const { service, rooms, peers } = this.options;
    if (!mayGoOn(lost)) return new AdminFailure("failed_precondition", "it was about to end");
    const found = await rooms().find(lost.roomName);
    if (!(found instanceof Array)) {
      return found === undefined ? roomNotFound() : await service.goOn(lost);
    }
    const { carrier, others } = peers() ?? {};
    if (carrier === undefined) return roomNotFound();
    // Who is gone is asked by nobody.
    const nodes = others?.().filter((node) => found.includes(node)) ?? [];
    return await carryCall(carrier, nodes, "GoOnEgress", lost, EgressInfo, this.hops);
  }

  /** Does what another node asks for; `undefined` if that is none of these calls. */
  async answer({ name, bytes, hops }: CarriedCall): Promise<CarriedReply | undefined> {
    const { service } = this.options;
    const calls = new EgressCalls(this.options, hops);
    if (Object.hasOwn(START_CALLS, name)) {
      const { input } = START_CALLS[name as StartCallName] as unknown as StartCall<AnyMessage>;
      const begin = (request: AnyMessage) => calls.start(name as StartCallName, request);
      return await answerCarried(bytes, input, begin);
    }
    switch (name) {
      case "ListEgress":
        return await answerCarried(bytes, ListEgressRequest, (one) => calls.list(one));
      case "StopEgress":
        return await answerCarried(bytes, StopEgressRequest, (one) => calls.stop(one));
      case "GoOnEgress":
        return await answerCarried(bytes, EgressInfo, (one) => service.goOn(one));
      case "FindTrackEgress":
        return await answerCarried(bytes, TrackEgressRequest, (one) => service.recording(one));
      case "FindParticipantEgress":
        return await answerCarried(
          bytes,
          ParticipantEgressRequest,
          (one) => service.recording(one),
        );
      default:
        return undefined;
    }
  }

  async #askAll<I extends Message<I>, O extends Message<O>>(
    name: string,
    request: I,
    output: MessageType<O>,
  ): Promise<(O | AdminFailure)[]> {
    // Whoever carried this here asks the other nodes, too.
    const nodes = this.hops > 0 ? [] : this.options.peers()?.others() ?? [];
    return await this.#ask(nodes, name, request, output);
  }

  async #ask<I extends Message<I>, O extends Message<O>>(
    nodes: readonly NodeId[],
    name: string,
    request: I,
    output: MessageType<O>,
  ): Promise<(O | AdminFailure)[]> {
    const carrier = this.options.peers()?.carrier;
    if (carrier === undefined) return [];
    return await Promise.all(
      nodes.map((node) => carryCall(carrier, [node], name, request, output, this.hops)),
    );
  }
}
