/**
 * Two participants in a call whom nothing that others do wrong may reach: each is given a fence, an
 * update and a data packet of its own, and must have heard nothing else.
 *
 * @module
 */
import assert from "node:assert/strict";
import { ParticipantInfo_State } from "@livekit/protocol";
import { ROOM, type TestServer } from "../../conformance/support.ts";
import type { ResponseMessage } from "../wire/signal_client.ts";
import { until } from "../wire/until.ts";
import type { WireParticipant } from "../wire/wire_participant.ts";

/** Whether a message comes by itself, or because of who has come into the room before. */
function isUnprovoked(message: ResponseMessage): boolean {
  switch (message.case) {
    case "connectionQuality":
    case "speakersChanged":
    case "streamStateUpdate":
    case "refreshToken":
      return true;
    case "roomUpdate":
      return message.value.room!.metadata === "";
    default:
      return false;
  }
}

/** Two who only want to talk to each other. */
export class Bystanders {
  #seen = new Map<WireParticipant, { readonly signals: number; readonly data: number }>();
  #fences = 0;

  private constructor(
    readonly test: TestServer,
    readonly carol: WireParticipant,
    readonly dave: WireParticipant,
    readonly trackSid: string,
  ) {}

  static async in(test: TestServer): Promise<Bystanders> {
    const [carol, dave] = await test.joinAll(["carol", "dave"]);
    const { sid } = await carol!.publish("audio");
    await dave!.track(sid);
    await Promise.all([carol!.openData(), dave!.openData()]);
    // News of those who publish nothing come in batches, this one up to three of the server's
    // seconds later.
    await carol!.remote("dave", ({ state }) => state === ParticipantInfo_State.ACTIVE);
    const bystanders = new Bystanders(test, carol!, dave!, sid);
    await bystanders.settle();
    return bystanders;
  }

  /** What has come until now is no business of {@linkcode assertUnharmed}. */
  async settle(): Promise<void> {
    await this.#fence();
    for (const one of [this.carol, this.dave]) {
      this.#seen.set(one, { signals: one.signal.received.length, data: one.data.length });
    }
  }

  /** They heard nothing but each other since, and still do. */
  async assertUnharmed(): Promise<void> {
    const heard = () => this.dave.subscriber.packets(this.dave.tracks.get(this.trackSid)!.ssrc);
    const before = heard().length;
    await until("further packets at a bystander", () => heard().length > before + 5);
    const mark = await this.#fence();
    for (const [one, { signals, data }] of this.#seen) {
      const unexpected = one.signal.received.slice(signals)
        .filter((message) => !isUnprovoked(message)).map((message) => message.case);
      assert.deepEqual(unexpected, ["update"], `${one.identity} heard of it by signalling`);
      const packets = one.data.slice(data).map(({ value }) => value.case);
      assert.deepEqual(packets, ["user"], `${one.identity} heard of it by data`);
      const { name } = one === this.dave ? one.remotes.get("carol")! : { name: mark };
      assert.equal(name, mark);
    }
  }

  /** One update and one data packet to each; what was sent before has arrived by then. */
  async #fence(): Promise<string> {
    const mark = `fence ${++this.#fences}`;
    const payload = new TextEncoder().encode(mark);
    const arrived = ({ data }: WireParticipant) =>
      data.some(({ value }) => value.case === "user" && text(value.value.payload) === mark);
    await this.test.api.updateParticipant(ROOM, "carol", { name: mark });
    for (const one of [this.carol, this.dave]) {
      await one.sendData({ value: { case: "user", value: { payload } } });
      await one.signal.message(
        "update",
        ({ participants }) => participants.some(({ name }) => name === mark),
      );
    }
    await until("the fences", () => arrived(this.carol) && arrived(this.dave));
    return mark;
  }
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
