/**
 * WHEP sessions (draft-ietf-wish-whep): a client that receives a room by one HTTP exchange.
 *
 * Contract: what is answered holds for the whole session. Sections wait for publishers, and go from
 * track to track without the client being asked.
 *
 * @module
 */
import { SessionDescription } from "@livekit/protocol";
import type { Session } from "../room/participant/session.ts";
import { parseDescription, type RemoteDescription } from "../wire/session_description.ts";
import { type Refusal, refuse } from "./access_token.ts";
import { type HttpAnswer, type HttpDone, HttpSessions, type HttpTarget } from "./http_sessions.ts";
import type { JoinParameters } from "./join_parameters.ts";
import { RoomView, type ViewSection } from "./room_view.ts";
import { parseLayerWish } from "./whep_layer.ts";
import type { ViewChoice } from "./whep_parameters.ts";

/** The WHEP sessions of this node: what each sees changes, what it was answered does not. */
export class WhepService extends HttpSessions {
  readonly #views = new Map<string, RoomView>();

  /** Lets a viewer in. */
  create(
    asked: JoinParameters,
    offerSdp: string,
    choice: ViewChoice,
  ): Promise<HttpAnswer | Refusal> {
    return this.open({
      asked,
      offerSdp,
      traits: { holdsSections: true },
      fault: receivesNothing,
      negotiate: async (_room, participant) => {
        await participant.offer(new SessionDescription({ type: "offer", sdp: offerSdp }));
        return undefined;
      },
      begun: (room, participant, answerSdp) => {
        const sections = heldSections(answerSdp);
        if (sections.length === 0) {
          return refuse(406, "no section of the SDP offer has a codec in common");
        }
        return this.#show(participant, new RoomView(room, participant, choice, sections));
      },
    });
  }

  /** The viewer wants another layer: JSON, see {@linkcode parseLayerWish}. */
  setLayer(target: HttpTarget, wishText: string): HttpDone | Refusal {
    return this.withinBudget(target, wishText, () => this.#setLayer(target, wishText));
  }

  #setLayer(target: HttpTarget, wishText: string): HttpDone | Refusal {
    const found = this.find(target);
    if ("status" in found) return found;
    const wish = parseLayerWish(wishText);
    if (typeof wish === "string") return refuse(400, wish);
    const isKnown = this.#views.get(target.sid)?.setQuality(wish.quality, wish.mediaId);
    return isKnown === true ? { ok: true } : refuse(404, "no video section has this mediaId");
  }

  #show({ sid }: Session, view: RoomView): () => void {
    this.#views.set(sid, view);
    view.look();
    return () => {
      this.#views.delete(sid);
      view.close();
    };
  }
}

function receivesNothing({ sections }: RemoteDescription): Refusal | undefined {
  const receives = sections.some(({ kind, rejected, direction }) =>
    kind !== "application" && !rejected && (direction === "recvonly" || direction === "sendrecv")
  );
  return receives
    ? undefined
    : refuse(400, "SDP offer has no audio or video section in which the client receives");
}

/** What was answered, from the answer itself. */
function heldSections(answerSdp: string): ViewSection[] {
  const answer = parseDescription(answerSdp);
  if (!answer.ok) return [];
  return answer.value.sections.flatMap(({ mid, kind, rejected, direction, codecs }) =>
    kind === "application" || rejected || direction !== "sendonly"
      ? []
      : [{ mid, kind, mimes: new Set(codecs.map(({ mime }) => mime)) }]
  );
}
