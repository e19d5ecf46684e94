/**
 * A participant without a browser that stays in a room whatever becomes of the nodes: when its
 * socket ends, or it is told to join elsewhere, it joins anew at the next node, as SDKs do after
 * their first try has failed.
 *
 * @module
 */
import { mintToken } from "../process/access_tokens.ts";
import { WireParticipant } from "./wire_participant.ts";
import { pause } from "./until.ts";

/** Pause between two tries, ms. */
const RETRY_MS = 200;
/** A node that has not let it in for so long is given up, ms. */
const JOIN_WITHIN_MS = 10_000;
/** How often it looks whether it is still in, ms. */
const LOOK_MS = 20;
/** Packets come once in so many intervals of a synthetic track. */
const EVERY = 5;

/** One person, over all its sessions. */
export class RoamingParticipant implements AsyncDisposable {
  /** Sids of sessions that were up, in order. */
  readonly sids: string[] = [];
  /** Sids of tracks that were published, in order. */
  readonly published: string[] = [];
  /** How long each return took from the first try on, ms. */
  readonly returnsMs: number[] = [];
  #live: WireParticipant | undefined;
  #tries = 0;
  #hasEnded = false;
  readonly #life: Promise<void>;

  /** @param urls Of the nodes; the first one that is tried is that of `home`. */
  constructor(
    readonly identity: string,
    readonly room: string,
    readonly urls: () => readonly string[],
    readonly home: number,
  ) {
    this.#life = this.#stayIn();
  }

  /** While it is in, with its track published. */
  get client(): WireParticipant | undefined {
    return this.#live;
  }

  /** Of its current session and track; `undefined` while it is not in. */
  get present(): { readonly sid: string; readonly track: string } | undefined {
    return this.#live && { sid: this.#live.sid, track: this.published.at(-1)! };
  }

  /** Packets that came of a track so far. */
  received(trackSid: string): number {
    const track = this.#live?.tracks.get(trackSid);
    return track === undefined ? 0 : this.#live!.subscriber.packets(track.ssrc).length;
  }

  /** Says goodbye. */
  async leave(): Promise<void> {
    this.#hasEnded = true;
    await this.#live?.leave();
    await this.#life;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#hasEnded = true;
    await this.#life;
  }

  async #stayIn(): Promise<void> {
    let outSince: number | undefined;
    while (!this.#hasEnded) {
      outSince ??= performance.now();
      const client = await this.#join().catch(() => undefined);
      if (client !== undefined) {
        if (this.sids.length > 0) this.returnsMs.push(performance.now() - outSince);
        outSince = undefined;
        this.sids.push(client.sid);
        this.#live = client;
        while (!this.#hasEnded && !isOver(client)) await pause(LOOK_MS);
        this.#live = undefined;
        await client.vanish();
      } else await pause(RETRY_MS);
    }
  }

  /** One try. */
  async #join(): Promise<WireParticipant | undefined> {
    const urls = this.urls();
    const url = urls[(this.home + this.#tries++) % urls.length]!;
    const token = await mintToken({ identity: this.identity, room: this.room });
    const client = await WireParticipant.open(url, token, { flavour: "v1", isQuick: true });
    try {
      const until = performance.now() + JOIN_WITHIN_MS;
      const published = client.publish("audio", { every: EVERY });
      published.catch(() => {});
      while (!client.publisher.connected) {
        if (isOver(client) || performance.now() > until || this.#hasEnded) throw new Error("no");
        await pause(LOOK_MS);
      }
      this.published.push((await published).sid);
      // A node that it has found is the one to come back to first.
      this.#tries--;
      return client;
    } catch (error) {
      await client.vanish();
      throw error;
    }
  }
}

/** The socket has ended, or the client was told to go. */
function isOver({ signal }: WireParticipant): boolean {
  return signal.closed !== undefined || signal.received.some((message) => message.case === "leave");
}
