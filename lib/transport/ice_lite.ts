/**
 * The ICE agent of one session: lite and always controlled (RFC 8445 §2.5). It answers the client's
 * checks and sends on the path the client nominated; it never checks anything itself.
 *
 * Contract: a path belongs to the session only after a request with valid MESSAGE-INTEGRITY came over
 * it; the listener is called after the answer was sent; after `close` or `onFailed` it is not called
 * again. A lost session lives on for a while, so that an ICE restart (RFC 8445 §9) or the old path
 * can bring it back. A send over TCP may find its connection dead, so `onPathSelected` can come from
 * within `send`.
 * Sans-IO: `now` is an argument, and `nextWakeAt` says when `tick` has something to do.
 *
 * @module
 */
import type { DropCounters } from "../base/drop_counters.ts";
import type { IceCredentials } from "../base/media_vocabulary.ts";
import { parseIpAddress } from "../wire/ip_address.ts";
import {
  MAX_ANSWER_BYTES,
  type StunErrorCode,
  type StunMac,
  writeBindingError,
  writeBindingSuccess,
} from "../wire/stun.ts";
import type { IceDirectory, LocalCredential, ProvenRequest } from "./ice_directory.ts";
import { IceSilence, INTERRUPTED_AFTER_MS } from "./ice_silence.ts";
import type { NetworkPath, PathOwner, PathValidator } from "./network_path.ts";
import { stunKey } from "./stun_key.ts";

/** A path without a check for this long lost its consent (RFC 7675 §5.1) and is forgotten, ms. */
export const PATH_EXPIRY_MS = 30_000;
/** Paths of one session: a client with four interfaces, two families, UDP and TCP. */
export const MAX_PATHS = 16;
/** Sets of local credentials alive at once: the nominated one and restarts not yet followed. */
const MAX_GENERATIONS = 4;
/** Remote ufrags accepted per set: the client may restart before our side does. */
const MAX_REMOTE_UFRAGS = 4;
/** A selected path silent this long gives way to any nomination, ms: above Chromium's 2.5 s checks. */
const SELECTED_SILENT_MS = 3_000;
/** Requests that must nominate a worse path, with none for the selected one between, to move there. */
const CLAIMS_TO_MOVE = 2;

/** What an agent tells its session. */
export interface IceListener {
  /** Send here from now on. Called for the first path, and whenever it changes. */
  onPathSelected(path: NetworkPath): void;
  /** No valid request for a while (see `ice_silence.ts`). */
  onInterrupted(): void;
  /**
   * No valid request for so long that only the client can mend it; once more after each restart
   * that it does not follow.
   */
  onLost(): void;
  /** Requests came (back) after `onInterrupted` or `onLost`. */
  onResumed(): void;
  /** {@linkcode IceLiteAgent.tick} has something to do at `at`, perhaps sooner than before. */
  onTimed(at: number): void;
  /** Final: the agent has let go of all paths and credentials. */
  onFailed(): void;
}

/** What an agent is made of. */
export interface IceLiteOptions {
  readonly directory: IceDirectory;
  readonly local: IceCredentials;
  /** Gets what arrives on validated paths. */
  readonly owner: PathOwner;
  readonly listener: IceListener;
  readonly drops: DropCounters;
  /** Monotonic ms; the wait for the first request counts from here. */
  readonly now: number;
}

/** One set of local credentials; a higher index is a later restart. */
class Generation implements LocalCredential {
  readonly ufrag: string;
  readonly mac: StunMac;
  readonly remoteUfrags: string[] = [];

  constructor(local: IceCredentials, readonly index: number, readonly agent: IceLiteAgent) {
    this.ufrag = local.ufrag;
    this.mac = stunKey(local.pwd);
  }
}

/** What the agent remembers of one path. */
interface PathRecord {
  readonly path: NetworkPath;
  /** The remote address as the answers carry it. */
  readonly address: Uint8Array;
  lastStunAt: number;
  /** Of the last request on it. */
  priority: number;
  /** Highest generation a request on it was made under. */
  generation: number;
  nominated: boolean;
  /** Nominations of this path since the selected one was last nominated; retransmissions count once. */
  claims: number;
  claimTag: number;
}

/** See the module's contract. */
export class IceLiteAgent implements PathValidator {
  readonly #directory: IceDirectory;
  readonly #owner: PathOwner;
  readonly #listener: IceListener;
  readonly #drops: DropCounters;
  readonly #answer = new Uint8Array(MAX_ANSWER_BYTES);
  /** Oldest first; never empty before close. */
  #generations: Generation[] = [];
  #nextIndex = 0;
  #paths: PathRecord[] = [];
  #selected: PathRecord | undefined;
  readonly #silence: IceSilence;
  #isClosed = false;

  constructor(options: IceLiteOptions) {
    this.#directory = options.directory;
    this.#owner = options.owner;
    this.#listener = options.listener;
    this.#drops = options.drops;
    this.#silence = new IceSilence(options.now);
    this.restart(options.local, options.now);
  }

  /** Where to send; `undefined` before the first valid request and when all paths closed. */
  get selectedPath(): NetworkPath | undefined {
    return this.#selected?.path;
  }

  /** Whether the client nominated the selected path, rather than it being the first that was valid. */
  get isNominated(): boolean {
    return this.#selected?.nominated ?? false;
  }

  /** Number of validated paths. */
  get pathCount(): number {
    return this.#paths.length;
  }

  /**
   * Adds local credentials (ICE restart, RFC 8445 §9). Earlier ones keep working until the client
   * first nominates a path under these. The client gets its full time anew to be heard. The same
   * ufrag again changes nothing.
   */
  restart(local: IceCredentials, now: number): void {
    if (this.#isClosed) return;
    if (this.#generations.some((generation) => generation.ufrag === local.ufrag)) return;
    this.#silence.restarted(now);
    const generation = new Generation(local, this.#nextIndex++, this);
    this.#directory.add(generation);
    this.#generations.push(generation);
    if (this.#generations.length > MAX_GENERATIONS) {
      // Keep the first, which the client may still use, and the latest restarts.
      this.#directory.delete(this.#generations.splice(1, 1)[0]!);
    }
  }

  /**
   * Tells the client's ufrag. From then on requests under the newest credentials must name it (or one
   * told before); until then any is accepted, as checks may overtake the description.
   */
  setRemote(remote: IceCredentials): void {
    const ufrags = this.#generations.at(-1)?.remoteUfrags;
    if (ufrags === undefined || ufrags.includes(remote.ufrag)) return;
    ufrags.push(remote.ufrag);
    if (ufrags.length > MAX_REMOTE_UFRAGS) ufrags.shift();
  }

  /** Sends on the selected path; `false` without one, or if the path did not take it. */
  send(bytes: Uint8Array, length: number): boolean {
    return this.#selected?.path.send(bytes, length) ?? false;
  }

  /** For the {@linkcode IceDirectory}: a request proven to come from this session's client. */
  receiveRequest(request: ProvenRequest, now: number): void {
    const { message, origin } = request;
    const generation = this.#generations.find((known) => known === request.credential);
    if (generation === undefined) return;
    const remoteUfrags = generation.remoteUfrags;
    if (remoteUfrags.length > 0 && !remoteUfrags.includes(request.remoteUfrag)) {
      return this.#drops.count("stun_unknown_remote_ufrag");
    }
    const holder = origin.path?.validator;
    if (holder !== undefined && holder !== this && holder.holds(origin.path!, now)) {
      // A participant with a forged source address must not divert another one's media.
      return this.#drops.count("stun_path_of_another_session");
    }
    if (message.unknownRequired.length > 0) return this.#refuse(request, generation, 420);
    // A lite agent never becomes controlling, so the conflict is the client's to resolve.
    if (message.controlled) return this.#refuse(request, generation, 487);
    const known = origin.path === undefined ? undefined : this.#find(origin.path);
    const address = known?.address ?? parseIpAddress(origin.remote.hostname);
    if (address === undefined) return this.#drops.count("stun_bad_source");
    const port = origin.remote.port;
    const length = writeBindingSuccess(this.#answer, request.bytes, address, port, generation.mac);
    if (!this.#answerTo(request, length)) return;
    const record = known ?? this.#adopt(origin.path ?? origin.openPath(), address, now);
    this.#learn(record, request, generation, now);
    this.#listener.onTimed(this.nextWakeAt());
  }

  /** {@inheritDoc PathValidator.holds} */
  holds(path: NetworkPath, now: number): boolean {
    const record = this.#find(path);
    return record !== undefined && now - record.lastStunAt < INTERRUPTED_AFTER_MS;
  }

  /** {@inheritDoc PathValidator.pathClosed} */
  pathClosed(path: NetworkPath): void {
    const record = this.#find(path);
    if (record === undefined) return;
    this.#detach(record);
    if (record === this.#selected) this.#selectFreshest();
  }

  /** Carries out what is due at `now`: interruption, loss, release, expiry of paths. */
  tick(now: number): void {
    if (this.#isClosed) return;
    const due = this.#silence.due(now);
    if (due === "released") return this.#fail();
    if (due === "lost") this.#listener.onLost();
    if (due === "interrupted") this.#listener.onInterrupted();
    if (this.#isClosed) return;
    let lostSelected = false;
    for (const record of this.#paths.slice()) {
      if (now - record.lastStunAt < PATH_EXPIRY_MS) continue;
      this.#drop(record);
      lostSelected ||= record === this.#selected;
    }
    if (lostSelected) this.#selectFreshest();
  }

  /** When `tick` next has something to do, monotonic ms; `Infinity` when closed. */
  nextWakeAt(): number {
    if (this.#isClosed) return Infinity;
    let at = this.#silence.nextWakeAt();
    for (const record of this.#paths) at = Math.min(at, record.lastStunAt + PATH_EXPIRY_MS);
    return at;
  }

  /** Lets go of all paths and credentials, without a word to the listener. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    for (const generation of this.#generations) this.#directory.delete(generation);
    this.#generations = [];
    for (const record of this.#paths.slice()) this.#drop(record);
    this.#selected = undefined;
  }

  #fail(): void {
    this.close();
    this.#listener.onFailed();
  }

  #refuse(request: ProvenRequest, generation: Generation, code: StunErrorCode): void {
    this.#drops.count(`stun_refused_${code}`);
    const { bytes, message } = request;
    const unknown = message.unknownRequired;
    this.#answerTo(request, writeBindingError(this.#answer, bytes, code, unknown, generation.mac));
  }

  /**
   * Sends the answer, unless it is longer than the request and the address has not proved itself: a
   * replayed request must not amplify. Requests of real clients are always longer.
   */
  #answerTo(request: ProvenRequest, length: number): boolean {
    if (length > request.length && request.origin.path === undefined) {
      this.#drops.count("stun_would_amplify");
      return false;
    }
    request.origin.reply(this.#answer, length);
    return true;
  }

  #learn(
    record: PathRecord,
    { message }: ProvenRequest,
    generation: Generation,
    now: number,
  ): void {
    record.lastStunAt = now;
    record.priority = message.priority;
    record.generation = Math.max(record.generation, generation.index);
    if (this.#silence.heard(now)) this.#listener.onResumed();
    // The listener may have closed the agent.
    if (this.#isClosed) return;
    if (message.useCandidate) {
      if (generation === this.#generations.at(-1)) this.#retireBefore(generation);
      this.#nominate(record, message.transactionTag, now);
    } else if (this.#selected === undefined) this.#select(record);
  }

  /** Makes `path` ours; the stalest other path goes if there are too many. */
  #adopt(path: NetworkPath, address: Uint8Array, now: number): PathRecord {
    path.validator?.pathClosed(path);
    path.validator = this;
    path.owner = this.#owner;
    const record: PathRecord = {
      path,
      address,
      lastStunAt: now,
      priority: 0,
      generation: 0,
      nominated: false,
      claims: 0,
      claimTag: 0,
    };
    if (this.#paths.length >= MAX_PATHS) {
      let stalest: PathRecord | undefined;
      for (const other of this.#paths) {
        if (other === this.#selected) continue;
        if (stalest === undefined || other.lastStunAt < stalest.lastStunAt) stalest = other;
      }
      this.#drop(stalest!);
      this.#drops.count("ice_path_evicted");
    }
    this.#paths.push(record);
    return record;
  }

  /**
   * Follows the client's nomination. A better path is taken at once (aggressive nomination, where the
   * highest priority wins: RFC 5245 §8.1.1.2, still Firefox's way), a later generation, too. A worse
   * one is taken when the selected path fell silent or the client insists with a second request: so
   * Chromium's move to a worse network is followed within a check or two, and Firefox's one-time
   * nomination of every pair does not make the path flap.
   */
  #nominate(record: PathRecord, tag: number, now: number): void {
    const selected = this.#selected;
    if (record.claims === 0 || record.claimTag !== tag) record.claims++;
    record.claimTag = tag;
    const follows = selected === undefined || selected === record || !selected.nominated ||
      record.generation > selected.generation ||
      (record.generation === selected.generation &&
        (record.priority > selected.priority || record.claims >= CLAIMS_TO_MOVE ||
          now - selected.lastStunAt >= SELECTED_SILENT_MS));
    if (!follows) return;
    for (const other of this.#paths) {
      other.nominated = other === record;
      other.claims = 0;
    }
    if (record !== selected) this.#select(record);
  }

  #select(record: PathRecord): void {
    this.#selected = record;
    this.#listener.onPathSelected(record.path);
  }

  /** After the selected path is gone: the one heard last, until the client nominates again. */
  #selectFreshest(): void {
    let freshest: PathRecord | undefined;
    for (const record of this.#paths) {
      if (freshest === undefined || record.lastStunAt > freshest.lastStunAt) freshest = record;
    }
    this.#selected = undefined;
    if (freshest !== undefined) this.#select(freshest);
  }

  #retireBefore(generation: Generation): void {
    if (this.#generations.length === 1) return;
    for (const old of this.#generations) if (old !== generation) this.#directory.delete(old);
    this.#generations = [generation];
  }

  #find(path: NetworkPath): PathRecord | undefined {
    for (const record of this.#paths) if (record.path === path) return record;
    return undefined;
  }

  #drop(record: PathRecord): void {
    this.#detach(record);
    record.path.close();
  }

  #detach(record: PathRecord): void {
    this.#paths = this.#paths.filter((other) => other !== record);
    record.path.owner = undefined;
    record.path.validator = undefined;
  }
}
