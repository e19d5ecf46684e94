/**
 * Ingresses: what `livekit.Ingress` asks for, who may publish by a stream key, and how each of them
 * is.
 *
 * Contract: a stream key opens nothing but its own ingress, while that is there and enabled. An
 * ingress that is removed or disabled has nobody who publishes by it, on whichever node that is.
 * Who publishes by a key replaces whoever did so before, as any identity does in a room.
 *
 * @module
 */
import {
  type CreateIngressRequest,
  type DeleteIngressRequest,
  DisconnectReason,
  type IngressInfo,
  IngressInput,
  IngressState,
  IngressState_Status as Status,
  type ListIngressRequest,
  ParticipantInfo,
  type Room as RoomInfo,
  RoomParticipantIdentity,
  type UpdateIngressRequest,
} from "@livekit/protocol";
import { AdminFailure } from "../admin/admin_failure.ts";
import type { RoomAdmin } from "../admin/room_admin.ts";
import { SfuError } from "../base/errors.ts";
import { type NodeId, randomId } from "../base/ids.ts";
import type { Platform } from "../base/platform.ts";
import type { RoomObserver } from "../room/context/room_events.ts";
import { type Refusal, refuse } from "../signalling/access_token.ts";
import { changedIngress, type IngressLimits, newIngress } from "./ingress_rules.ts";
import { IngressRun, type Publisher } from "./ingress_run.ts";
import type { IngressStore, StoredState } from "./ingress_store.ts";

/** Names of webhook events. */
export type IngressEvent = "ingress_started" | "ingress_ended";

/** What the service is given. */
export interface IngressServiceOptions {
  readonly platform: Platform;
  readonly nodeId: NodeId;
  readonly store: IngressStore;
  readonly limits: IngressLimits;
  readonly hasRtmp: boolean;
  /** Where an encoder is to send; `origin` is how the server API was reached. */
  readonly urlOf: (input: IngressInput, origin: string) => string;
  /** Ends who publishes on other nodes. */
  readonly admin: () => Pick<RoomAdmin, "removeParticipant">;
  /** Whether that node lives. */
  readonly isAlive: (node: NodeId) => Promise<boolean>;
  readonly tell: (event: IngressEvent, info: IngressInfo) => void;
}

/** Random characters of a stream key, beyond what an id has. */
const KEY_PARTS = 2;
/** The longest key that is looked for, characters. */
const MAX_KEY_CHARS = 64;
/** A key that opens nothing is looked for again after so long, ms. */
const UNKNOWN_MS = 2_000;
/** Such keys that are remembered. */
const MAX_UNKNOWN = 1_000;
/** That an ingress's key was used in vain is told no more often, ms. */
const REFUSED_MS = 10_000;

/** The ingresses of a server, and who publishes by them on this node. */
export class IngressService implements RoomObserver {
  readonly #options: IngressServiceOptions;
  /** By the participant's sid. */
  readonly #runs = new Map<string, IngressRun>();
  /** Keys that opened nothing, and until when they are not looked for; in that order. */
  readonly #unknown = new Map<string, number>();
  /** Until when it is not told that an ingress's key was used in vain; in that order. */
  readonly #refused = new Map<string, number>();

  constructor(options: IngressServiceOptions) {
    this.#options = options;
  }

  async create(
    request: CreateIngressRequest,
    origin: string,
  ): Promise<IngressInfo | AdminFailure> {
    const { limits, hasRtmp, platform: { random }, store } = this.#options;
    const made = newIngress(request, limits, hasRtmp);
    if (made instanceof AdminFailure) return made;
    made.ingressId = randomId(random, "IN_");
    made.streamKey = Array.from({ length: KEY_PARTS }, () => randomId(random, "")).join("");
    return await this.#reached(async () =>
      await store.put(made)
        ? this.#shown(made, undefined, origin)
        : new AdminFailure("resource_exhausted", "there are too many ingresses")
    );
  }

  async update(
    request: UpdateIngressRequest,
    origin: string,
  ): Promise<IngressInfo | AdminFailure> {
    const { limits, store } = this.#options;
    return await this.#reached(async () => {
      const known = await store.find(request.ingressId);
      if (known === undefined) return notFound();
      const changed = changedIngress(known, request, limits);
      if (changed instanceof AdminFailure) return changed;
      if (!await store.change(changed)) return notFound();
      if (changed.enabled === false) await this.#end(known);
      return this.#shown(changed, await store.state(known.ingressId), origin);
    });
  }

  async list(
    { roomName, ingressId }: Pick<ListIngressRequest, "roomName" | "ingressId">,
    origin: string,
  ): Promise<IngressInfo[] | AdminFailure> {
    const { store } = this.#options;
    return await this.#reached(async () => {
      const one = ingressId === "" ? undefined : await store.find(ingressId);
      const all = ingressId === "" ? await store.all() : one === undefined ? [] : [one];
      const found = all.filter((info) => roomName === "" || info.roomName === roomName);
      if (one !== undefined && found.length > 0) {
        return [await this.#shown(one, await store.state(ingressId), origin)];
      }
      const states = await store.states();
      return await Promise.all(
        found.map((info) => this.#shown(info, states.get(info.ingressId), origin)),
      );
    });
  }

  async remove(
    { ingressId }: Pick<DeleteIngressRequest, "ingressId">,
    origin: string,
  ): Promise<IngressInfo | AdminFailure> {
    const { store } = this.#options;
    return await this.#reached(async () => {
      const known = await store.find(ingressId);
      if (known === undefined) return notFound();
      // First the key, so that nobody comes back while who is here ends.
      await store.shelf.remove("ingress-key", known.streamKey);
      await this.#end(known);
      await store.remove(known);
      return this.#shown(known, undefined, origin);
    });
  }

  /** The ingress that a stream key opens now, or why none. */
  async opened(key: string, input: IngressInput): Promise<IngressInfo | Refusal> {
    const none = refuse(404, "there is no ingress with this stream key");
    if (key === "" || key.length > MAX_KEY_CHARS) return none;
    const { store, platform: { clock } } = this.#options;
    forgetUntil(this.#unknown, clock.now());
    if (this.#unknown.has(key)) return none;
    let info: IngressInfo | undefined;
    try {
      info = await store.byKey(key);
    } catch (error) {
      if (!(error instanceof SfuError)) throw error;
      return { ...refuse(503, "ingresses cannot be asked for now"), retryAfterS: 1 };
    }
    if (info === undefined) {
      const isRoom = this.#unknown.size < MAX_UNKNOWN;
      if (isRoom && !this.#unknown.has(key)) this.#unknown.set(key, clock.now() + UNKNOWN_MS);
      return none;
    }
    if (info.inputType !== input) {
      return refuse(400, `this stream key is for ${IngressInput[info.inputType]}`);
    }
    if (info.enabled === false) return refuse(403, "this ingress is disabled");
    if (info.roomName === "") return refuse(400, "this ingress has no room name");
    if (info.participantIdentity === "") {
      return refuse(400, "this ingress has no participant identity");
    }
    return info;
  }

  /**
   * Somebody publishes by an ingress from now on.
   *
   * @returns The publishing, and what is to be called when its participant has ended.
   */
  began(
    info: IngressInfo,
    roomSid: string,
    publisher: Publisher,
  ): { readonly run: IngressRun; readonly end: () => void } {
    const { platform: { clock, log } } = this.#options;
    const run = new IngressRun(info, roomSid, publisher, clock);
    this.#runs.set(run.resource, run);
    log.info("ingress began", { ingress: info.ingressId, participant: run.resource });
    this.#keep(run, true);
    this.#changed(run);
    this.#confirm(run);
    return { run, end: () => this.#ended(run, "") };
  }

  /** It cannot go on, for this reason; its participant is to be ended by the caller. */
  failed(run: IngressRun, error: string): void {
    this.#ended(run, error);
  }

  /** Something of what it publishes is left out, for this reason. */
  noted(run: IngressRun, words: string): void {
    if (run.hasEnded) return;
    run.note(words);
    this.#keep(run, false);
  }

  /** The ingress as it was when this publishing of it began, if that is one of this node. */
  publishedBy({ ingressId }: IngressInfo, sid: string): IngressInfo | undefined {
    const run = this.#runs.get(sid);
    return run?.info.ingressId === ingressId ? run.info : undefined;
  }

  /** Somebody with the ingress's key sends what cannot be published; told now and then. */
  refused(info: IngressInfo, error: string): void {
    const { platform: { clock, random } } = this.#options;
    forgetUntil(this.#refused, clock.now());
    if (this.#refused.has(info.ingressId)) return;
    // Who publishes meanwhile is what the state is about.
    if ([...this.#runs.values()].some((run) => run.info.ingressId === info.ingressId)) return;
    const run = new IngressRun(info, "", nobody(randomId(random, "PA_")), clock);
    run.ended(error);
    this.#refused.set(info.ingressId, clock.now() + REFUSED_MS);
    this.#keep(run, true);
    this.#tell("ingress_ended", run);
  }

  participantJoined(_room: RoomInfo, { sid }: ParticipantInfo): void {
    this.#changed(this.#runs.get(sid));
  }

  trackPublished(_room: RoomInfo, { sid }: ParticipantInfo): void {
    this.#changed(this.#runs.get(sid));
  }

  trackUnpublished(_room: RoomInfo, { sid }: ParticipantInfo): void {
    this.#changed(this.#runs.get(sid));
  }

  #changed(run: IngressRun | undefined): void {
    if (run === undefined || run.hasEnded) return;
    const starts = run.changed();
    this.#keep(run, false);
    if (starts) this.#tell("ingress_started", run);
  }

  #ended(run: IngressRun, error: string): void {
    if (run.hasEnded) return;
    run.ended(error);
    this.#runs.delete(run.resource);
    this.#keep(run, false);
    const state = run.state();
    const status = Status[state.status];
    this.#options.platform.log.info("ingress ended", {
      ingress: run.info.ingressId,
      status,
      error: state.error,
    });
    const isFault = state.status === Status.ENDPOINT_ERROR;
    if (run.hasStarted || isFault) this.#tell("ingress_ended", run);
  }

  /** It may have been removed while its publisher came in. */
  #confirm(run: IngressRun): void {
    const { store, platform: { log } } = this.#options;
    const { info } = run;
    store.byKey(info.streamKey).then((known) => {
      if (known !== undefined && known.enabled !== false) return;
      run.publisher.close(DisconnectReason.PARTICIPANT_REMOVED, "none");
    }).catch((error) => log.warn("ingress could not be confirmed", { error: String(error) }));
  }

  /** Ends who publishes, here or on another node. */
  async #end({ ingressId }: IngressInfo): Promise<void> {
    for (const run of [...this.#runs.values()]) {
      if (run.info.ingressId !== ingressId) continue;
      run.publisher.close(DisconnectReason.PARTICIPANT_REMOVED, "none");
    }
    const { store, nodeId, admin } = this.#options;
    const stored = await store.state(ingressId);
    if (stored === undefined || stored.node === nodeId || !isRunning(stored.state)) return;
    // It may be gone by now.
    const { room, identity } = stored;
    await admin().removeParticipant(new RoomParticipantIdentity({ room, identity }));
  }

  /** As applications see it. */
  async #shown(
    known: IngressInfo,
    stored: StoredState | undefined,
    origin: string,
  ): Promise<IngressInfo> {
    const info = known.clone();
    info.url = this.#options.urlOf(info.inputType, origin);
    info.state = await this.#stateOf(info.ingressId, stored);
    return info;
  }

  async #stateOf(id: string, stored: StoredState | undefined): Promise<IngressState> {
    const runs = [...this.#runs.values()].filter(({ info }) => info.ingressId === id);
    const state = runs.at(-1)?.state() ?? stored?.state.clone() ?? new IngressState();
    if (stored === undefined || runs.length > 0 || !isRunning(state)) return state;
    // Who died with its node could not say so.
    const { nodeId, isAlive } = this.#options;
    if (stored.node !== nodeId && await isAlive(stored.node)) return state;
    state.status = Status.ENDPOINT_INACTIVE;
    state.tracks = [];
    return state;
  }

  #keep(run: IngressRun, isNew: boolean): void {
    const { store, nodeId, platform: { log } } = this.#options;
    store.setState(run.info, nodeId, run.state(), isNew).catch((error) => {
      log.warn("the state of an ingress could not be kept", { error: String(error) });
    });
  }

  /** The key is its owner's secret, and receivers of webhooks are not. */
  #tell(event: IngressEvent, run: IngressRun): void {
    const info = run.info.clone();
    info.streamKey = "";
    info.state = run.state();
    this.#options.tell(event, info);
  }

  async #reached<T>(ask: () => Promise<T | AdminFailure>): Promise<T | AdminFailure> {
    try {
      return await ask();
    } catch (error) {
      if (!(error instanceof SfuError)) throw error;
      return new AdminFailure("unavailable", "ingresses cannot be asked for now");
    }
  }
}

/** Removes what was to be remembered until `now`; `times` stands in order. */
function forgetUntil(times: Map<string, number>, now: number): void {
  for (const [name, until] of times) {
    if (until > now) break;
    times.delete(name);
  }
}

/** Who never came in. */
function nobody(sid: string): Publisher {
  const info = new ParticipantInfo();
  return { sid: sid as Publisher["sid"], tracks: [], active: false, close() {}, info: () => info };
}

function isRunning({ status }: IngressState): boolean {
  return status === Status.ENDPOINT_BUFFERING || status === Status.ENDPOINT_PUBLISHING;
}

function notFound(): AdminFailure {
  return new AdminFailure("not_found", "ingress does not exist");
}
