import { z } from "zod";
import type { About, Ask, Fact } from "../facts/fact.ts";
import { HOST_WIDE } from "../facts/hostWide.ts";
import { succeeded, type Command, type Output } from "../host/command.ts";
import type { Host, Program } from "../host/host.ts";
import { inBursts } from "./bursts.ts";
import { unanswered } from "./remedies.ts";

interface Question {
  readonly fact: Fact<unknown, unknown>;
  readonly args: unknown;
  readonly command: Command;
  /** @param index among those that shared the command; undefined: it was asked by itself */
  settle(output: Output, index?: number): void;
  fail(error: unknown): void;
  /** A command that it shared with others failed: it is asked by itself. */
  isAlone: boolean;
}

/** A command that answers questions, one or several. */
interface Inquiry {
  readonly command: Command;
  readonly questions: readonly Question[];
}

interface Answer {
  readonly about: readonly About[];
  /** The question whose answer this is, while it is on its way or after. */
  readonly question?: Question;
  readonly value: Promise<unknown>;
  /** When it came; undefined: it is on its way. */
  settledAt?: number;
}

/** What somebody asked, to be asked again by the call that changes its answers. */
export type Asked = ReadonlyMap<string, () => Question>;

/** A call that changes the host. */
export interface ChangingCall {
  readonly steps: readonly Command[];
  readonly lock: string;
  readonly tell?: Program["tell"];
  /** What its steps may change. */
  readonly stale: ReadonlySet<About>;
  /** The only device that they change, so that answers about other devices are still good; undefined: any. */
  readonly device: string | undefined;
  /** Asked again after the steps, where the answer is stale. */
  readonly asked: Asked;
}

/** Long enough for a run to share what it read, short enough that a person's pause before "yes" is noticed. */
const FRESH_MILLISECONDS = 20_000;

/**
 * What is known of a host. Questions asked while another call is on its way travel together in the next; an answer is
 * kept until something that it is about changes, and at most 20 s.
 */
export class Answers {
  readonly #host: Host;
  readonly #answers = new Map<string, Answer>();
  #pending: Question[] = [];
  #hasAsked = false;

  constructor(host: Host) {
    this.#host = host;
  }

  readonly ask: Ask = (fact, args) => {
    const { question, value } = this.#open(fact, args);
    if (question !== undefined) {
      this.#pending.push(question);
      void this.#flush();
    }
    return value;
  };

  /** A way to ask that keeps what was asked. */
  recorder(): { readonly ask: Ask; readonly asked: Asked } {
    const asked = new Map<string, () => Question>();
    return {
      asked,
      ask: (fact, args) => {
        if (fact.isProofBefore !== true) asked.set(keyOf(fact, args), () => this.#open(fact, args).question!);
        return this.ask(fact, args);
      },
    };
  }

  /** Takes a fact for known: what it will be after steps that have not run yet. */
  foresee(fact: Fact<undefined, unknown>, value: unknown): void {
    const answer = { about: fact.about, value: Promise.resolve(value), settledAt: Date.now() };
    this.#answers.set(keyOf(fact, undefined), answer);
  }

  /**
   * Runs steps, and asks again in the same call what they make stale.
   * @returns what came of the steps that ran
   */
  async change({ steps, lock, tell, stale, device, asked }: ChangingCall): Promise<readonly Output[]> {
    this.forget(stale, device);
    const questions = [...asked].flatMap(([key, open]) => (this.#answers.has(key) ? [] : [open()]));
    const inquiries = inquiriesFor(questions);
    try {
      const answers = await this.#host.call({ steps, questions: inquiries.map(({ command }) => command), lock, tell });
      // Others may have asked while the steps ran: their answers are of neither before nor after.
      this.forget(stale, device, new Set(questions));
      this.#settle(inquiries, answers.questions);
      return answers.steps;
    } catch (error) {
      for (const question of questions) question.fail(error);
      this.forget(stale, device);
      throw error;
    }
  }

  /** @param device see {@link ChangingCall} */
  forget(stale: ReadonlySet<About>, device: string | undefined, except: ReadonlySet<Question> = new Set()): void {
    for (const [key, { about, question }] of this.#answers) {
      if (question !== undefined && except.has(question)) continue;
      // A label or UUID may have come or gone with any device.
      const isOfAnother = device !== undefined && /"\/dev\//.test(key) && !key.includes(JSON.stringify(device));
      if (!isOfAnother && about.some((one) => stale.has(one))) this.#answers.delete(key);
    }
  }

  /** The known answer, or a question still to be put. */
  #open<A, T>(fact: Fact<A, T>, args: A): { readonly question?: Question; readonly value: Promise<T> } {
    const key = keyOf(fact, args);
    const known = this.#answers.get(key);
    if (known !== undefined && (known.settledAt === undefined || Date.now() - known.settledAt < FRESH_MILLISECONDS))
      return { value: known.value as Promise<T> };
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const command = fact.command(args);
    const question: Question = {
      fact,
      args,
      command,
      isAlone: false,
      settle: (output, index) => {
        if (!succeeded(command, output)) {
          reject(unanswered(this.#host.name, fact.name, command, output));
          return;
        }
        try {
          resolve(fact.parse(index === undefined ? output : fact.together!.part(output, args, index), args));
        } catch (error) {
          reject(unanswered(this.#host.name, fact.name, command, output, oddity(error)));
        }
      },
      fail: reject,
    };
    const answer: Answer = { about: fact.about, question, value: promise };
    promise.then(
      () => (answer.settledAt = Date.now()),
      // An error is reported once to each who asked, and asked anew after.
      () => this.#answers.get(key) === answer && this.#answers.delete(key),
    );
    this.#answers.set(key, answer);
    return { question, value: promise };
  }

  readonly #flush = inBursts(
    () => this.#pending.length,
    async () => {
      if (!this.#hasAsked) {
        this.#hasAsked = true;
        const opened = HOST_WIDE.map((fact) => this.#open(fact, undefined).question);
        this.#pending.push(...opened.filter((question) => question !== undefined));
      }
      const questions = this.#pending;
      this.#pending = [];
      const inquiries = inquiriesFor(questions);
      try {
        const answers = await this.#host.call({ steps: [], questions: inquiries.map(({ command }) => command) });
        this.#settle(inquiries, answers.questions);
      } catch (error) {
        for (const question of questions) question.fail(error);
      }
    },
  );

  /** Questions that shared a command that failed are asked each by itself. */
  #settle(inquiries: readonly Inquiry[], outputs: readonly Output[]): void {
    for (const [index, { command, questions }] of inquiries.entries()) {
      const output = outputs[index]!;
      const [first] = questions;
      if (questions.length === 1) first!.settle(output);
      else if (succeeded(command, output)) {
        for (const [at, question] of questions.entries()) question.settle(output, at);
      } else {
        for (const question of questions) question.isAlone = true;
        this.#pending.push(...questions);
        void this.#flush();
      }
    }
  }
}

/** The questions' commands: one for all that can be asked together. */
function inquiriesFor(questions: readonly Question[]): readonly Inquiry[] {
  const groups = Map.groupBy(questions, (question) =>
    question.fact.together === undefined || question.isAlone ? question : question.fact,
  );
  return [...groups.values()].map((group) => {
    const [{ fact, command }] = group as [Question];
    return {
      questions: group,
      command: group.length === 1 ? command : fact.together!.command(group.map(({ args }) => args)),
    };
  });
}

/** What was odd about an answer that couldn't be read. */
function oddity(error: unknown): string {
  if (error instanceof z.ZodError) return z.prettifyError(error);
  return error instanceof Error ? error.message : String(error);
}

function keyOf(fact: Fact<never, unknown>, args: unknown): string {
  return `${fact.name} ${JSON.stringify(args)}`;
}
