/**
 * What a host does to others, over LiveKit's server API with the host's own token.
 *
 * @module
 */
import { element } from "./elements.js";
import { moderationWords } from "./failure_words.js";
import { nameOf } from "./names.js";
import { mention, tellProblem } from "./notices.js";
import { readClaims } from "./place.js";
import { Track } from "./sdk.js";
import { moderate } from "./server_calls.js";

/** Muting and removing. */
export class Moderation {
  /** @type {() => import("./call.js").Call | undefined} */
  #call;
  /** @type {string | undefined} */
  #leaving;

  /** @param {() => import("./call.js").Call | undefined} call the call there is, if any */
  constructor(call) {
    this.#call = call;
    const dialog = element("removal");
    element("removal-cancel").addEventListener("click", () => dialog.close());
    element("removal-confirm").addEventListener("click", () => {
      dialog.close();
      this.#remove(this.#leaving);
    });
  }

  /** Whether the token lets the own person do anything here. */
  get isHost() {
    return readClaims(this.#call()?.token ?? "")?.isAdmin === true;
  }

  #participant(identity) {
    return this.#call()?.room?.remoteParticipants.get(identity);
  }

  /** @param {string} identity */
  async mute(identity) {
    const participant = this.#participant(identity);
    const microphone = participant?.getTrackPublication(Track.Source.Microphone);
    if (microphone === undefined) return;
    const name = nameOf(participant);
    const { token, room } = this.#call();
    const request = { room: room.name, identity, trackSid: microphone.trackSid, muted: true };
    const status = await moderate(token, "MutePublishedTrack", request);
    if (status === 200) mention(`${name} is muted`);
    else tellProblem(moderationWords("mute", name, status));
  }

  /** @param {string} identity */
  askToRemove(identity) {
    const participant = this.#participant(identity);
    if (participant === undefined) return;
    this.#leaving = identity;
    element("removal-title").textContent = `Remove ${nameOf(participant)} from the room?`;
    element("removal").showModal();
  }

  async #remove(identity) {
    const participant = this.#participant(identity);
    if (participant === undefined) return;
    const name = nameOf(participant);
    const { token, room } = this.#call();
    const status = await moderate(token, "RemoveParticipant", { room: room.name, identity });
    if (status !== 200) tellProblem(moderationWords("remove", name, status));
  }
}
