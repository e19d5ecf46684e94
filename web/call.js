/**
 * One person's stay in a room: comes in, sends what was asked for, and comes back by itself when
 * the server was away. The parts of the page that show the room are told of each new `Room`.
 *
 * @module
 */
import {
  deviceWords,
  endWords,
  joinWords,
  NO_PUBLISHING,
  notPermittedWords,
  screenWords,
} from "./failure_words.js";
import { DEVICE_KINDS } from "./local_devices.js";
import { mention, tellConnection, tellProblem, tellSilence } from "./notices.js";
import { preference } from "./preferences.js";
import { comesBack, isWorthAnotherTry, waitBeforeTry } from "./rejoin_plan.js";
import { ConnectionState, DisconnectReason, Room, RoomEvent, Track } from "./sdk.js";
import { askWhy, serverUrl } from "./server_calls.js";

/**
 * @typedef {"microphone" | "camera" | "screen"} Sendable
 *
 * @typedef {object} RoomPart something that shows a room
 * @property {(room: import("livekit-client").Room) => void} show before the room is connected
 * @property {() => void} clear when nobody is in it any more
 *
 * @typedef {object} CallHooks
 * @property {readonly RoomPart[]} parts
 * @property {() => void} changed what the own person sends, or may send, has changed
 * @property {(words: string | undefined) => void} ended for good, with the reason if nobody here
 *   meant it
 * @property {() => Promise<string | undefined>} renewToken another token in place of one that is
 *   refused; nothing if there is none
 */

const SOURCES = {
  microphone: Track.Source.Microphone,
  camera: Track.Source.Camera,
  screen: Track.Source.ScreenShare,
};
/** `TrackSource` of the LiveKit protocol, as permissions name it. */
const PROTOCOL_SOURCES = { camera: 1, microphone: 2, screen: 3 };

/** A stay in one room. */
export class Call {
  /** @type {import("livekit-client").Room | undefined} */
  #room;
  #token;
  #hooks;
  /** What somebody wants to send: it is sent again after a rejoin. */
  #wanted = { microphone: false, camera: false, screen: false };
  /** @type {Set<Sendable>} */
  #busy = new Set();
  #isOver = false;
  #tries = 0;
  #isTrying = false;
  #timer;

  /** @param {string} token @param {CallHooks} hooks */
  constructor(token, hooks) {
    this.#token = token;
    this.#hooks = hooks;
  }

  /** The token in use: it may be another one than at first. */
  get token() {
    return this.#token;
  }

  get room() {
    return this.#room;
  }

  /**
   * Comes in and sends what was opened before.
   *
   * @param {readonly import("livekit-client").LocalTrack[]} tracks
   * @returns {Promise<string | undefined>} why not, in words; nothing once inside
   */
  async enter(tracks) {
    const refusal = await this.#connect();
    if (refusal !== undefined) {
      this.#isOver = true;
      return joinWords(refusal);
    }
    // The view is there before the tracks are: that may take seconds.
    this.#publishAll(tracks);
    return undefined;
  }

  /** @returns {Promise<{ status?: number, body?: string, reason?: string } | undefined>} */
  async #connect() {
    const room = new Room({
      adaptiveStream: true,
      dynacast: true,
      audioCaptureDefaults: { deviceId: preference("microphone") || "default" },
      videoCaptureDefaults: { deviceId: preference("camera") || "default" },
      ...(preference("speaker") ? { audioOutput: { deviceId: preference("speaker") } } : {}),
    });
    this.#listen(room);
    for (const part of this.#hooks.parts) part.show(room);
    try {
      await room.connect(serverUrl(), this.#token);
    } catch (error) {
      console.warn("join failed", error);
      room.removeAllListeners();
      for (const part of this.#hooks.parts) part.clear();
      return { ...await askWhy(this.#token), reason: error?.reasonName };
    }
    if (this.#isOver) {
      room.disconnect();
      return undefined;
    }
    this.#room = room;
    this.#tries = 0;
    tellConnection(undefined);
    this.#hooks.changed();
    return undefined;
  }

  async #publishAll(tracks) {
    const failures = [];
    for (const track of tracks) {
      const device = track.kind === "audio" ? "microphone" : "camera";
      if (!this.may(device)) {
        track.stop();
        tellProblem(this.mayPublish ? notPermittedWords(device) : NO_PUBLISHING);
        continue;
      }
      try {
        await this.#room.localParticipant.publishTrack(track);
        this.#wanted[device] = true;
      } catch (error) {
        console.warn(`${device} failed`, error);
        track.stop();
        failures.push({ device, error });
      }
    }
    if (failures.length > 0) tellProblem(deviceWords(failures, globalThis.isSecureContext));
    this.#hooks.changed();
  }

  #listen(room) {
    const changed = () => {
      if (room === this.#room) this.#hooks.changed();
    };
    for (
      const event of [
        RoomEvent.LocalTrackPublished,
        RoomEvent.LocalTrackUnpublished,
        RoomEvent.TrackMuted,
        RoomEvent.TrackUnmuted,
        RoomEvent.ParticipantPermissionsChanged,
      ]
    ) room.on(event, changed);
    room
      .on(
        RoomEvent.SignalReconnecting,
        () => tellConnection("The connection is bad. Reconnecting…"),
      )
      .on(RoomEvent.Reconnecting, () => tellConnection("The connection is lost. Reconnecting…"))
      .on(RoomEvent.Reconnected, () => {
        tellConnection(undefined);
        mention("You are connected again");
      })
      .on(RoomEvent.AudioPlaybackStatusChanged, () => {
        tellSilence(room.canPlaybackAudio ? undefined : () => room.startAudio());
      })
      .on(RoomEvent.TrackMuted, (publication, participant) => {
        const isMine = participant === room.localParticipant;
        if (!isMine || publication.source !== Track.Source.Microphone) return;
        if (this.#busy.has("microphone")) return;
        this.#wanted.microphone = false;
        mention("A host muted your microphone");
      })
      .on(RoomEvent.LocalTrackPublished, ({ source, track }) => {
        // The browser has a button of its own to end it.
        if (source !== SOURCES.screen) return;
        track.mediaStreamTrack.addEventListener("ended", () => this.#wanted.screen = false);
      })
      .on(RoomEvent.Disconnected, (reason) => {
        if (room === this.#room) this.#disconnected(DisconnectReason[reason]);
      });
  }

  /** @param {string | undefined} reason */
  #disconnected(reason) {
    this.#room.removeAllListeners();
    if (this.#isOver || !comesBack(reason)) return this.#end(endWords(reason));
    tellConnection(`${endWords(reason)} Trying again…`, {
      words: "Try now",
      act: () => this.#rejoin(),
    });
    this.#waitToRejoin();
  }

  #waitToRejoin() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#rejoin(), waitBeforeTry(this.#tries++));
  }

  async #rejoin() {
    if (this.#isTrying) return;
    this.#isTrying = true;
    clearTimeout(this.#timer);
    const refusal = await this.#connectAnew();
    this.#isTrying = false;
    if (this.#isOver) return;
    if (refusal === undefined) await this.#sendAgain();
    else if (isWorthAnotherTry(refusal)) this.#waitToRejoin();
    else this.#end(joinWords(refusal));
  }

  /** With another token, if this one is refused and there are others. */
  async #connectAnew() {
    const refusal = await this.#connect();
    const token = refusal?.status === 401 ? await this.#hooks.renewToken() : undefined;
    if (token === undefined) return refusal;
    this.#token = token;
    return await this.#connect();
  }

  async #sendAgain() {
    mention("You are connected again");
    const { screen } = this.#wanted;
    for (const device of ["microphone", "camera"]) {
      if (this.#wanted[device]) await this.toggle(device);
    }
    // Only a person can choose a screen.
    if (screen) tellProblem("Your screen is not shared any more. Share it again.");
    this.#wanted.screen = false;
  }

  #end(words) {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#room = undefined;
    tellConnection(undefined);
    tellSilence(undefined);
    for (const part of this.#hooks.parts) part.clear();
    this.#hooks.ended(words);
  }

  /** Goes, also while the call waits to come back. */
  leave() {
    this.#isOver = true;
    const room = this.#room;
    this.#end(undefined);
    room?.disconnect();
  }

  /** @param {Sendable} what @returns {boolean} whether the own person sends it */
  isSent(what) {
    const publication = this.#room?.localParticipant.getTrackPublication(SOURCES[what]);
    return publication?.track !== undefined && !publication.isMuted;
  }

  /** Whether the token lets anything be sent. */
  get mayPublish() {
    return this.#room?.localParticipant.permissions?.canPublish ?? true;
  }

  /** Whether the token lets the own person write. */
  get mayWrite() {
    return this.#room?.localParticipant.permissions?.canPublishData ?? true;
  }

  /** @param {Sendable} what @returns {boolean} */
  may(what) {
    const sources = this.#room?.localParticipant.permissions?.canPublishSources ?? [];
    return this.mayPublish && (sources.length === 0 || sources.includes(PROTOCOL_SOURCES[what]));
  }

  /** @param {Sendable} what @returns {boolean} whether it is being turned on or off */
  isBusy(what) {
    return this.#busy.has(what);
  }

  /**
   * Turns something on or off; what goes wrong is told.
   *
   * @param {Sendable} what
   */
  async toggle(what) {
    if (this.#room === undefined || this.#busy.has(what)) return;
    if (this.#room.state === ConnectionState.Disconnected) {
      return mention("Wait until you are connected again");
    }
    if (!this.may(what)) return tellProblem(notPermittedWords(what));
    this.#busy.add(what);
    this.#hooks.changed();
    try {
      const on = !this.isSent(what);
      await this.#set(what, on);
      this.#wanted[what] = on;
      tellProblem(undefined);
    } catch (error) {
      console.warn(`${what} failed`, error);
      const words = what === "screen"
        ? screenWords(error)
        : deviceWords([{ device: what, error }], globalThis.isSecureContext);
      if (words !== undefined) tellProblem(words);
    } finally {
      this.#busy.delete(what);
      this.#hooks.changed();
    }
  }

  /** @param {Sendable} what @param {boolean} on */
  #set(what, on) {
    const { localParticipant } = this.#room;
    switch (what) {
      case "microphone":
        return localParticipant.setMicrophoneEnabled(on);
      case "camera":
        return localParticipant.setCameraEnabled(on);
      default:
        return localParticipant.setScreenShareEnabled(on, { audio: true });
    }
  }

  /**
   * @param {"camera" | "microphone" | "speaker"} kind
   * @param {string} deviceId
   */
  async choose(kind, deviceId) {
    await this.#room?.switchActiveDevice(DEVICE_KINDS[kind], deviceId);
  }
}
