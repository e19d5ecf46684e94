/**
 * The list of who is in the room, and what a host can do there.
 *
 * @module
 */
import { element, hueOf, icon, make } from "./elements.js";
import { nameOf } from "./names.js";
import { initials } from "./place.js";
import { ConnectionQuality, RoomEvent } from "./sdk.js";

const EVENTS = [
  RoomEvent.Connected,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.ParticipantPermissionsChanged,
  RoomEvent.ConnectionQualityChanged,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
];

const QUALITY_WORDS = {
  [ConnectionQuality.Excellent]: "very good connection",
  [ConnectionQuality.Good]: "good connection",
  [ConnectionQuality.Poor]: "poor connection",
  [ConnectionQuality.Lost]: "reconnecting",
};

/** The panel. */
export class People {
  /** @type {import("livekit-client").Room | undefined} */
  #room;
  #moderation;
  /** @type {Map<string, Row>} */
  #rows = new Map();

  /** @param {import("./moderation.js").Moderation} moderation */
  constructor(moderation) {
    this.#moderation = moderation;
  }

  /** @param {import("livekit-client").Room} room */
  show(room) {
    this.#room = room;
    for (const event of EVENTS) room.on(event, () => this.render());
    this.render();
  }

  clear() {
    this.#room = undefined;
    this.#rows.clear();
    element("people-list").replaceChildren();
  }

  opened() {
    element("people-list").focus();
  }

  render() {
    if (this.#room === undefined) return;
    const { localParticipant, remoteParticipants } = this.#room;
    const all = [localParticipant, ...remoteParticipants.values()];
    element("people-badge").textContent = String(all.length);
    element("people-button").ariaLabel = `People, ${all.length} in the room`;
    element("people-title").textContent = `People (${all.length})`;
    element("people-hint").hidden = !this.#moderation.isHost;
    const identities = new Set(all.map(({ identity }) => identity));
    for (const [identity, row] of this.#rows) {
      if (identities.has(identity)) continue;
      row.element.remove();
      this.#rows.delete(identity);
    }
    for (const participant of all) this.#renderRow(participant, participant === localParticipant);
  }

  #renderRow(participant, isOwn) {
    const { identity } = participant;
    let row = this.#rows.get(identity);
    if (row === undefined) {
      row = new Row(isOwn ? undefined : this.#moderation, identity);
      this.#rows.set(identity, row);
      element("people-list").append(row.element);
    }
    const name = nameOf(participant);
    row.render({ name, isOwn, participant, isHost: this.#moderation.isHost });
  }
}

/** One person; its buttons stay the same, so that nobody's focus is lost. */
class Row {
  element;
  #letters = make("span", "");
  #name = make("p", "person-name");
  #state = make("p", "person-state");
  #mute = make("button", "icon-button", icon("microphone-off"));
  #remove = make("button", "icon-button", icon("remove"));

  constructor(moderation, identity) {
    const avatar = make("span", "avatar", this.#letters);
    avatar.ariaHidden = "true";
    this.element = make("li", "", avatar, make("div", "person", this.#name, this.#state));
    if (moderation === undefined) return;
    this.#mute.type = "button";
    this.#remove.type = "button";
    this.#mute.addEventListener("click", () => moderation.mute(identity));
    this.#remove.addEventListener("click", () => moderation.askToRemove(identity));
    this.element.append(this.#mute, this.#remove);
  }

  render({ name, isOwn, participant, isHost }) {
    this.#letters.textContent = initials(name) || "?";
    this.element.style.setProperty("--hue", hueOf(name));
    this.#name.textContent = isOwn ? `${name} (you)` : name;
    this.#state.textContent = stateOf(participant);
    this.#mute.ariaLabel = `Mute ${name}`;
    this.#remove.ariaLabel = `Remove ${name}`;
    this.#mute.hidden = !isHost || !participant.isMicrophoneEnabled;
    this.#remove.hidden = !isHost;
  }
}

function stateOf(participant) {
  return [
    participant.isMicrophoneEnabled ? "Microphone on" : "Microphone off",
    participant.isCameraEnabled ? "camera on" : "camera off",
    participant.isScreenShareEnabled ? "shares a screen" : "",
    QUALITY_WORDS[participant.connectionQuality] ?? "",
  ].filter((words) => words !== "").join(", ");
}
