/**
 * The ICE agent of one session: lite and always controlled (RFC 8445 §2.5). It answers the client's
 * checks and sends on the path the client nominated; it looks for no paths itself, but asks whether
 * the client is where a path leads (`path_checks.ts`) before it takes it in place of one that is
 * proven.
 *
 * Contract: a path belongs to the session only after a request with valid MESSAGE-INTEGRITY came
 * over it; {@linkcode IceLiteAgent.mediaPath} is one that is proven, or none; the listener is
 * called after the answer was sent; after `close` or `onFailed` it is not called again. A lost
 * session lives on for a while, so that an ICE restart (RFC 8445 §9) or the old path can bring it
 * back. A send over TCP may find its connection dead, so `onPathSelected` can come from within
 * `send`. Sans-IO: `now` is an argument, and `nextWakeAt` says when `tick` has something to do.
 *
 * @module
 */
import type { DropSink } from "../../base/drop_counters.ts";
import type { IceCredentials } from "../../base/media_vocabulary.ts";
import type { Random } from "../../base/platform.ts";
import { parseIpAddress } from "../../wire/ip_address.ts";
import {
  MAX_ANSWER_BYTES,
  type StunErrorCode,
  writeBindingError,
  writeBindingSuccess,
} from "../../wire/stun.ts";
import type { TransportDrop } from "../drop_reasons.ts";
import type { IceDirectory, ProvenRequest, StunOrigin } from "./ice_directory.ts";
import { type Generation, IceGenerations } from "./ice_generations.ts";
import { DoubtedPath, IcePaths, type PathRecord, shownAt, WantedPath } from "./ice_paths.ts";
import { IceSilence, INTERRUPTED_AFTER_MS } from "./ice_silence.ts";
import { SILENT_MS } from "./moved_clients.ts";
import type { NetworkPath, PathOwner, PathValidator } from "./network_path.ts";
import { PathChecks } from "./path_checks.ts";

/** A path without a check for this long lost its consent (RFC 7675 §5.1) and is forgotten, ms. */
export const PATH_EXPIRY_MS = 30_000;
/** Paths of one session: a client with four interfaces, two families, UDP and TCP. */
export const MAX_PATHS = 16;
/**
 * A selected path silent this long gives way to any nomination, ms: above Chromium's 2.5 s checks
 * (libwebrtc, `p2p/base/p2p_constants.cc`).
 */
const SELECTED_SILENT_MS = 3_000;
/**
 * Whose media came by a path within this is there, ms. Who sends nothing but reports of video sends
 * one in a second at least.
 */
const TALKING_MS = 1_000;
/**
 * A nomination waits so long for its proof before media from elsewhere says more, ms: as long as
 * three checks and their answers take.
 */
const PROOF_MS = 1_000;
/**
 * Requests that must nominate a worse path, with none for the selected one between, to move there.
 */
const CLAIMS_TO_MOVE = 2;
/**
 * …that are so far apart, ms, where the other path is of another protocol: Firefox asks twice, in
 * one segment, as soon as a TCP connection is there, although it stays with UDP; Chromium, which
 * means it, asks again after 480 ms and more.
 */
const CLAIM_SPACING_MS = 300;

/** What an agent is made of. */
export interface IceLiteOptions {
  readonly directory: IceDirectory;
  readonly local: IceCredentials;
  /** Gets what arrives on validated paths. */
  readonly owner: PathOwner;
  readonly listener: IceListener;
  readonly drops: DropSink<TransportDrop>;
  readonly random: Random;
  /** Monotonic ms; the wait for the first request counts from here. */
  readonly now: number;
}

/**
 * Told by an {@linkcode IceLiteAgent} in the order things happened, after the answer was sent, and
 * never again after the agent's end.
 */
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
  /** How long the client's answer to a check of ours took by the selected path, ms. */
  onRoundTrip?(rttMs: number): void;
  /** The agent's `tick` has something to do at `at`, perhaps sooner than before. */
  onTimed(at: number): void;
  /** Final: the agent has let go of all paths and credentials. */
  onFailed(): void;
}

/**
 * One session's agent. `mediaPath` is always a proven path, or none; time is an argument, and
 * nothing is told after `close` or `onFailed`.
 */
export class IceLiteAgent implements PathValidator {
  readonly #owner: PathOwner;
  readonly #listener: IceListener;
  readonly #drops: DropSink<TransportDrop>;
  readonly #answer = new Uint8Array(MAX_ANSWER_BYTES);
  readonly #generations: IceGenerations;
  readonly #paths = new IcePaths();
  #selected: PathRecord | undefined;
  /** The selected path while it is proven. */
  #media: NetworkPath | undefined;
  #wanted: WantedPath | undefined;
  /** When the first of those was nominated that came one after the other without a proof. */
  #claimedAt = -Infinity;
  #doubted: DoubtedPath | undefined;
  readonly #checks: PathChecks;
  readonly #silence: IceSilence;
  /** Whether somebody may have sent on the selected path since it was last proven. */
  #isUsed = false;
  #isClosed = false;

  constructor(options: IceLiteOptions) {
    this.#owner = options.owner;
    this.#listener = options.listener;
    this.#drops = options.drops;
    this.#silence = new IceSilence(options.now);
    const { directory, random } = options;
    this.#generations = new IceGenerations(directory, this);
    this.#checks = new PathChecks(
      directory,
      random,
      () => this.#isUsed,
      (proof, now, rttMs) => this.#proven(proof as PathRecord, now, rttMs),
    );
    this.restart(options.local, options.now);
  }

  /**
   * Where media may be sent: the selected path while the client is known to be there. For who is
   * about to send: consent is kept up then, as it need not be otherwise.
   */
  get mediaPath(): NetworkPath | undefined {
    this.#isUsed = true;
    return this.#media;
  }

  /** The same for who only looks at it. */
  get provenPath(): NetworkPath | undefined {
    return this.#media;
  }

  /** Where to shake hands; `undefined` before the first valid request and when all paths closed. */
  get selectedPath(): NetworkPath | undefined {
    return this.#selected?.path;
  }

  /**
   * Whether the client nominated the selected path, rather than it being the first that was valid.
   */
  get isNominated(): boolean {
    return this.#selected?.nominated ?? false;
  }

  /** Number of validated paths. */
  get pathCount(): number {
    return this.#paths.size;
  }

  /**
   * Adds local credentials (ICE restart, RFC 8445 §9). Earlier ones keep working until the client
   * first nominates a path under these. The client gets its full time anew to be heard. The same
   * ufrag again changes nothing.
   */
  restart(local: IceCredentials, now: number): void {
    if (this.#isClosed || this.#generations.has(local.ufrag)) return;
    this.#silence.restarted(now);
    this.#generations.add(local);
  }

  /**
   * Tells the client's ufrag. From then on requests under the newest credentials must name it (or
   * one told before); until then any is accepted, as checks may overtake the description.
   */
  setRemote(remote: IceCredentials, now: number): void {
    this.#checks.setRemote(remote);
    for (const record of this.#paths.all) this.#checks.requested(record, now, false);
    this.#generations.tellRemote(remote.ufrag);
  }

  /** Sends on the selected path; `false` without one, or if the path did not take it. */
  send(bytes: Uint8Array, length: number): boolean {
    return this.#selected?.path.send(bytes, length) ?? false;
  }

  /** A DTLS handshake was completed all of whose datagrams from here went by `path`. */
  provePath(path: NetworkPath, now: number): void {
    const record = this.#paths.of(path);
    if (record === undefined) return;
    record.provenAt = Math.max(record.provenAt, now);
    this.#updateMedia(now);
  }

  /**
   * Authenticated media, which nobody can say again, came by `path`: the client is alive, unless
   * the packet is a late one.
   *
   * @param isNewest Whether nothing came before that its sender sent later.
   */
  mediaCame(path: NetworkPath, now: number, isNewest: boolean): void {
    const selected = this.#selected;
    if (selected?.path !== path) return this.#mediaCameBeside(path, now, isNewest);
    // It may have waited in a queue of where the client was, and says nothing of where it is.
    if (!isNewest) return;
    selected.heardAt = now;
    if (this.#media === path) selected.mediaAt = now;
    if (this.#silence.isSilent) this.#heard(now);
  }

  /** When the client last answered or sent media by the selected path, monotonic ms. */
  get heardAt(): number {
    return this.#selected === undefined ? -Infinity : shownAt(this.#selected);
  }

  /**
   * Authenticated media came from where nobody was known: the client may have moved there, and is
   * asked. Media follows when it has answered.
   */
  mayHaveMoved(origin: StunOrigin, now: number): void {
    const address = parseIpAddress(origin.remote.hostname);
    const from = this.#selected;
    if (this.#isClosed || from === undefined || address === undefined) return;
    const record = this.#adopt(origin.path ?? origin.openPath(), address, now);
    record.username = from.username;
    record.priority = from.priority;
    record.generation = from.generation;
    this.#seemsAt(record, now);
    this.#checks.send(record, now);
    this.#listener.onTimed(this.nextWakeAt());
  }

  /** For the {@linkcode IceDirectory}: a request proven to come from this session's client. */
  receiveRequest(request: ProvenRequest, now: number): void {
    const { message, origin } = request;
    const generation = this.#generations.of(request.credential);
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
    const known = origin.path === undefined ? undefined : this.#paths.of(origin.path);
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
    const record = this.#paths.of(path);
    return record !== undefined && now - record.heardAt < INTERRUPTED_AFTER_MS;
  }

  /** {@inheritDoc PathValidator.pathClosed} */
  pathClosed(path: NetworkPath): void {
    const record = this.#paths.of(path);
    if (record === undefined) return;
    this.#detach(record);
    if (record === this.#selected) this.#selectFreshest(record.heardAt);
  }

  /** Carries out what is due at `now`: interruption, loss, release, expiry of paths. */
  tick(now: number): void {
    if (this.#isClosed) return;
    const mediaAt = this.#selected?.mediaAt ?? -Infinity;
    if (mediaAt > this.#silence.since) this.#silence.heard(mediaAt);
    const due = this.#silence.due(now);
    if (due === "released") return this.#fail();
    if (due === "lost") this.#listener.onLost();
    if (due === "interrupted") this.#listener.onInterrupted();
    if (this.#isClosed) return;
    let lostSelected = false;
    for (const record of this.#paths.all) {
      if (now - record.heardAt < PATH_EXPIRY_MS) continue;
      this.#drop(record);
      lostSelected ||= record === this.#selected;
    }
    if (lostSelected) this.#selectFreshest(now);
    // A check may be lost.
    if (this.#wanted?.isDue(now)) this.#checks.send(this.#wanted.record, now);
    if (this.#doubted !== undefined) this.#goOnDoubting(this.#doubted, now);
    const hadMedia = this.#media !== undefined;
    this.#updateMedia(now);
    if (this.#media !== undefined) return this.#renew(this.#selected!, now);
    if (!hadMedia) return;
    this.#drops.count("ice_consent_lost");
    this.#selectFreshest(now);
    if (this.#media === undefined) this.#silence.consentLost(now);
  }

  /** When `tick` next has something to do, monotonic ms; `Infinity` when closed. */
  nextWakeAt(): number {
    if (this.#isClosed) return Infinity;
    let at = this.#silence.nextWakeAt();
    for (const record of this.#paths.all) at = Math.min(at, record.heardAt + PATH_EXPIRY_MS);
    if (this.#media !== undefined) {
      const selected = this.#selected!;
      at = Math.min(at, this.#checks.endsAt(selected), this.#checks.renewsAt(selected));
    }
    at = Math.min(at, this.#doubted?.dueAt ?? Infinity);
    return Math.min(at, this.#wanted?.repeatsAt ?? Infinity);
  }

  /** Lets go of all paths and credentials, without a word to the listener. Idempotent. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#generations.close();
    for (const record of this.#paths.all) this.#drop(record);
    this.#selected = undefined;
    this.#media = undefined;
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
    { message, remoteUfrag }: ProvenRequest,
    generation: Generation,
    now: number,
  ): void {
    record.askedAt = now;
    record.username = `${remoteUfrag}:${generation.ufrag}`;
    record.priority = message.priority;
    record.generation = Math.max(record.generation, generation.index);
    // What a client says that answers checks is heard where it answered one: anybody can say it
    // again.
    const isHeard = !this.#checks.areAnswered || this.#checks.isProven(record, now);
    if (isHeard) record.heardAt = now;
    if (isHeard) this.#heard(now);
    // The listener may have closed the agent.
    if (this.#isClosed) return;
    this.#checks.requested(record, now, record === this.#selected);
    if (message.useCandidate) {
      this.#generations.used(generation);
      this.#nominate(record, message.transactionTag, now);
    } else if (this.#selected === undefined) this.#select(record, now);
    this.#doubtSelected(record, now);
  }

  #heard(now: number): void {
    if (this.#silence.heard(now)) this.#listener.onResumed();
  }

  /** The client answered a check by this path. */
  #proven(record: PathRecord, now: number, rttMs: number): void {
    if (this.#isClosed) return;
    if (record === this.#selected) {
      this.#isUsed = false;
      if (rttMs >= 0) this.#listener.onRoundTrip?.(rttMs);
    }
    record.heardAt = now;
    this.#heard(now);
    if (this.#isClosed) return;
    const selected = this.#selected;
    if (this.#wanted?.record === record) this.#follow(record, now);
    else if (selected !== undefined && !this.#isProven(selected, now)) {
      // What nobody answers any more gives way to what somebody does.
      if (selected.provenAt > -Infinity) this.#select(record, now);
    } else this.#doubtSelected(record, now);
    this.#updateMedia(now);
    this.#listener.onTimed(this.nextWakeAt());
  }

  /**
   * Media came by a path that is not the selected one. A client sends where it is: if the selected
   * path has fallen silent, it has moved, though its checks say so much later (libwebrtc's, every
   * 2.5 s) or never (those by which pion and Firefox keep consent nominate nothing). What is not
   * the newest of its sender may have waited in a queue of where the client was.
   */
  #mediaCameBeside(path: NetworkPath, now: number, isNewest: boolean): void {
    const selected = this.#selected;
    const record = this.#paths.of(path);
    if (selected === undefined || record === undefined) return;
    record.heardAt = now;
    // Requests do not count: they can be late, or said again.
    const isSilent = now - shownAt(selected) >= SILENT_MS;
    if (!isNewest || !isSilent || record.generation < selected.generation) return;
    if (this.#isProven(record, now)) {
      if (this.#isClaimedElsewhere(record, now)) return;
      this.#follow(record, now);
    } else {
      if (this.#wanted?.record === record) return;
      this.#seemsAt(record, now);
      this.#checks.requested(record, now, false);
    }
    this.#listener.onTimed(this.nextWakeAt());
  }

  /**
   * The client asks, or answers, at `record`. Who sends data alone says no more than that when it
   * has moved, so the selected path is asked whether it is still there.
   */
  #doubtSelected(record: PathRecord, now: number): void {
    const selected = this.#selected;
    if (selected === undefined || record === selected) return;
    const isElsewhere = selected.path.protocol === "udp" && this.#checks.areAnswered &&
      this.#isProven(record, now) && record.generation >= selected.generation;
    if (!isElsewhere) return;
    if (this.#doubted === undefined) this.#doubted = new DoubtedPath(selected, record, now);
    else if (this.#doubted.join(record)) this.#checks.send(record, now);
  }

  #goOnDoubting(doubted: DoubtedPath, now: number): void {
    const { selected } = doubted;
    const others = doubted.others.filter((other) => this.#isProven(other, now));
    if (selected !== this.#selected || doubted.isOver || others.length === 0) {
      this.#doubted = undefined;
    }
    if (this.#doubted === undefined || now < doubted.dueAt) return;
    const next = doubted.next(now);
    if (next !== "decide") this.#checks.send(selected, now);
    if (next === "ask all") { for (const other of others) this.#checks.send(other, now); }
    if (next !== "decide") return;
    this.#doubted = undefined;
    const { elsewhere } = doubted;
    const mayLeave = elsewhere !== undefined && !this.#isClaimedElsewhere(elsewhere, now);
    if (mayLeave) this.#follow(elsewhere, now);
  }

  /** Where the client says that it wants to be goes before where it seems to be. */
  #seemsAt(record: PathRecord, now: number): void {
    if (!this.#isClaimedElsewhere(record, now)) this.#wanted = new WantedPath(record, now);
  }

  /** Whether it has nominated another path just now, which waits for its proof. */
  #isClaimedElsewhere(record: PathRecord, now: number): boolean {
    const wanted = this.#wanted;
    return wanted !== undefined && wanted.record !== record && wanted.record.claims > 0 &&
      now - this.#claimedAt < PROOF_MS;
  }

  /**
   * Follows the client's nomination. A better path is taken at once (aggressive nomination, where
   * the highest priority wins: RFC 5245 §8.1.1.2, still Firefox's way), a later generation, too. A
   * worse one is taken when the selected path fell silent or the client insists with a second
   * request: so Chromium's move to a worse network is followed within a check or two, and Firefox's
   * one-time nomination of every pair does not make the path flap. From a proven path it goes to a
   * proven one only; until then media stays where it is.
   */
  #nominate(record: PathRecord, tag: number, now: number): void {
    const selected = this.#selected;
    if (selected !== undefined && isLate(record, selected, now)) return;
    if (record.claims === 0) record.claimedAt = now;
    const isOfItsKind = record.path.protocol === selected?.path.protocol;
    const isLater = isOfItsKind || now - record.claimedAt >= CLAIM_SPACING_MS;
    const isAnother = record.claimTag !== tag && isLater;
    if (record.claims === 0 || isAnother) record.claims++;
    record.claimTag = tag;
    const follows = selected === undefined || selected === record || !selected.nominated ||
      record.generation > selected.generation ||
      (record.generation === selected.generation &&
        (record.priority > selected.priority || record.claims >= CLAIMS_TO_MOVE ||
          now - selected.heardAt >= SELECTED_SILENT_MS));
    if (!follows) return;
    const mayMove = selected === undefined || selected === record ||
      !this.#isProven(selected, now) || this.#isProven(record, now);
    if (mayMove) return this.#follow(record, now);
    if (this.#wanted?.record === record) return;
    this.#wanted = new WantedPath(record, now);
    if (now - this.#claimedAt >= SELECTED_SILENT_MS) this.#claimedAt = now;
  }

  #follow(record: PathRecord, now: number): void {
    const wanted = this.#wanted;
    // A check that left before the client moved may be read after media from where it is now; one
    // that is read much later says that it has not moved.
    const saysNothing = record === this.#selected && wanted?.record.claims === 0 &&
      now - wanted.since < SELECTED_SILENT_MS;
    if (!saysNothing) this.#wanted = undefined;
    for (const other of this.#paths.all) {
      other.nominated = other === record;
      other.claims = 0;
    }
    this.#select(record, now);
  }

  #select(record: PathRecord, now: number): void {
    const isOther = record !== this.#selected;
    if (isOther && this.#selected !== undefined) this.#selected.leftAt = now;
    this.#selected = record;
    this.#updateMedia(now);
    if (isOther) this.#listener.onPathSelected(record.path);
  }

  #isProven(record: PathRecord, now: number): boolean {
    return this.#checks.isProven(record, now);
  }

  #updateMedia(now: number): void {
    const selected = this.#selected;
    this.#media = selected !== undefined && this.#isProven(selected, now)
      ? selected.path
      : undefined;
  }

  #renew(selected: PathRecord, now: number): void {
    if (now >= this.#checks.renewsAt(selected)) this.#checks.send(selected, now);
  }

  /**
   * After the selected path is gone: the one heard last, a proven one if there is one, until the
   * client nominates again.
   */
  #selectFreshest(now: number): void {
    const freshest = this.#paths.freshest((record) => this.#isProven(record, now));
    this.#media = undefined;
    if (freshest === undefined) this.#selected = undefined;
    if (freshest === undefined) return;
    this.#select(freshest, now);
    if (this.#media === undefined) this.#checks.send(freshest, now);
  }

  #drop(record: PathRecord): void {
    this.#detach(record);
    record.path.close();
  }

  #detach(record: PathRecord): void {
    this.#paths.remove(record);
    this.#checks.forget(record);
    if (this.#wanted?.record === record) this.#wanted = undefined;
    this.#doubted?.forget(record);
  }

  /** Makes `path` ours; the stalest other path goes if there are too many. */
  #adopt(path: NetworkPath, address: Uint8Array, now: number): PathRecord {
    path.validator?.pathClosed(path);
    path.validator = this;
    path.owner = this.#owner;
    const kept = [this.#selected, this.#wanted?.record];
    const stalest = this.#paths.size < MAX_PATHS
      ? undefined
      : this.#paths.stalestBut(kept, (record) => this.#isProven(record, now));
    if (stalest !== undefined) {
      this.#drop(stalest);
      this.#drops.count("ice_path_evicted");
    }
    return this.#paths.add(path, address, now);
  }
}

/**
 * Whether a nomination of `record` may have left before the client did: checks wait in the queues
 * of a network as well, and what comes by the selected path says that it is there now.
 */
function isLate(record: PathRecord, selected: PathRecord, now: number): boolean {
  return record !== selected && record.generation <= selected.generation &&
    now - record.leftAt < SELECTED_SILENT_MS && now - selected.mediaAt < TALKING_MS;
}
