import { relative } from "node:path";
import type { EngineEvent } from "@pulumi/pulumi/automation/index.js";
import { printColumns } from "../columns.ts";
import { countOperations, nameOf, type Plan } from "../preview/plan.ts";
import type { StackRun } from "./run.ts";

/** Where progress goes; a terminal gets lines that change. */
export interface Screen {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

/** `3 to create, 1 to update`, or with `done` `3 create, 1 update`; `none`. */
export function printChanges(changes: StackRun["changes"], to = ""): string {
  const counts = Object.entries(changes).map(([operation, count]) => `${count} ${to}${operation}`);
  return counts.join(", ") || "none";
}

/** On a terminal a line for each stack that runs, else a line for each begin and end. */
export class Progress {
  readonly #screen: Screen;
  readonly #what: string;
  readonly #total: number;
  readonly #running = new Map<string, { text: string; readonly began: number }>();
  readonly #ticker: NodeJS.Timeout | undefined;
  #ended = 0;
  #failed = 0;
  /** Lines on the terminal that are to be written over. */
  #lines = 0;

  /** @param what is done to the stacks, in a word */
  constructor(screen: Screen, what: string, total: number) {
    this.#screen = screen;
    this.#what = what;
    this.#total = total;
    if (screen.isTTY === true) this.#ticker = setInterval(() => this.#draw(), 250);
  }

  begin(stack: string): void {
    this.#running.set(stack, { text: "begun", began: Date.now() });
    if (this.#screen.isTTY !== true) this.#screen.write(`${stack}: ${this.#what} …\n`);
  }

  tell(stack: string, text: string): void {
    const running = this.#running.get(stack);
    if (running !== undefined) running.text = text;
  }

  end(stack: string, { result, changes, seconds, error }: StackRun): void {
    this.#running.delete(stack);
    this.#ended++;
    if (error !== undefined) this.#failed++;
    const why = error === undefined ? "" : `: ${error}`;
    this.#clear();
    this.#screen.write(`${stack}: ${this.#what} ${result}, changes: ${printChanges(changes)}, ${seconds} s${why}\n`);
    if (this.#screen.isTTY === true) this.#draw();
  }

  /** Leaves only what stays. */
  close(): void {
    clearInterval(this.#ticker);
    this.#clear();
  }

  #draw(): void {
    const { columns = 80, rows = 24 } = this.#screen;
    const running = [...this.#running].map(([stack, { text, began }]) => {
      return [stack, `${Math.round((Date.now() - began) / 1000)} s`, text];
    });
    const waiting = this.#total - this.#ended - running.length;
    const sum = `${this.#what}: ${this.#ended} of ${this.#total} done, ${this.#failed} failed, ${waiting} waiting`;
    const lines = [...printColumns(running, [1]).slice(0, Math.max(0, rows - 2)), sum];
    this.#clear();
    this.#screen.write(lines.map((line) => `${line.slice(0, columns - 1)}\n`).join(""));
    this.#lines = lines.length;
  }

  #clear(): void {
    if (this.#lines > 0) this.#screen.write(`\x1b[${this.#lines}A\x1b[J`);
    this.#lines = 0;
  }
}

/** Tells, of the engine's events, how many resources are done, and the one that was begun last. */
export function countDone(tell: (text: string) => void): (event: EngineEvent) => void {
  let done = 0;
  let last = "";
  return ({ resourcePreEvent, resOutputsEvent }) => {
    if (resourcePreEvent === undefined && resOutputsEvent === undefined) return;
    if (resOutputsEvent !== undefined) done++;
    const { op, urn } = (resourcePreEvent ?? resOutputsEvent)!.metadata;
    if (resourcePreEvent !== undefined && op !== "same") last = `${op} ${nameOf(urn)}`;
    tell(`${done} resources done${last === "" ? "" : `, ${last}`}`);
  };
}

/** The table at the end. */
export function printRuns(runs: ReadonlyMap<string, StackRun>): string[] {
  const rows = [...runs].map(([stack, { result, changes, seconds, error = "", log }]) => [
    stack,
    result,
    printChanges(changes),
    seconds === 0 ? "" : seconds.toFixed(1),
    error,
    error === "" || log === undefined ? "" : relative(process.cwd(), log),
  ]);
  return printColumns([["stack", "result", "changes", "seconds", "error", "log"], ...rows], [3]);
}

/** What all previews together would do, for the question before an `up`. */
export function printSum(plans: readonly Plan[]): string[] {
  const planned = plans.filter(({ errors }) => errors.length === 0);
  const sum = Object.fromEntries(countOperations(planned.flatMap(({ changes }) => changes)));
  return [
    `${planned.length} ${planned.length === 1 ? "stack" : "stacks"} together, changes: ${printChanges(sum, "to ")}`,
    ...planned.flatMap(({ stack, changes }) => {
      const lost = changes.filter(({ destroysData }) => destroysData);
      return lost.length === 0 ? [] : [`${stack} would destroy data: ${lost.map(({ name }) => name).join(", ")}`];
    }),
  ];
}
