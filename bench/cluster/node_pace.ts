/**
 * How soon the directory answers one node, as the node itself judges it (`answer_pace.ts`): what it
 * asked is known with the time when it will be answered, or will have failed.
 *
 * @module
 */
import { AnswerPace } from "../../lib/cluster/directory/answer_pace.ts";
import { ANSWER_MS } from "./funerals.ts";

interface Question {
  readonly answeredAt: number;
  readonly answered: (now: number) => void;
}

/** One node's, by master. */
export class NodePace {
  readonly #paces: readonly AnswerPace[];
  readonly #questions: readonly Question[][];

  constructor(masters: number) {
    this.#paces = Array.from({ length: masters }, () => new AnswerPace());
    this.#questions = Array.from({ length: masters }, () => []);
  }

  /** Something was asked of a master. */
  asked(at: number, answeredAt: number, master: number): void {
    this.#settle(at, master);
    const answered = this.#paces[master]!.asked(at);
    this.#questions[master]!.push({ answeredAt: Math.min(answeredAt, at + ANSWER_MS), answered });
  }

  isSlow(now: number, master: number): boolean {
    this.#settle(now, master);
    return this.#paces[master]!.isSlow(now);
  }

  /** Answers come in the order of the questions. */
  #settle(now: number, master: number): void {
    const questions = this.#questions[master]!;
    let settled = 0;
    while (settled < questions.length && questions[settled]!.answeredAt <= now) {
      const { answeredAt, answered } = questions[settled++]!;
      answered(answeredAt);
    }
    if (settled > 0) questions.splice(0, settled);
  }
}
