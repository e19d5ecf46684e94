/**
 * The stage: a tile for every person and every shared screen, kept in step with the room, where
 * `tile_layout.js` and `stage_plan.js` say. Also plays what is heard.
 *
 * @module
 */
import { element } from "./elements.js";
import { nameOf } from "./names.js";
import { mention } from "./notices.js";
import { prefer, preference } from "./preferences.js";
import { ConnectionQuality, ConnectionState, RoomEvent, Track } from "./sdk.js";
import { chooseShown, chooseSpeaker, planStage } from "./stage_plan.js";
import { Tile } from "./tile.js";
import { layOutGrid, layOutSpotlight } from "./tile_layout.js";

/** Events after which some tile may look different. */
const EVENTS = [
  RoomEvent.Connected,
  RoomEvent.ConnectionStateChanged,
  RoomEvent.ConnectionQualityChanged,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.TrackStreamStateChanged,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
];
/** Whoever has left is seen so for a moment, ms: nobody just vanishes. */
const GONE_MS = 3000;
/** A camera that shows nothing new for so long has stopped, ms. */
const STILL_MS = 4000;
const LOOK_MS = 1000;
/** Between tiles, in letters' sizes. */
const GAP_REM = 0.5;
/** @type {Readonly<Record<string, 1 | 2 | 3>>} */
const BARS = {
  [ConnectionQuality.Excellent]: 3,
  [ConnectionQuality.Good]: 2,
  [ConnectionQuality.Poor]: 1,
};

/** All tiles. */
export class Stage {
  /** @type {import("livekit-client").Room | undefined} */
  #room;
  /** @type {Map<string, Tile>} */
  #tiles = new Map();
  /** People who have left, and until when they are shown. @type {Map<string, TileView>} */
  #gone = new Map();
  /** When each was last heard, by identity. @type {Map<string, number>} */
  #spokeAt = new Map();
  /** What a camera's player had shown when, by key. */
  #frames = new Map();
  #speaker = { key: undefined, since: 0 };
  #pinned;
  #isDue = false;
  #onMenu;

  /** @param {(tile: Tile) => void} onMenu */
  constructor(onMenu) {
    this.#onMenu = onMenu;
    new ResizeObserver(() => this.#place(this.#members())).observe(element("stage"));
    setInterval(() => this.#lookForStills(), LOOK_MS);
  }

  /** @returns {"grid" | "speaker"} */
  get view() {
    return preference("view") === "speaker" ? "speaker" : "grid";
  }

  toggleView() {
    prefer("view", this.view === "grid" ? "speaker" : "grid");
    this.#pinned = undefined;
    this.render();
  }

  /** @param {string} key of a tile, to show it large or no longer */
  togglePin(key) {
    this.#pinned = this.#pinned === key ? undefined : key;
    this.render();
  }

  /** @param {import("livekit-client").Room} room */
  show(room) {
    this.#room = room;
    for (const event of EVENTS) room.on(event, () => this.#renderSoon(room));
    room
      .on(RoomEvent.ActiveSpeakersChanged, (speakers) => {
        for (const { identity } of speakers) this.#spokeAt.set(identity, Date.now());
        this.#renderSoon(room);
      })
      .on(RoomEvent.ParticipantConnected, (participant) => {
        // Whoever is met again after an outage has not come anew.
        const isNew = room.state === ConnectionState.Connected;
        if (isNew) mention(`${nameOf(participant)} joined`);
      })
      .on(RoomEvent.ParticipantDisconnected, (participant) => this.#left(room, participant))
      .on(RoomEvent.TrackSubscribed, (track, publication, participant) => {
        if (track.kind === Track.Kind.Audio) element("sounds").append(track.attach());
        if (publication.source === Track.Source.ScreenShare) {
          mention(`${nameOf(participant)} shares a screen`);
        }
      })
      .on(RoomEvent.TrackUnsubscribed, (track) => {
        if (track.kind !== Track.Kind.Audio) return;
        for (const player of track.detach()) player.remove();
      });
    this.render();
  }

  clear() {
    this.#room = undefined;
    this.#gone.clear();
    this.#pinned = undefined;
    for (const tile of this.#tiles.values()) tile.remove();
    this.#tiles.clear();
    element("alone").hidden = true;
    element("others-button").hidden = true;
    element("sounds").replaceChildren();
  }

  #left(room, participant) {
    if (room !== this.#room) return;
    if (room.state !== ConnectionState.Connected) return this.#renderSoon(room);
    const key = `${participant.identity}/person`;
    const view = { ...this.#personView(participant), video: undefined, hasPicture: false };
    const gone = { ...view, isGone: true, isSpeaking: false, state: "Has left", bars: 0 };
    mention(`${view.name} left`);
    this.#gone.set(key, gone);
    this.#renderSoon(room);
    setTimeout(() => {
      if (this.#gone.get(key) !== gone) return;
      this.#gone.delete(key);
      this.#renderSoon(room);
    }, GONE_MS);
  }

  /** Several events at once are one look. */
  #renderSoon(room) {
    if (this.#isDue || room !== this.#room) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      if (room === this.#room) this.render();
    });
  }

  render() {
    if (this.#room === undefined) return;
    const views = this.#members();
    const keys = new Set(views.map(({ key }) => key));
    for (const [key, tile] of this.#tiles) {
      if (keys.has(key)) continue;
      tile.remove();
      this.#tiles.delete(key);
      this.#frames.delete(key);
    }
    for (const view of views) {
      let tile = this.#tiles.get(view.key);
      if (tile === undefined) {
        tile = new Tile(this.#onMenu);
        this.#tiles.set(view.key, tile);
        element("stage").append(tile.element);
      }
      tile.render(view);
    }
    this.#place(views);
    const isAlone = this.#room.state === ConnectionState.Connected &&
      this.#room.remoteParticipants.size === 0;
    element("alone").hidden = !isAlone || this.#gone.size > 0;
    renderViewButtons(this.view);
  }

  /** Everything there is to see: the own person, the others as they came, screens behind each. */
  #members() {
    if (this.#room === undefined) return [];
    const { localParticipant, remoteParticipants } = this.#room;
    const views = [];
    for (const participant of [localParticipant, ...remoteParticipants.values()]) {
      if (participant.identity === "") continue;
      this.#gone.delete(`${participant.identity}/person`);
      views.push(this.#personView(participant));
      const screen = participant.getTrackPublication(Track.Source.ScreenShare);
      if (screen?.track) views.push(this.#screenView(participant, screen));
    }
    return [...views, ...this.#gone.values()];
  }

  /** @returns {import("./tile.js").TileView} */
  #personView(participant) {
    const isOwn = participant === this.#room.localParticipant;
    const key = `${participant.identity}/person`;
    const camera = participant.getTrackPublication(Track.Source.Camera);
    const hasPicture = camera?.track !== undefined && !camera.isMuted;
    return {
      key,
      kind: "person",
      isOwn,
      identity: participant.identity,
      name: nameOf(participant),
      video: camera?.track,
      hasPicture,
      isSpeaking: participant.isSpeaking,
      isMuted: !participant.isMicrophoneEnabled,
      isPinned: this.#pinned === key,
      isGone: false,
      state: this.#stateOf(participant, isOwn, hasPicture && camera.track, key),
      spokeAt: this.#spokeAt.get(participant.identity) ?? 0,
      bars: BARS[participant.connectionQuality] ?? 0,
    };
  }

  /** @returns {import("./tile.js").TileView} */
  #screenView(participant, screen) {
    const person = this.#personView(participant);
    const key = `${participant.identity}/screen`;
    return {
      ...person,
      key,
      kind: "screen",
      video: screen.track,
      hasPicture: !screen.isMuted,
      isSpeaking: false,
      isMuted: false,
      isPinned: this.#pinned === key,
      state: screen.track.streamState === Track.StreamState.Paused
        ? "The network is too slow for this screen"
        : "",
    };
  }

  #stateOf(participant, isOwn, track, key) {
    if (isOwn) return this.#room.state === ConnectionState.Connected ? "" : "Reconnecting…";
    if (participant.connectionQuality === ConnectionQuality.Lost) return "Reconnecting…";
    if (!track) return "";
    if (track.streamState === Track.StreamState.Paused) return "The network is too slow for video";
    return this.#frames.get(key)?.isStill ? "No picture is coming" : "";
  }

  #place(views) {
    const { clientWidth: width, clientHeight: height } = element("stage");
    if (width === 0 || height === 0) return;
    const gap = GAP_REM * parseFloat(getComputedStyle(document.documentElement).fontSize);
    this.#speak(views);
    const { view } = this;
    const wishes = { view, pinned: this.#pinned, speaker: this.#speaker.key };
    const { main, strip } = planStage(views, wishes);
    const stage = { width, height };
    const rects = main.length === 0
      ? { main: [], strip: layOutGrid(strip.length, stage, gap) }
      : layOutSpotlight(main.length, strip.length, stage, gap);
    const shown = chooseShown(strip, views, rects.strip.length);
    const places = new Map([
      ...main.map((key, index) => [key, rects.main[index]]),
      ...shown.map((key, index) => [key, rects.strip[index]]),
    ]);
    for (const [key, tile] of this.#tiles) tile.place(places.get(key), main.includes(key));
    const others = strip.length - shown.length + main.length - rects.main.length;
    renderOthers(others, main.length === 0 ? undefined : rects.strip[0], width >= height);
  }

  #speak(views) {
    const key = chooseSpeaker(views, this.#speaker, Date.now());
    if (key !== this.#speaker.key) this.#speaker = { key, since: Date.now() };
  }

  /** Finds cameras that have stopped although nobody said so, as when a tab dies. */
  #lookForStills() {
    if (this.#room === undefined) return;
    let hasChanged = false;
    for (const [key, { frames, view, element: { hidden } }] of this.#tiles) {
      // What is out of sight is not painted, and need not be sent.
      const isWatched = view.kind === "person" && !view.isOwn && view.hasPicture && !hidden &&
        !document.hidden && frames > 0;
      const before = this.#frames.get(key);
      const isNew = !isWatched || before === undefined || before.frames !== frames;
      const since = isNew ? Date.now() : before.since;
      const isStill = Date.now() - since >= STILL_MS;
      hasChanged ||= isStill !== (before?.isStill ?? false);
      this.#frames.set(key, { frames, since, isStill });
    }
    if (hasChanged || this.view === "speaker") this.render();
  }
}

/**
 * @param {number} count of those for whom there is no room
 * @param {import("./tile_layout.js").Rect | undefined} strip a tile of the strip, if there is one
 * @param {boolean} isBeside the strip stands at the side, and not below
 */
function renderOthers(count, strip, isBeside) {
  const others = element("others-button");
  others.hidden = count === 0;
  others.textContent = `+${count} more`;
  others.ariaLabel = `+${count} more, see all people`;
  // Over the large tile and none of the small ones.
  others.style.marginRight = strip !== undefined && isBeside ? `${strip.width}px` : "";
  others.style.marginBottom = strip !== undefined && !isBeside ? `${strip.height}px` : "";
}

function renderViewButtons(view) {
  const isSpeaker = view === "speaker";
  element("view-button").ariaPressed = String(isSpeaker);
  element("more-view").querySelector("span").textContent = isSpeaker ? "Grid view" : "Speaker view";
}
