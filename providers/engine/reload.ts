import { cmd, succeeded } from "../host/command.ts";
import { HOST_LOCK, type Host } from "../host/host.ts";
import type { Answers } from "./answers.ts";
import { stepFailed } from "./remedies.ts";

/** A pause in which the engine would have sent what waited for the last to end. */
const IDLE_MILLISECONDS = 5000;

const RELOAD = cmd`systemctl daemon-reload`;
/** It goes on by itself, so that nobody waits for it at the end of a process. */
const RELOAD_BY_ITSELF = cmd`setsid --fork systemctl daemon-reload`;
const UNITS = new Set(["units"] as const);

/**
 * systemd's reading of its files, which takes seconds on a slow host. Steps owe it; it is done once for all of them,
 * when nothing more comes, or when the process ends.
 */
export class OwedReload {
  readonly #host: Host;
  readonly #answers: Answers;
  #isOwed = false;
  /** Works that came and have not ended. */
  #underWay = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(host: Host, answers: Answers) {
    this.#host = host;
    this.#answers = answers;
    // The engine ends its providers as soon as it needs them no more.
    host.beforeEnd?.(() => (this.#isOwed ? { steps: [RELOAD_BY_ITSELF], questions: [], lock: HOST_LOCK } : undefined));
  }

  owe(): void {
    this.#isOwed = true;
  }

  /** Puts it off while a work is under way. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#underWay++;
    clearTimeout(this.#idle);
    try {
      return await work();
    } finally {
      this.#underWay--;
      if (this.#isDue()) {
        clearTimeout(this.#idle);
        this.#idle = setTimeout(() => this.#isDue() && void this.#reload(), IDLE_MILLISECONDS).unref();
      }
    }
  }

  #isDue(): boolean {
    return this.#isOwed && this.#underWay === 0;
  }

  /** Nobody waits for it, so it says by itself what goes wrong. */
  async #reload(): Promise<void> {
    this.#isOwed = false;
    try {
      const steps = await this.#answers.change({
        steps: [RELOAD],
        lock: HOST_LOCK,
        stale: UNITS,
        device: undefined,
        asked: new Map(),
      });
      if (!succeeded(RELOAD, steps[0]!))
        throw stepFailed(this.#host.name, "let systemd read its files", RELOAD, steps[0]!);
    } catch (error) {
      // The end of the process pays it then, or the next that is idle.
      this.#isOwed = true;
      console.log((error as Error).message);
    }
  }
}
