/**
 * What operators do to rooms and participants, over LiveKit's server API.
 *
 * @module
 */
import { mention, tellProblem } from "../notices.js";
import { confirmed } from "./confirm.js";
import { calledOf, sourceWords } from "./figures.js";
import { call, replayLink } from "./session.js";
import { refusalWords } from "./words.js";

/** `revoke_token_ts` that revokes nothing: a second after 1970 began. */
const NOTHING_REVOKED = "1";

async function act(method, message, about, { done, failed }) {
  const answer = await call(method, message, about);
  if (answer.status === 200) mention(done);
  else tellProblem(refusalWords(failed, answer));
  return answer.status === 200;
}

/** @param {string} room */
export function muteTrack(room, participant, sid, { source }) {
  const what = `${sourceWords(source)} of ${calledOf(participant)}`;
  const message = { room, identity: participant.identity, trackSid: sid, muted: true };
  return act("RoomService/MutePublishedTrack", message, { room }, {
    done: `${what} is muted`,
    failed: `${what} could not be muted`,
  });
}

/** They may come back with the token they have. */
export async function remove(room, participant) {
  const name = calledOf(participant);
  const answer = await confirmed({
    title: `Remove ${name}?`,
    words: "They leave at once, and may come back with the token they have.",
    act: "Remove",
  });
  if (answer === undefined) return false;
  const message = { room, identity: participant.identity, revokeTokenTs: NOTHING_REVOKED };
  return await act("RoomService/RemoveParticipant", message, { room }, {
    done: `${name} is removed`,
    failed: `${name} could not be removed`,
  });
}

/** They need a new token to come back. */
export async function ban(room, participant) {
  const name = calledOf(participant);
  const answer = await confirmed({
    title: `Ban ${name}?`,
    words: "They leave at once, and every token they have for this room is refused from now on. " +
      "A new token lets them in again.",
    act: "Ban",
  });
  if (answer === undefined) return false;
  const message = { room, identity: participant.identity };
  return await act("RoomService/RemoveParticipant", message, { room }, {
    done: `${name} is banned`,
    failed: `${name} could not be banned`,
  });
}

/** They go on in another room. */
export async function move(room, participant) {
  const name = calledOf(participant);
  const destinationRoom = await confirmed({
    title: `Move ${name}?`,
    words: "They leave this room and go on in another one, with what they publish.",
    act: "Move",
    asksForRoom: true,
  });
  if (destinationRoom === undefined) return false;
  const message = { room, identity: participant.identity, destinationRoom };
  return await act("RoomService/MoveParticipant", message, { room, destinationRoom }, {
    done: `${name} is in ${destinationRoom}`,
    failed: `${name} could not be moved`,
  });
}

/** Nobody new comes in, or everybody again. */
export function lock(room, isLocked) {
  const message = { name: room, tags: { "roomwire.locked": String(isLocked) } };
  return act("RoomService/CreateRoom", message, { room }, {
    done: `${room} is ${isLocked ? "locked" : "open"}`,
    failed: `${room} could not be ${isLocked ? "locked" : "opened"}`,
  });
}

/** Ends the room for everybody. */
export async function closeRoom(room, participants) {
  const answer = await confirmed({
    title: `Close ${room}?`,
    words: `The room ends for everybody who is in it (${participants} now).`,
    act: "Close the room",
  });
  if (answer === undefined) return false;
  return await act("RoomService/DeleteRoom", { room }, { room }, {
    done: `${room} is closed`,
    failed: `${room} could not be closed`,
  });
}

/** Ends a recording; what it has is kept. */
export async function stopRecording({ egress_id: egressId, room_name: room }) {
  const answer = await confirmed({
    title: `Stop recording ${room}?`,
    words: "The files up to now are kept. A stopped recording does not go on.",
    act: "Stop",
  });
  if (answer === undefined) return false;
  return await act("Egress/StopEgress", { egressId }, {}, {
    done: "The recording ends",
    failed: "The recording could not be stopped",
  });
}

/** Leads to the recording's page. */
export async function watchRecording({ egress_id: egressId }) {
  const answer = await replayLink(egressId);
  if (answer.path === undefined) {
    tellProblem(refusalWords("The recording cannot be watched here", answer));
  } else location.assign(answer.path);
}
