import type { Ask } from "../facts/fact.ts";
import type { Host } from "../host/host.ts";
import { Answers } from "./answers.ts";
import { Turns, type Work } from "./turns.ts";

/** What one provider process knows of one host, and does there. */
export class Session {
  readonly host: Host;
  readonly ask: Ask;
  readonly #turns: Turns;

  constructor(host: Host) {
    const answers = new Answers(host);
    this.host = host;
    this.ask = answers.ask;
    this.#turns = new Turns(host, answers);
  }

  /**
   * Carries out one work: looks, plans, and runs the steps, each after its guard, in one call that also asks again what
   * they made stale. Works that want the host's turn at the same time share it: each is planned on what those before
   * it will leave, and all their steps travel in one call. Works with a device of their own go side by side.
   * @param device the only thing whose turn is needed; undefined: the host's
   * @returns what was seen before
   * @throws {DataLossRefused} when a guard failed, {CommandFailed} when a step did; the steps before it are done.
   */
  carryOut<S>(work: Work<S>, device: string | undefined): Promise<S> {
    return this.#turns.carryOut(work, device);
  }
}
