/**
 * The tiles of a call: one for every participant and one for every shared screen, kept in step with
 * the room. A tile is found by participant identity and kind; nothing else holds state.
 *
 * @module
 */

const { RoomEvent, Track } = globalThis.LivekitClient;

/** Events after which some tile may look different. */
const EVENTS = [
  RoomEvent.Connected,
  RoomEvent.ParticipantConnected,
  RoomEvent.ParticipantDisconnected,
  RoomEvent.ParticipantNameChanged,
  RoomEvent.TrackSubscribed,
  RoomEvent.TrackUnsubscribed,
  RoomEvent.TrackPublished,
  RoomEvent.TrackUnpublished,
  RoomEvent.LocalTrackPublished,
  RoomEvent.LocalTrackUnpublished,
  RoomEvent.TrackMuted,
  RoomEvent.TrackUnmuted,
  RoomEvent.ActiveSpeakersChanged,
  RoomEvent.Disconnected,
];

/**
 * Shows a room in `stage` until it is disconnected.
 *
 * @param {import("livekit-client").Room} room
 * @param {HTMLElement} stage list element that gets the tiles
 * @param {HTMLElement} sounds element that gets the audio players
 * @param {string} ownName shown for the own tile when the token carries no name
 */
export function showTiles(room, stage, sounds, ownName) {
  /** @type {Map<string, HTMLElement>} */
  const tiles = new Map();
  const update = () => {
    const wanted = room.state === "disconnected" ? [] : wantedTiles(room, ownName);
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, tile] of tiles) {
      if (keys.has(key)) continue;
      showVideo(tile, undefined);
      tile.remove();
      tiles.delete(key);
    }
    for (const view of wanted) {
      let tile = tiles.get(view.key);
      if (!tile) {
        tile = makeTile(view.kind);
        tiles.set(view.key, tile);
        stage.append(tile);
      }
      renderTile(tile, view);
    }
  };
  for (const event of EVENTS) room.on(event, update);
  room.on(RoomEvent.TrackSubscribed, (track) => {
    if (track.kind === Track.Kind.Audio) sounds.append(track.attach());
  });
  room.on(RoomEvent.TrackUnsubscribed, (track) => {
    if (track.kind === Track.Kind.Audio) { for (const player of track.detach()) player.remove(); }
  });
  update();
}

/** What every tile should show now, the own tile first. */
function wantedTiles(room, ownName) {
  const views = [];
  for (const participant of [room.localParticipant, ...room.remoteParticipants.values()]) {
    const own = participant === room.localParticipant;
    const name = participant.name || (own && ownName) || participant.identity;
    const screen = participant.getTrackPublication(Track.Source.ScreenShare);
    if (screen?.track) {
      views.push({
        key: `${participant.identity}/screen`,
        kind: "screen",
        name: own ? "Your screen" : `${name}'s screen`,
        video: screen.track,
        picture: !screen.isMuted,
        speaking: false,
        muted: false,
        mirrored: false,
      });
    }
    const camera = participant.getTrackPublication(Track.Source.Camera);
    views.push({
      key: `${participant.identity}/person`,
      kind: "person",
      name: own ? `${name} (you)` : name,
      video: camera?.track,
      picture: camera?.track !== undefined && !camera.isMuted,
      speaking: participant.isSpeaking,
      muted: !participant.isMicrophoneEnabled,
      mirrored: own,
    });
  }
  return views;
}

function makeTile(kind) {
  const tile = document.createElement("li");
  tile.className = "tile";
  tile.dataset.kind = kind;
  const avatar = document.createElement("div");
  avatar.className = "avatar";
  avatar.ariaHidden = "true";
  avatar.append(document.createElement("span"));
  const label = document.createElement("p");
  label.className = "label";
  const who = document.createElement("span");
  who.className = "who";
  label.append(who);
  tile.append(avatar, label);
  return tile;
}

function renderTile(tile, view) {
  tile.dataset.picture = String(view.picture);
  tile.dataset.speaking = String(view.speaking);
  tile.dataset.mirrored = String(view.mirrored);
  tile.querySelector(".avatar span").textContent = initials(view.name);
  tile.querySelector(".who").textContent = view.name;
  tile.ariaLabel = view.name + (view.muted && view.kind === "person" ? ", muted" : "") +
    (view.speaking ? ", speaking" : "");
  showMutedIcon(tile.querySelector(".label"), view.muted);
  showVideo(tile, view.video);
}

function initials(name) {
  const words = name.replace(/\(you\)$/, "").trim().split(/\s+/);
  return words.slice(0, 2).map((word) => [...word][0] ?? "").join("").toUpperCase();
}

function showMutedIcon(label, muted) {
  const icon = label.querySelector("svg");
  if (!muted) icon?.remove();
  else if (!icon) {
    const SVG = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("aria-hidden", "true");
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", "#icon-mic-off");
    svg.append(use);
    label.prepend(svg);
  }
}

/** Tracks shown now, by tile; a tile keeps its player while its track stays the same. */
const shownTracks = new WeakMap();

function showVideo(tile, track) {
  const shown = shownTracks.get(tile);
  if (shown === track) return;
  const player = tile.querySelector("video");
  if (shown && player) shown.detach(player);
  player?.remove();
  shownTracks.delete(tile);
  if (!track) return;
  const fresh = track.attach();
  fresh.muted = true;
  tile.prepend(fresh);
  shownTracks.set(tile, track);
}
